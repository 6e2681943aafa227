#include "coordinator/failures.h"

namespace quell {
namespace {

std::string_view CauseType(ErrorCode code, bool joined) {
  switch (code) {
    case ErrorCode::kCancelled:  // Nobody waits any more; the node may be well.
      return "task_cancelled_exception";
    case ErrorCode::kUnavailable:
      return joined ? "node_disconnected_exception" : "node_not_connected_exception";
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

NodeFailure OfTask(const NodeInfo& node, std::string_view type, std::string_view task,
                   std::string_view what) {
  std::string reason = "task [";
  reason.append(task).append("] ").append(what);
  return {node.id.ToString(), std::string(type), std::move(reason)};
}

}  // namespace

NodeFailure FailureOf(const NodeInfo& node, bool joined, std::string_view action,
                      const Error& error) {
  const std::string_view type = CauseType(error.code, joined);
  std::string reason;
  reason.append("[").append(node.name).append("][").append(node.address).append("]");
  // A node that is not connected was asked for nothing.
  if (type != "node_not_connected_exception") reason.append("[").append(action).append("]");
  reason.append(" ").append(error.message);
  return {node.id.ToString(), std::string(type), std::move(reason)};
}

ErrorCode CodeOf(const NodeFailure& failure) {
  for (ErrorCode code : {ErrorCode::kCancelled, ErrorCode::kDeadlineExceeded, ErrorCode::kNotFound,
                         ErrorCode::kResourceExhausted, ErrorCode::kInvalidArgument,
                         ErrorCode::kPermissionDenied, ErrorCode::kInternal}) {
    if (failure.cause_type == CauseType(code, true)) return code;
  }
  return ErrorCode::kUnavailable;
}

NodeFailure NoSuchNode(const std::string& token) {
  return {token, "no_such_node_exception", "No such node [" + token + "]"};
}

NodeFailure TaskNotFound(const NodeInfo& node, std::string_view task) {
  return OfTask(node, "resource_not_found_exception", task, "is not found");
}

NodeFailure TaskEnded(const NodeInfo& node, std::string_view task,
                      std::optional<TaskState> state) {
  std::string what = "has ended";
  if (state) what.append(": ").append(ToString(*state));
  return OfTask(node, "illegal_state_exception", task, what);
}

NodeFailure NotCancellable(const NodeInfo& node, std::string_view task) {
  return OfTask(node, "illegal_argument_exception", task, "doesn't support cancellation");
}

NodeFailure FilterMismatch(const NodeInfo& node, std::string_view task) {
  return OfTask(node, "illegal_argument_exception", task, "doesn't support this operation");
}

}  // namespace quell
