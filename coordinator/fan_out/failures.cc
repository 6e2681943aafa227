#include "coordinator/fan_out/failures.h"

namespace quell {
namespace {

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
  std::string message = "task [";
  message.append(task).append("] ").append(what);
  return {node.id.ToString(), cause, code, std::move(message), node.name};
}

}  // namespace

NodeFailure FailureOf(const NodeInfo& node, const Standing& standing, std::string_view action,
                      const Error& error) {
  const bool away = error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kDraining;
  const bool asked = standing.connected || !away;
  return {node.id.ToString(), CauseOf(error.code, standing.presence),
          error.code,         error.message,
          node.name,          standing.since,
          node.address,       asked ? std::string(action) : std::string()};
}

NodeFailure NotResponding(const NodeInfo& node, std::string_view action, WallTime since) {
  return {node.id.ToString(),
          FailureCause::kNotResponding,
          ErrorCode::kDeadlineExceeded,
          "was not asked: earlier requests still wait for it",
          node.name,
          since,
          node.address,
          std::string(action)};
}

NodeFailure WaitRanOut(const NodeInfo& node, std::string message) {
  return {node.id.ToString(), FailureCause::kStillRunning, ErrorCode::kDeadlineExceeded,
          std::move(message), node.name};
}

NodeFailure NoRoom(const NodeInfo& node, std::string message) {
  return {node.id.ToString(), FailureCause::kNoRoom, ErrorCode::kResourceExhausted,
          std::move(message), node.name};
}

NodeFailure NoSuchNode(const std::string& token) {
  return {token, FailureCause::kNoSuchNode, ErrorCode::kNotFound, "No such node [" + token + "]"};
}

NodeFailure TaskNotFound(const NodeInfo& node, std::string_view task) {
  return OfTask(node, FailureCause::kTaskNotFound, ErrorCode::kNotFound, task, "is not found");
}

NodeFailure TaskEnded(const NodeInfo& node, std::string_view task, std::optional<TaskState> state) {
  std::string what = "has ended";
  if (state) what.append(": ").append(ToString(*state));
  return OfTask(node, FailureCause::kTaskEnded, ErrorCode::kFailedPrecondition, task, what);
}

NodeFailure NotCancellable(const NodeInfo& node, std::string_view task) {
  return OfTask(node, FailureCause::kNotCancellable, ErrorCode::kInvalidArgument, task,
                "doesn't support cancellation");
}

NodeFailure FilterMismatch(const NodeInfo& node, std::string_view task) {
  return OfTask(node, FailureCause::kFilterMismatch, ErrorCode::kInvalidArgument, task,
                "doesn't support this operation");
}

Error ErrorOf(const NodeFailure& failure) {
  const bool broke = failure.code == ErrorCode::kUnavailable && !failure.action.empty();
  return {failure.code, Describe(failure),
          broke ? ErrorCause::kConnectionBroke : ErrorCause::kNone};
}

}  // namespace quell
