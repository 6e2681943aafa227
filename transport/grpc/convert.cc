// Tasks, intents, receipts, errors: what all messages share.
#include "transport/grpc/convert.h"

#include <cassert>
#include <limits>

#include "core/limits.h"
#include "transport/grpc/fields.h"
#include "transport/grpc/json_object.h"

namespace quell {

using fields::CheckText;
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
  return {FromProto(from.code()), from.message()};
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
  reader.Take(fields::TaskNumber("a task's number", from.number()), &id.number);
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
  to->set_orphaned(from.orphaned);
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

namespace {

Status CheckTask(const v1::Task& from) {
  Reader reader;
  if (from.action().empty()) reader.Fail(Garbage("a task's action", "is empty"));
  reader.Check(CheckText("a task's type", from.type(), limits::kActionMax));
  reader.Check(CheckText("a task's action", from.action(), limits::kActionMax));
  reader.Check(CheckText("a task's description", from.description(), limits::kDescriptionMax));
  reader.Check(CheckText("a task's status", from.status_json(), limits::kStatusMax));
  if (!from.status_json().empty() && !IsJsonObject(from.status_json())) {
    reader.Fail(Garbage("a task's status", "is no JSON object"));
  }
  if (from.running_nanos() > std::numeric_limits<std::int64_t>::max()) {
    reader.Fail(Garbage("a task's running time", "is too long"));
  }
  if (from.pid() < 0) reader.Fail(Garbage("a task's pid", "is negative"));
  if (static_cast<std::size_t>(from.headers_size()) > limits::kHeadersMax) {
    reader.Fail(Garbage("a task's headers", "are too many"));
  }
  for (const v1::Header& header : from.headers()) {
    reader.Check(CheckText("a header's name", header.name(), limits::kHeaderValueMax));
    reader.Check(CheckText("a header's value", header.value(), limits::kHeaderValueMax));
  }
  if (from.has_cancel()) {
    reader.Check(CheckText("a cancel's author", from.cancel().by(), limits::kPrincipalMax));
    reader.Check(CheckText("a cancel's reason", from.cancel().reason(), limits::kReasonMax));
  }
  return reader.Finish();
}

}  // namespace

Result<std::span<const TaskView>> TaskPage::Read(
    const NodeId& node, const google::protobuf::RepeatedPtrField<v1::Task>& from) {
  const auto count = static_cast<std::size_t>(from.size());
  if (count > limits::kPageTasks) return Garbage("a page", "has too many tasks");
  std::size_t headers = 0;
  for (const v1::Task& task : from) {
    const Status valid = CheckTask(task);
    if (!valid) return valid.error();
    headers += static_cast<std::size_t>(task.headers_size());
  }
  views_.resize(count);
  // Grown once, before spans point into it; never shrunk, so that its strings are used again.
  if (headers_.size() < headers) headers_.resize(headers);
  std::size_t used = 0;
  Reader reader;
  for (std::size_t i = 0; i < count; ++i) {
    const v1::Task& task = from[static_cast<int>(i)];
    TaskView& view = views_[i];
    view = TaskView();
    view.id.node = node;
    reader.Take(fields::TaskNumber("a task's number", task.number()), &view.id.number);
    view.type = task.type();
    view.action = task.action();
    view.description = task.description();
    view.status_json = task.status_json();
    reader.Take(FromProto(task.state()), &view.state);
    view.cancellable = task.cancellable();
    view.orphaned = task.orphaned();
    view.cancelled = task.has_cancel();
    if (view.cancelled) {
      reader.Take(Wall("a cancel's time", task.cancel().at_micros()), &view.cancelled_at);
      view.cancelled_by = task.cancel().by();
      view.cancel_reason = task.cancel().reason();
    }
    reader.Take(Wall("a task's start", task.start_micros()), &view.start_wall);
    view.running = std::chrono::nanoseconds(static_cast<std::int64_t>(task.running_nanos()));
    if (task.has_parent()) {
      TaskId parent;
      reader.Take(FromProto(task.parent()), &parent);
      view.parent = parent;
    }
    const std::size_t first = used;
    for (const v1::Header& header : task.headers()) {
      headers_[used].name = header.name();
      headers_[used].value = header.value();
      ++used;
    }
    view.headers = std::span<const Header>(headers_).subspan(first, used - first);
    view.owner_uid = task.owner_uid();
    view.pid = task.pid();
    if (task.cancel_on_parent_lost()) view.on_parent_lost = OnParentLost::kCancel;
    reader.Take(MaybeWall("a task's last check", task.last_check_micros()), &view.last_check);
    if (task.has_cpu()) reader.Take(FromProto(task.cpu()), &view.resources.cpu.emplace());
    if (task.has_memory()) {
      reader.Take(FromProto(task.memory()), &view.resources.memory.emplace());
    }
  }
  return reader.Finish(std::span<const TaskView>(views_));
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
  for (const std::string& pattern : from.actions()) {
    reader.Check(CheckText("a filter's pattern", pattern, limits::kActionPatternMax));
    filter.actions.push_back(pattern);
  }
  if (from.has_parent()) {
    TaskId parent;
    reader.Take(FromProto(from.parent()), &parent);
    filter.parent = parent;
  }
  return reader.Finish(std::move(filter));
}

void ToProto(const Intent& from, v1::Intent* to) {
  to->set_id(from.id.ToString());
  if (const TaskId* task = from.task()) ToProto(*task, to->mutable_task());
  if (const TaskFilter* filter = from.filter()) ToProto(*filter, to->mutable_filter());
  to->set_requested_micros(MicrosSinceEpoch(from.requested_at));
  SetText(from.by, to->mutable_by());
  SetText(from.reason, to->mutable_reason());
  to->set_cascade(from.cascade);
  to->set_grace_millis(from.grace.count());
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
  reader.Take(Wall("an intent's time", from.requested_micros()), &intent.requested_at);
  reader.Check(CheckText("an intent's author", from.by(), limits::kPrincipalMax));
  reader.Check(CheckText("an intent's reason", from.reason(), limits::kReasonMax));
  intent.by = from.by();
  intent.reason = from.reason();
  intent.cascade = from.cascade();
  intent.grace = std::chrono::milliseconds(from.grace_millis());
  if (from.grace_millis() < 0 || intent.grace > limits::kGraceMax) {
    reader.Fail(Garbage("an intent's grace", "is out of range"));
  }
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
  reader.Take(Wall("a receipt's time", from.recorded_micros()), &receipt.recorded_at);
  reader.Take(MaybeWall("a receipt's delivery", from.delivered_micros()), &receipt.delivered_at);
  reader.Take(MaybeWall("a receipt's acknowledgement", from.acknowledged_micros()),
              &receipt.acknowledged_at);
  reader.Take(MaybeWall("a receipt's escalation", from.escalated_micros()), &receipt.escalated_at);
  reader.Take(MaybeWall("a receipt's end", from.ended_micros()), &receipt.ended_at);
  if (from.outcome() != v1::TASK_STATE_UNSPECIFIED) {
    TaskState outcome{};
    reader.Take(FromProto(from.outcome()), &outcome);
    receipt.outcome = outcome;
  }
  reader.Check(CheckText("a receipt's note", from.note(), limits::kDescriptionMax));
  receipt.note = from.note();
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
