#include "cli/exit_code.h"

namespace quell::cli {

int ExitCodeFor(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return kUsage;
    case ErrorCode::kNotFound:
      return kNoSuchTask;
    case ErrorCode::kUnauthenticated:
    case ErrorCode::kPermissionDenied:
      return kNotAllowed;
    case ErrorCode::kUnavailable:
    case ErrorCode::kDraining:
    case ErrorCode::kDeadlineExceeded:
      return kUnreachable;
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kFailedPrecondition:
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kCancelled:
    case ErrorCode::kInternal:
    case ErrorCode::kOutcomeUnknown:
      return kFailed;
  }
  return kFailed;
}

const char* ExitCodesHelp() {
  return R"(Exit codes of quell

    0  done; an empty list is 0, too
    1  the server reports an error, or a bug
    2  the command line is wrong; nothing was done
    3  no such task
    4  not allowed
    5  the coordinator (or the node) cannot be reached
    6  partial: some nodes did not answer (node_failures), or some of the ids failed
    7  the wait timed out; the work goes on

quell run ends as its command does:

    N      the command's own exit code
    128+N  in the shell's $?: the command died by signal N, and quell run dies by the same one
    125    quell run failed before the command was started
    126    the command cannot be executed
    127    the command was not found
)";
}

}  // namespace quell::cli
