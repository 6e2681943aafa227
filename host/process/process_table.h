// The processes below a `quell run`, and signals that cannot hit the wrong one.
#pragma once

#include <sys/types.h>
#include <vector>

#include "core/result.h"
#include "host/process/sweep.h"

namespace quell::process {

// A look at all processes below the caller, parents before their children. It is not atomic: what
// is born or gets a new parent meanwhile can be missing, and is there at the next look. Errors:
// kNotFound (no /proc, or that of another pid namespace).
Result<std::vector<Process>> ReadOwnTree();

// The caller's children, adopted ones included, without /proc: each pid there can be is tried,
// which takes a second. What is below them shows up when its parent has ended, if the caller is a
// subreaper.
std::vector<Process> FindOwnChildren();
// `pid` is a child of the caller that it has not waited for; nothing else is known of it.
Process OwnChild(pid_t pid);

// Whether `pid` runs the program that runs here: another `quell`. /proc must be our own.
bool IsWrapper(pid_t pid);

// Sends `signal` to exactly this process, never to another one that has got its pid since; nobody
// waits for a child of this process meanwhile. Errors: kNotFound (it has ended), kPermissionDenied
// (it belongs to somebody else).
Status SendSignal(const Process& process, int signal);

}  // namespace quell::process
