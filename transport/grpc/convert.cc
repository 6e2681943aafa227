// Tasks, intents, receipts, errors: what all messages share.
#include "transport/grpc/convert.h"

#include <algorithm>
#include <cassert>

#include "core/limits.h"
#include "core/utf8.h"
#include "core/validity.h"
#include "transport/grpc/fields.h"

namespace quell {

using fields::Garbage;
using fields::MaybeWall;
using fields::Micros;
using fields::ParseId;
using fields::Reader;
using fields::SetText;
using fields::Wall;

v1::TaskState ToProto(TaskState from) {
  switch (from) {
    case TaskState::kScheduled:
      return v1::TASK_STATE_SCHEDULED;
    case TaskState::kSubmitted:
      return v1::TASK_STATE_SUBMITTED;
    case TaskState::kAccepted:
      return v1::TASK_STATE_ACCEPTED;
    case TaskState::kStarting:
      return v1::TASK_STATE_STARTING;
    case TaskState::kRunning:
      return v1::TASK_STATE_RUNNING;
    case TaskState::kStopping:
      return v1::TASK_STATE_STOPPING;
    case TaskState::kFinalizing:
      return v1::TASK_STATE_FINALIZING;
    case TaskState::kSucceeded:
      return v1::TASK_STATE_SUCCEEDED;
    case TaskState::kFailed:
      return v1::TASK_STATE_FAILED;
    case TaskState::kCancelled:
      return v1::TASK_STATE_CANCELLED;
    case TaskState::kExpired:
      return v1::TASK_STATE_EXPIRED;
    case TaskState::kLost:
      return v1::TASK_STATE_LOST;
    case TaskState::kRejected:
      return v1::TASK_STATE_REJECTED;
  }
  assert(false);
  return v1::TASK_STATE_UNSPECIFIED;
}

Result<TaskState> FromProto(v1::TaskState from) {
  switch (from) {
    case v1::TASK_STATE_SCHEDULED:
      return TaskState::kScheduled;
    case v1::TASK_STATE_SUBMITTED:
      return TaskState::kSubmitted;
    case v1::TASK_STATE_ACCEPTED:
      return TaskState::kAccepted;
    case v1::TASK_STATE_STARTING:
      return TaskState::kStarting;
    case v1::TASK_STATE_RUNNING:
      return TaskState::kRunning;
    case v1::TASK_STATE_STOPPING:
      return TaskState::kStopping;
    case v1::TASK_STATE_FINALIZING:
      return TaskState::kFinalizing;
    case v1::TASK_STATE_SUCCEEDED:
      return TaskState::kSucceeded;
    case v1::TASK_STATE_FAILED:
      return TaskState::kFailed;
    case v1::TASK_STATE_CANCELLED:
      return TaskState::kCancelled;
    case v1::TASK_STATE_EXPIRED:
      return TaskState::kExpired;
    case v1::TASK_STATE_LOST:
      return TaskState::kLost;
    case v1::TASK_STATE_REJECTED:
      return TaskState::kRejected;
    case v1::TASK_STATE_UNSPECIFIED:
    case v1::TaskState_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::TaskState_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return Garbage("a task's state", "is unknown");
}

v1::ReceiptState ToProto(ReceiptState from) {
  switch (from) {
    case ReceiptState::kCancelRequested:
      return v1::RECEIPT_STATE_CANCEL_REQUESTED;
    case ReceiptState::kDelivered:
      return v1::RECEIPT_STATE_DELIVERED;
    case ReceiptState::kStopping:
      return v1::RECEIPT_STATE_STOPPING;
    case ReceiptState::kDeferred:
      return v1::RECEIPT_STATE_DEFERRED;
    case ReceiptState::kIgnoring:
      return v1::RECEIPT_STATE_IGNORING;
    case ReceiptState::kKilled:
      return v1::RECEIPT_STATE_KILLED;
    case ReceiptState::kOrphaned:
      return v1::RECEIPT_STATE_ORPHANED;
    case ReceiptState::kUnreachable:
      return v1::RECEIPT_STATE_UNREACHABLE;
    case ReceiptState::kEnded:
      return v1::RECEIPT_STATE_ENDED;
  }
  assert(false);
  return v1::RECEIPT_STATE_UNSPECIFIED;
}

Result<ReceiptState> FromProto(v1::ReceiptState from) {
  switch (from) {
    case v1::RECEIPT_STATE_CANCEL_REQUESTED:
      return ReceiptState::kCancelRequested;
    case v1::RECEIPT_STATE_DELIVERED:
      return ReceiptState::kDelivered;
    case v1::RECEIPT_STATE_STOPPING:
      return ReceiptState::kStopping;
    case v1::RECEIPT_STATE_DEFERRED:
      return ReceiptState::kDeferred;
    case v1::RECEIPT_STATE_IGNORING:
      return ReceiptState::kIgnoring;
    case v1::RECEIPT_STATE_KILLED:
      return ReceiptState::kKilled;
    case v1::RECEIPT_STATE_ORPHANED:
      return ReceiptState::kOrphaned;
    case v1::RECEIPT_STATE_UNREACHABLE:
      return ReceiptState::kUnreachable;
    case v1::RECEIPT_STATE_ENDED:
      return ReceiptState::kEnded;
    case v1::RECEIPT_STATE_UNSPECIFIED:
    case v1::ReceiptState_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::ReceiptState_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return Garbage("a receipt's state", "is unknown");
}

v1::ErrorCode ToProto(ErrorCode from) {
  switch (from) {
    case ErrorCode::kInvalidArgument:
      return v1::ERROR_CODE_INVALID_ARGUMENT;
    case ErrorCode::kNotFound:
      return v1::ERROR_CODE_NOT_FOUND;
    case ErrorCode::kAlreadyExists:
      return v1::ERROR_CODE_ALREADY_EXISTS;
    case ErrorCode::kFailedPrecondition:
      return v1::ERROR_CODE_FAILED_PRECONDITION;
    case ErrorCode::kResourceExhausted:
      return v1::ERROR_CODE_RESOURCE_EXHAUSTED;
    case ErrorCode::kUnavailable:
    case ErrorCode::kDraining:  // Said to programs only.
      return v1::ERROR_CODE_UNAVAILABLE;
    case ErrorCode::kDeadlineExceeded:
      return v1::ERROR_CODE_DEADLINE_EXCEEDED;
    case ErrorCode::kCancelled:
      return v1::ERROR_CODE_CANCELLED;
    case ErrorCode::kUnauthenticated:
      return v1::ERROR_CODE_UNAUTHENTICATED;
    case ErrorCode::kPermissionDenied:
      return v1::ERROR_CODE_PERMISSION_DENIED;
    case ErrorCode::kInternal:
      return v1::ERROR_CODE_INTERNAL;
    case ErrorCode::kOutcomeUnknown:
      return v1::ERROR_CODE_OUTCOME_UNKNOWN;
  }
  assert(false);
  return v1::ERROR_CODE_INTERNAL;
}

ErrorCode FromProto(v1::ErrorCode from) {
  switch (from) {
    case v1::ERROR_CODE_INVALID_ARGUMENT:
      return ErrorCode::kInvalidArgument;
    case v1::ERROR_CODE_NOT_FOUND:
      return ErrorCode::kNotFound;
    case v1::ERROR_CODE_ALREADY_EXISTS:
      return ErrorCode::kAlreadyExists;
    case v1::ERROR_CODE_FAILED_PRECONDITION:
      return ErrorCode::kFailedPrecondition;
    case v1::ERROR_CODE_RESOURCE_EXHAUSTED:
      return ErrorCode::kResourceExhausted;
    case v1::ERROR_CODE_UNAVAILABLE:
      return ErrorCode::kUnavailable;
    case v1::ERROR_CODE_DEADLINE_EXCEEDED:
      return ErrorCode::kDeadlineExceeded;
    case v1::ERROR_CODE_CANCELLED:
      return ErrorCode::kCancelled;
    case v1::ERROR_CODE_UNAUTHENTICATED:
      return ErrorCode::kUnauthenticated;
    case v1::ERROR_CODE_PERMISSION_DENIED:
      return ErrorCode::kPermissionDenied;
    case v1::ERROR_CODE_INTERNAL:
      return ErrorCode::kInternal;
    case v1::ERROR_CODE_OUTCOME_UNKNOWN:
      return ErrorCode::kOutcomeUnknown;
    case v1::ERROR_CODE_UNSPECIFIED:
    case v1::ErrorCode_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::ErrorCode_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return ErrorCode::kInternal;
}

void ToProto(const Error& from, v1::Error* to) {
  to->set_code(ToProto(from.code));
  SetText(from.message, to->mutable_message());
}

Error FromProto(const v1::Error& from) {
  return {FromProto(from.code()), fields::PeerText(from.message())};
}

void ToProto(const TaskId& from, v1::TaskId* to) {
  const std::string_view node = from.node.view();
  to->set_node(node.data(), node.size());
  to->set_number(from.number);
}

Result<TaskId> FromProto(const v1::TaskId& from) {
  Reader reader;
  TaskId id;
  reader.Take(ParseId<NodeId>("a task's node", from.node()), &id.node);
  reader.Take(fields::TaskNumber("task", from.number()), &id.number);
  return reader.Finish(id);
}

void ToProto(const TaskView& from, v1::Task* to) {
  to->set_number(from.id.number);
  SetText(from.type, to->mutable_type());
  SetText(from.action, to->mutable_action());
  if (!from.description.empty()) SetText(from.description, to->mutable_description());
  if (!from.status_json.empty()) SetText(from.status_json, to->mutable_status_json());
  to->set_state(ToProto(from.state));
  to->set_cancellable(from.cancellable);
  to->set_detached(from.detached);
  if (from.cancelled) {
    v1::Task::Cancel* cancel = to->mutable_cancel();
    cancel->set_at_micros(MicrosSinceEpoch(from.cancelled_at));
    SetText(from.cancelled_by, cancel->mutable_by());
    SetText(from.cancel_reason, cancel->mutable_reason());
  }
  to->set_start_micros(MicrosSinceEpoch(from.start_wall));
  to->set_running_nanos(static_cast<std::uint64_t>(from.running.count()));
  if (from.parent) ToProto(*from.parent, to->mutable_parent());
  for (const Header& header : from.headers) {
    v1::Header* added = to->add_headers();
    SetText(header.name, added->mutable_name());
    SetText(header.value, added->mutable_value());
  }
  to->set_owner_uid(from.owner_uid);
  to->set_pid(from.pid);
  to->set_cancel_on_parent_lost(from.on_parent_lost == OnParentLost::kCancel);
  if (from.last_check) to->set_last_check_micros(MicrosSinceEpoch(*from.last_check));
  if (from.resources.cpu) ToProto(*from.resources.cpu, to->mutable_cpu());
  if (from.resources.memory) ToProto(*from.resources.memory, to->mutable_memory());
}

Status TaskPage::ReadTask(const NodeId& node, const v1::Task& from, TaskView& view) {
  // Before they are copied.
  if (static_cast<std::size_t>(from.headers_size()) > limits::kHeadersMax) {
    return Garbage("a task's headers", "are too many");
  }
  Reader reader;
  view = TaskView();
  view.id = {node, from.number()};
  view.type = from.type();
  view.action = from.action();
  view.description = from.description();
  view.status_json = from.status_json();
  reader.Take(FromProto(from.state()), &view.state);
  view.cancellable = from.cancellable();
  view.detached = from.detached();
  view.cancelled = from.has_cancel();
  if (view.cancelled) {
    view.cancelled_at = WallFromMicros(from.cancel().at_micros());
    view.cancelled_by = from.cancel().by();
    view.cancel_reason = from.cancel().reason();
  }
  view.start_wall = WallFromMicros(from.start_micros());
  view.running = std::chrono::nanoseconds(static_cast<std::int64_t>(from.running_nanos()));
  if (from.has_parent()) reader.Take(FromProto(from.parent()), &view.parent.emplace());
  const std::size_t first = headers_used_;
  for (const v1::Header& header : from.headers()) {
    headers_[headers_used_].name = header.name();
    headers_[headers_used_].value = header.value();
    ++headers_used_;
  }
  view.headers = std::span<const Header>(headers_).subspan(first, headers_used_ - first);
  view.owner_uid = from.owner_uid();
  view.pid = from.pid();
  if (from.cancel_on_parent_lost()) view.on_parent_lost = OnParentLost::kCancel;
  reader.Take(MaybeWall("last check", from.last_check_micros()), &view.last_check);
  if (from.has_cpu()) reader.Take(FromProto(from.cpu()), &view.resources.cpu.emplace());
  if (from.has_memory()) reader.Take(FromProto(from.memory()), &view.resources.memory.emplace());
  if (reader.ok()) reader.Check(fields::Valid(Check(view)));
  return reader.Finish();
}

Result<std::span<const TaskView>> TaskPage::Read(
    const NodeId& node, const google::protobuf::RepeatedPtrField<v1::Task>& from) {
  const auto count = static_cast<std::size_t>(from.size());
  if (count > limits::kPageTasks) return Garbage("a page", "has too many tasks");
  std::size_t headers = 0;
  for (const v1::Task& task : from)
    headers += std::min(static_cast<std::size_t>(task.headers_size()), limits::kHeadersMax);
  views_.resize(count);
  unreadable_.clear();
  // Grown once, before spans point into it; never shrunk, so that its strings are used again.
  if (headers_.size() < headers) headers_.resize(headers);
  headers_used_ = 0;
  std::size_t good = 0;
  for (const v1::Task& task : from) {
    if (Status read = ReadTask(node, task, views_[good]); read) {
      ++good;
    } else {
      const bool named = CheckTaskNumber({}, task.number()).has_value();
      unreadable_.push_back({node, named ? task.number() : 0, std::move(read).error().message});
    }
  }
  return std::span<const TaskView>(views_).first(good);
}

void ToProto(const TaskFilter& from, v1::TaskFilter* to) {
  for (const std::string& pattern : from.actions)
    SetText(pattern, to->add_actions());
  if (from.parent) ToProto(*from.parent, to->mutable_parent());
}

Result<TaskFilter> FromProto(const v1::TaskFilter& from) {
  Reader reader;
  TaskFilter filter;
  if (static_cast<std::size_t>(from.actions_size()) > limits::kActionPatternsMax) {
    return Garbage("a filter's patterns", "are too many");
  }
  filter.actions.assign(from.actions().begin(), from.actions().end());
  if (from.has_parent()) {
    TaskId parent;
    reader.Take(FromProto(from.parent()), &parent);
    filter.parent = parent;
  }
  if (reader.ok()) reader.Check(fields::Valid(Check(filter)));
  return reader.Finish(std::move(filter));
}

void ToProto(const BootMoment& from, v1::BootMoment* to) {
  SetText(from.boot_id, to->mutable_boot_id());
  to->set_nanos(from.at.time_since_epoch().count());
}

Result<BootMoment> FromProto(const v1::BootMoment& from) {
  Reader reader;
  reader.Check(fields::Valid(CheckText("boot id", from.boot_id(), limits::kNodeNameMax)));
  // So far below the largest value that sums of some cannot overflow.
  constexpr std::int64_t kLongest =
      std::chrono::nanoseconds(std::chrono::hours(24 * 365 * 50)).count();
  if (from.nanos() < 0 || from.nanos() > kLongest) {
    reader.Fail(Garbage("a reading of the boot clock", "is out of range"));
  }
  return reader.Finish(
      BootMoment{from.boot_id(), BootTime(std::chrono::nanoseconds(from.nanos()))});
}

void ToProto(const Intent& from, v1::Intent* to) {
  to->set_id(from.id.ToString());
  if (const TaskId* task = from.task()) ToProto(*task, to->mutable_task());
  if (const TaskFilter* filter = from.filter()) ToProto(*filter, to->mutable_filter());
  to->set_requested_micros(MicrosSinceEpoch(from.requested_at));
  SetText(from.by, to->mutable_by());
  // One that is too long once it is UTF-8 would make the node refuse all that comes with it.
  *to->mutable_reason() = CutUtf8(ToUtf8(from.reason), limits::kReasonMax);
  to->set_cascade(from.cascade);
  to->set_grace_millis(from.grace.count());
  if (from.moment.known()) ToProto(from.moment, to->mutable_moment());
  if (from.horizon.life.is_null()) return;
  to->mutable_horizon()->set_life(from.horizon.life.ToString());
  to->mutable_horizon()->set_next_number(from.horizon.next_number);
}

Result<Intent> FromProto(const v1::Intent& from) {
  Reader reader;
  Intent intent;
  reader.Take(ParseId<IntentId>("an intent's id", from.id()), &intent.id);
  switch (from.target_case()) {
    case v1::Intent::kTask: {
      TaskId task;
      reader.Take(FromProto(from.task()), &task);
      intent.target = task;
      break;
    }
    case v1::Intent::kFilter: {
      TaskFilter filter;
      reader.Take(FromProto(from.filter()), &filter);
      intent.target = std::move(filter);
      break;
    }
    case v1::Intent::TARGET_NOT_SET:
      reader.Fail(Garbage("an intent's target", "is absent or unknown"));
      break;
  }
  intent.requested_at = WallFromMicros(from.requested_micros());
  intent.by = from.by();
  intent.reason = from.reason();
  intent.cascade = from.cascade();
  intent.grace = std::chrono::milliseconds(from.grace_millis());
  if (from.has_moment()) reader.Take(FromProto(from.moment()), &intent.moment);
  if (from.has_horizon()) {
    reader.Take(ParseId<LifeId>("a horizon's life", from.horizon().life()), &intent.horizon.life);
    reader.Check(fields::Valid(CheckNextNumber(from.horizon().next_number())));
    intent.horizon.next_number = from.horizon().next_number();
  }
  if (reader.ok()) reader.Check(fields::Valid(Check(intent)));
  return reader.Finish(std::move(intent));
}

void ToProto(const Receipt& from, v1::Receipt* to) {
  ToProto(from.task, to->mutable_task());
  to->set_intent(from.intent.ToString());
  to->set_state(ToProto(from.state));
  to->set_recorded_micros(MicrosSinceEpoch(from.recorded_at));
  to->set_delivered_micros(Micros(from.delivered_at));
  to->set_acknowledged_micros(Micros(from.acknowledged_at));
  to->set_escalated_micros(Micros(from.escalated_at));
  to->set_ended_micros(Micros(from.ended_at));
  if (from.outcome) to->set_outcome(ToProto(*from.outcome));
  if (!from.note.empty()) SetText(from.note, to->mutable_note());
}

Result<Receipt> FromProto(const v1::Receipt& from) {
  Reader reader;
  Receipt receipt;
  reader.Take(FromProto(from.task()), &receipt.task);
  reader.Take(ParseId<IntentId>("a receipt's intent", from.intent()), &receipt.intent);
  reader.Take(FromProto(from.state()), &receipt.state);
  reader.Take(Wall("moment of the receipt", from.recorded_micros()), &receipt.recorded_at);
  reader.Take(MaybeWall("moment of the delivery", from.delivered_micros()), &receipt.delivered_at);
  reader.Take(MaybeWall("moment of the acknowledgement", from.acknowledged_micros()),
              &receipt.acknowledged_at);
  reader.Take(MaybeWall("moment of the escalation", from.escalated_micros()),
              &receipt.escalated_at);
  reader.Take(MaybeWall("moment of the end", from.ended_micros()), &receipt.ended_at);
  if (from.outcome() != v1::TASK_STATE_UNSPECIFIED) {
    TaskState outcome{};
    reader.Take(FromProto(from.outcome()), &outcome);
    receipt.outcome = outcome;
  }
  receipt.note = from.note();
  if (reader.ok()) reader.Check(fields::Valid(Check(receipt)));
  return reader.Finish(std::move(receipt));
}

void ToProto(const IntentAck& from, v1::IntentAck* to) {
  to->set_intent(from.intent.ToString());
  for (const Receipt& receipt : from.receipts)
    ToProto(receipt, to->add_receipts());
  for (const TaskId& task : from.doubtful)
    ToProto(task, to->add_doubtful());
}

Result<IntentAck> FromProto(const v1::IntentAck& from) {
  Reader reader;
  IntentAck ack;
  reader.Take(ParseId<IntentId>("an acknowledgement's intent", from.intent()), &ack.intent);
  ack.receipts.resize(static_cast<std::size_t>(from.receipts_size()));
  for (int i = 0; i < from.receipts_size() && reader.ok(); ++i) {
    reader.Take(FromProto(from.receipts(i)), &ack.receipts[static_cast<std::size_t>(i)]);
  }
  ack.doubtful.resize(static_cast<std::size_t>(from.doubtful_size()));
  for (int i = 0; i < from.doubtful_size() && reader.ok(); ++i) {
    reader.Take(FromProto(from.doubtful(i)), &ack.doubtful[static_cast<std::size_t>(i)]);
  }
  return reader.Finish(std::move(ack));
}

}  // namespace quell
