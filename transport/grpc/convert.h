// The one place where values of the domain become messages of the wire and back. Private to this
// folder.
//
// ToProto() cannot fail: it fills a message that is empty; bytes that are no UTF-8 become U+FFFD,
// because protobuf would refuse the whole message at the other end. FromProto() trusts nobody: ids,
// enums, numbers, times, sizes and JSON are checked. Its errors are kInternal and name the field;
// a server turns them into kInvalidArgument. Thread-safety: plain functions.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/failure.h"
#include "core/result.h"
#include "core/task.h"
#include "quell/v1/common.pb.h"
#include "quell/v1/membership.pb.h"
#include "quell/v1/node.pb.h"
#include "transport/messages.h"

namespace quell {

void ToProto(const TaskId& from, v1::TaskId* to);
void ToProto(const TaskView& from, v1::Task* to);
void ToProto(const CpuUse& from, v1::Task::Cpu* to);
void ToProto(const MemoryUse& from, v1::Task::Memory* to);
void ToProto(const HostLoad& from, v1::HostLoad* to);
void ToProto(const TaskFilter& from, v1::TaskFilter* to);
void ToProto(const BootMoment& from, v1::BootMoment* to);
void ToProto(const Intent& from, v1::Intent* to);
void ToProto(const Receipt& from, v1::Receipt* to);
void ToProto(const IntentAck& from, v1::IntentAck* to);
void ToProto(const Error& from, v1::Error* to);
v1::TaskState ToProto(TaskState from);
v1::ReceiptState ToProto(ReceiptState from);
v1::ErrorCode ToProto(ErrorCode from);

Result<TaskId> FromProto(const v1::TaskId& from);
Result<CpuUse> FromProto(const v1::Task::Cpu& from);
Result<MemoryUse> FromProto(const v1::Task::Memory& from);
Result<HostLoad> FromProto(const v1::HostLoad& from);
Result<TaskFilter> FromProto(const v1::TaskFilter& from);
Result<BootMoment> FromProto(const v1::BootMoment& from);
Result<Intent> FromProto(const v1::Intent& from);
Result<Receipt> FromProto(const v1::Receipt& from);
Result<IntentAck> FromProto(const v1::IntentAck& from);
Result<TaskState> FromProto(v1::TaskState from);
Result<ReceiptState> FromProto(v1::ReceiptState from);
// A code that this version does not know is kInternal: what matters is that it is an error.
ErrorCode FromProto(v1::ErrorCode from);
Error FromProto(const v1::Error& from);

// What is asked; id and time are the caller's matter. A WithdrawRequest is no request of the
// domain: FromProto() refuses it.
void ToProto(const NodeRequest& from, v1::NodeRequest* to);
Result<NodeRequest> FromProto(const v1::NodeRequest& from);

// The end of an answer.
void ToProto(const NodeReply& from, v1::NodeReply* to);
// The node's own error if that is the end. `acks` are those of earlier messages, moved into an
// ApplyReply.
Result<NodeReply> FromProto(const v1::NodeReply& from, std::vector<IntentAck> acks);
// Appends; receipts of an intent that comes twice in a row are joined.
Status AppendAcks(const google::protobuf::RepeatedPtrField<v1::IntentAck>& from,
                  std::vector<IntentAck>* to);

void ToProto(const JoinRequest& from, v1::JoinRequest* to);
void ToProto(const JoinReply& from, v1::JoinReply* to);
void ToProto(const HeartbeatRequest& from, v1::HeartbeatRequest* to);
void ToProto(const HeartbeatReply& from, v1::HeartbeatReply* to);
void ToProto(const LeaveRequest& from, v1::LeaveRequest* to);
Result<JoinRequest> FromProto(const v1::JoinRequest& from);
Result<JoinReply> FromProto(const v1::JoinReply& from);
Result<HeartbeatRequest> FromProto(const v1::HeartbeatRequest& from);
Result<HeartbeatReply> FromProto(const v1::HeartbeatReply& from);
Result<LeaveRequest> FromProto(const v1::LeaveRequest& from);

// A page as views into the message, without copying a text; only headers are copied, into memory
// that the next page uses again.
class TaskPage {
 public:
  // The tasks that can be read. The views die with the next call or when the message changes.
  // Errors: kInternal (there are more tasks than a page may have).
  Result<std::span<const TaskView>> Read(const NodeId& node,
                                         const google::protobuf::RepeatedPtrField<v1::Task>& from);

  // The others of the last page: one that is garbage costs itself alone.
  std::span<const TaskFailure> unreadable() const { return unreadable_; }

 private:
  Status ReadTask(const NodeId& node, const v1::Task& from, TaskView& view);

  std::vector<TaskView> views_;
  std::vector<Header> headers_;
  std::size_t headers_used_ = 0;
  std::vector<TaskFailure> unreadable_;
};

}  // namespace quell
