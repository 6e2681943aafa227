#include "coordinator/api/opensearch/request/failures.h"

namespace quell::opensearch {
namespace {

std::string_view TypeOfRefusal(ErrorCode code) {
  const bool security = code == ErrorCode::kUnauthenticated || code == ErrorCode::kPermissionDenied;
  return security ? "security_exception" : "illegal_argument_exception";
}

}  // namespace

std::string_view TypeOf(const NodeFailure& failure) {
  switch (failure.cause) {
    case FailureCause::kNoSuchNode:
      return "no_such_node_exception";
    case FailureCause::kStopped:
    case FailureCause::kNotJoined:
    case FailureCause::kSilent:
    case FailureCause::kDisconnected:
    case FailureCause::kNoAnswer:
    case FailureCause::kNotResponding:
      if (failure.code == ErrorCode::kDeadlineExceeded) {
        return "receive_timeout_transport_exception";
      }
      return failure.action.empty() ? "node_not_connected_exception"
                                    : "node_disconnected_exception";
    case FailureCause::kBusy:
      return "rejected_execution_exception";
    case FailureCause::kNoRoom:
      return "circuit_breaking_exception";
    case FailureCause::kRefused:
      return TypeOfRefusal(failure.code);
    case FailureCause::kGivenUp:  // Nobody waits any more; the node may be well.
      return "task_cancelled_exception";
    case FailureCause::kStillRunning:
      return "timeout_exception";
    case FailureCause::kTaskNotFound:
      return "resource_not_found_exception";
    case FailureCause::kTaskEnded:
      return "illegal_state_exception";
    case FailureCause::kNotCancellable:
    case FailureCause::kFilterMismatch:
      return "illegal_argument_exception";
    case FailureCause::kBadAnswer:
      return "transport_serialization_exception";
  }
  return "transport_serialization_exception";
}

}  // namespace quell::opensearch
