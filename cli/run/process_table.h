// The processes below a `quell run`, and signals that cannot hit the wrong one.
#pragma once

#include <sys/types.h>
#include <vector>

#include "cli/run/sweep.h"
#include "core/result.h"

namespace quell::cli {

// A look at all processes below the caller, parents before their children. It is not atomic: what
// is born or gets a new parent meanwhile can be missing, and is there at the next look.
std::vector<Process> ReadOwnTree();

// Whether `pid` runs the program that runs here: another `quell`.
bool IsWrapper(pid_t pid);

// Sends `signal` to exactly this process, never to another one that has got its pid since.
// Errors: kNotFound (it has ended), kPermissionDenied (it belongs to somebody else).
Status SendSignal(const Process& process, int signal);

}  // namespace quell::cli
