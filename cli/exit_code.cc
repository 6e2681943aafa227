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
      return kFailed;
    case ErrorCode::kOutcomeUnknown:
      return kOutcomeUnknown;
  }
  return kFailed;
}

const char* ExitCodesHelp() {
  return R"(Exit codes of quell

    0  done; an empty list is 0, too; cancel --wait: every task is known to have ended
    1  an error: the task has ended already, the server reports one, the output could not
       be written, or a bug
    2  the command line is wrong; nothing was done
    3  no such task
    4  not allowed
    5  the coordinator (or the node) was not reached, or did not answer; nothing was done
    6  partial: some nodes did not answer, some of the ids failed, or it is not known
       whether a task has ended
    7  cancel --wait: the time is up, and some tasks still run
    8  outcome unknown: the request was sent and not answered, so it may or may not have
       been carried out; look (quell ps, quell show ID), or repeat it

quell run ends as its command does:

    N      the command's own exit code
    128+N  in the shell's $?: the command died by signal N, and quell run dies by the same one
    125    quell run failed before the command was started
    126    the command cannot be executed
    127    the command was not found
)";
}

}  // namespace quell::cli
