// The exit codes of `quell`. They are a contract with scripts: `quell help exit-codes` prints them.
#pragma once

#include "core/error.h"

namespace quell::cli {

enum ExitCode : int {
  kOk = 0,
  kFailed = 1,        // The server reports an error, or a bug.
  kUsage = 2,         // The command line is wrong; nothing was done.
  kNoSuchTask = 3,    // Nothing has that id.
  kNotAllowed = 4,    // The caller may not.
  kUnreachable = 5,   // Coordinator or node cannot be reached; nothing was done.
  kPartial = 6,       // Some selected nodes are not part of the answer, or some ids failed.
  kWaitTimedOut = 7,  // The wait is over, the work goes on.
  kRunFailed = 125,   // `quell run` failed before the command started.
  kCannotExecute = 126,
  kNotFound = 127,
};

// What a failed call to a server ends the command with.
int ExitCodeFor(ErrorCode code);

// The text of `quell help exit-codes`.
const char* ExitCodesHelp();

}  // namespace quell::cli
