#include "coordinator/fan_out/failures.h"

namespace quell {
namespace {

std::string_view TypeOf(ErrorCode code, bool connected) {
  switch (code) {
    case ErrorCode::kCancelled:  // Nobody waits any more; the node may be well.
      return "task_cancelled_exception";
    case ErrorCode::kUnavailable:
    case ErrorCode::kDraining:
      return connected ? "node_disconnected_exception" : "node_not_connected_exception";
    case ErrorCode::kDeadlineExceeded:
      return "receive_timeout_transport_exception";
    case ErrorCode::kResourceExhausted:
      return "rejected_execution_exception";
    case ErrorCode::kNotFound:
      return "resource_not_found_exception";
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kFailedPrecondition:
      return "illegal_argument_exception";
    case ErrorCode::kUnauthenticated:
    case ErrorCode::kPermissionDenied:
      return "security_exception";
    case ErrorCode::kInternal:
    case ErrorCode::kOutcomeUnknown:
      return "transport_serialization_exception";
  }
  return "transport_serialization_exception";
}

FailureCause CauseOf(ErrorCode code, Presence presence) {
  switch (code) {
    case ErrorCode::kCancelled:
      return FailureCause::kGivenUp;
    case ErrorCode::kUnavailable:
    case ErrorCode::kDraining:
      if (presence == Presence::kStopped) return FailureCause::kStopped;
      if (presence == Presence::kNotJoined) return FailureCause::kNotJoined;
      return FailureCause::kDisconnected;
    case ErrorCode::kDeadlineExceeded:
      if (presence == Presence::kSilent) return FailureCause::kSilent;
      if (presence == Presence::kNotJoined) return FailureCause::kNotJoined;
      return FailureCause::kNoAnswer;
    case ErrorCode::kResourceExhausted:
      return FailureCause::kBusy;
    case ErrorCode::kNotFound:
      return FailureCause::kTaskNotFound;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kFailedPrecondition:
    case ErrorCode::kUnauthenticated:
    case ErrorCode::kPermissionDenied:
      return FailureCause::kRefused;
    case ErrorCode::kInternal:
    case ErrorCode::kOutcomeUnknown:
      return FailureCause::kBadAnswer;
  }
  return FailureCause::kBadAnswer;
}

NodeFailure OfTask(const NodeInfo& node, FailureCause cause, ErrorCode code, std::string_view task,
                   std::string_view what) {
  std::string reason = "task [";
  reason.append(task).append("] ").append(what);
  return {node.id.ToString(), std::string(TypeOf(code, true)), std::move(reason), cause, code,
          node.name};
}

std::string Place(const NodeInfo& node) {
  return "[" + node.name + "][" + node.address + "]";
}

}  // namespace

NodeFailure FailureOf(const NodeInfo& node, const Standing& standing, std::string_view action,
                      const Error& error) {
  const std::string_view type = TypeOf(error.code, standing.connected);
  std::string reason = Place(node);
  // A node that is not connected was asked for nothing.
  if (type != "node_not_connected_exception") reason.append("[").append(action).append("]");
  reason.append(" ").append(error.message);
  return {node.id.ToString(), std::string(type),
          std::move(reason),  CauseOf(error.code, standing.presence),
          error.code,         node.name,
          standing.since};
}

NodeFailure NotResponding(const NodeInfo& node, std::string_view action, WallTime since) {
  constexpr ErrorCode kCode = ErrorCode::kDeadlineExceeded;
  std::string reason = Place(node);
  reason.append("[").append(action).append("] was not asked: earlier requests still wait for it");
  return {node.id.ToString(),
          std::string(TypeOf(kCode, true)),
          std::move(reason),
          FailureCause::kNotResponding,
          kCode,
          node.name,
          since};
}

NodeFailure WaitRanOut(const NodeInfo& node, std::string reason) {
  return {node.id.ToString(),          "timeout_exception",          std::move(reason),
          FailureCause::kStillRunning, ErrorCode::kDeadlineExceeded, node.name};
}

NodeFailure NoSuchNode(const std::string& token) {
  return {token, "no_such_node_exception", "No such node [" + token + "]",
          FailureCause::kNoSuchNode, ErrorCode::kNotFound};
}

NodeFailure TaskNotFound(const NodeInfo& node, std::string_view task) {
  return OfTask(node, FailureCause::kTaskNotFound, ErrorCode::kNotFound, task, "is not found");
}

NodeFailure TaskEnded(const NodeInfo& node, std::string_view task, std::optional<TaskState> state) {
  std::string what = "has ended";
  if (state) what.append(": ").append(ToString(*state));
  NodeFailure failure =
      OfTask(node, FailureCause::kTaskEnded, ErrorCode::kFailedPrecondition, task, what);
  failure.cause_type = "illegal_state_exception";
  return failure;
}

NodeFailure NotCancellable(const NodeInfo& node, std::string_view task) {
  return OfTask(node, FailureCause::kNotCancellable, ErrorCode::kInvalidArgument, task,
                "doesn't support cancellation");
}

NodeFailure FilterMismatch(const NodeInfo& node, std::string_view task) {
  return OfTask(node, FailureCause::kFilterMismatch, ErrorCode::kInvalidArgument, task,
                "doesn't support this operation");
}

}  // namespace quell
