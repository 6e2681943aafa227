#include "transport/grpc/status.h"

#include <cassert>

#include "transport/grpc/fields.h"

namespace quell::rpc {
namespace {

// In the status's details. gRPC and careless servers make plain UNKNOWNs too, which promise
// nothing.
constexpr char kOutcomeUnknownMark[] = "quell.v1: outcome unknown";

grpc::StatusCode CodeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case ErrorCode::kNotFound:
      return grpc::StatusCode::NOT_FOUND;
    case ErrorCode::kAlreadyExists:
      return grpc::StatusCode::ALREADY_EXISTS;
    case ErrorCode::kFailedPrecondition:
      return grpc::StatusCode::FAILED_PRECONDITION;
    case ErrorCode::kResourceExhausted:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case ErrorCode::kUnavailable:
    case ErrorCode::kDraining:  // Said to programs only.
      return grpc::StatusCode::UNAVAILABLE;
    case ErrorCode::kDeadlineExceeded:
      return grpc::StatusCode::DEADLINE_EXCEEDED;
    case ErrorCode::kCancelled:
      return grpc::StatusCode::CANCELLED;
    case ErrorCode::kUnauthenticated:
      return grpc::StatusCode::UNAUTHENTICATED;
    case ErrorCode::kPermissionDenied:
      return grpc::StatusCode::PERMISSION_DENIED;
    case ErrorCode::kInternal:
      return grpc::StatusCode::INTERNAL;
    case ErrorCode::kOutcomeUnknown:
      return grpc::StatusCode::UNKNOWN;
  }
  assert(false);
  return grpc::StatusCode::INTERNAL;
}

ErrorCode CodeOf(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::INVALID_ARGUMENT:
      return ErrorCode::kInvalidArgument;
    case grpc::StatusCode::NOT_FOUND:
      return ErrorCode::kNotFound;
    case grpc::StatusCode::ALREADY_EXISTS:
      return ErrorCode::kAlreadyExists;
    case grpc::StatusCode::FAILED_PRECONDITION:
      return ErrorCode::kFailedPrecondition;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return ErrorCode::kResourceExhausted;
    case grpc::StatusCode::UNAVAILABLE:
      return ErrorCode::kUnavailable;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return ErrorCode::kDeadlineExceeded;
    case grpc::StatusCode::CANCELLED:
      return ErrorCode::kCancelled;
    case grpc::StatusCode::UNAUTHENTICATED:
      return ErrorCode::kUnauthenticated;
    case grpc::StatusCode::PERMISSION_DENIED:
      return ErrorCode::kPermissionDenied;
    case grpc::StatusCode::UNKNOWN:
      return status.error_details() == kOutcomeUnknownMark ? ErrorCode::kOutcomeUnknown
                                                           : ErrorCode::kInternal;
    case grpc::StatusCode::OK:
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::UNIMPLEMENTED:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::OUT_OF_RANGE:
    case grpc::StatusCode::DATA_LOSS:
    case grpc::StatusCode::DO_NOT_USE:
      break;
  }
  return ErrorCode::kInternal;
}

}  // namespace

grpc::Status ToStatus(const Error& error) {
  std::string message;
  fields::SetText(error.message, &message);
  if (error.code != ErrorCode::kOutcomeUnknown) return {CodeOf(error.code), message};
  return {CodeOf(error.code), message, kOutcomeUnknownMark};
}

Error FromStatus(const grpc::Status& status) {
  std::string message = status.error_message();
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    message = "the other end does not know this call: is it Quell, and of this version? " + message;
  }
  return {CodeOf(status), fields::PeerText(message)};
}

}  // namespace quell::rpc
