#include "coordinator/api/opensearch/request/errors.h"

namespace quell::opensearch {

ErrorRow RowFor(ErrorCode code, ErrorSource whose) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return {400, "illegal_argument_exception"};
    case ErrorCode::kNotFound:
      return {404, "resource_not_found_exception"};
    case ErrorCode::kAlreadyExists:
      return {409, "resource_already_exists_exception"};
    case ErrorCode::kFailedPrecondition:
      return {409, "illegal_state_exception"};
    case ErrorCode::kResourceExhausted:
      if (whose == ErrorSource::kStore) return {507, "insufficient_storage_exception"};
      return {429, "rejected_execution_exception"};
    case ErrorCode::kUnavailable:
    case ErrorCode::kDraining:  // Said to programs only.
      return {503, "node_disconnected_exception"};
    case ErrorCode::kDeadlineExceeded:
      return {503, "receive_timeout_transport_exception"};
    case ErrorCode::kCancelled:
      return {503, "task_cancelled_exception"};
    case ErrorCode::kUnauthenticated:
      return {401, "security_exception"};
    case ErrorCode::kPermissionDenied:
      return {403, "security_exception"};
    case ErrorCode::kOutcomeUnknown:
      return {503, "cancel_outcome_unknown"};
    case ErrorCode::kInternal:
      break;
  }
  return {500, "internal_server_error"};
}

Problem ToProblem(const Error& error, ErrorSource whose) {
  const ErrorRow row = RowFor(error.code, whose);
  Problem problem;
  problem.status = row.status;
  problem.type = row.type;
  problem.reason = error.message;
  if (error.code == ErrorCode::kUnavailable && error.cause != ErrorCause::kConnectionBroke) {
    problem.type = "node_not_connected_exception";
  }
  return problem;
}

}  // namespace quell::opensearch
