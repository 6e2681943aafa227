// The exit codes of `quell`. They are a contract with scripts: `quell help exit-codes` prints them.
#pragma once

#include "core/error.h"

namespace quell::cli {

enum ExitCode : int {
  kOk = 0,
  kFailed = 1,        // The server reports an error, or a bug.
  kUsage = 2,         // The command line is wrong; nothing was done.
  kNoSuchTask = 3,    // Nothing has that id.
  kNotAllowed = 4,    // The caller is not allowed to do it.
  kUnreachable = 5,   // Coordinator or node was not reached, or did not answer; nothing was done.
  kPartial = 6,       // Some selected nodes did not answer, some ids failed, or an end is unknown.
  kWaitTimedOut = 7,  // The time to wait is over, and something still runs.
  kOutcomeUnknown = 8,  // It was sent and not answered: it may have been done.
  kRunFailed = 125,     // `quell run` failed before the command started.
  kCannotExecute = 126,
  kNotFound = 127,
};

// What a failed call to a server ends the command with.
int ExitCodeFor(ErrorCode code);

// The text of `quell help exit-codes`.
const char* ExitCodesHelp();

}  // namespace quell::cli
