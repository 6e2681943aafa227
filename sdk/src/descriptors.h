// The library's file descriptors. None of them is 0, 1 or 2, also in a program that has closed
// those and goes on to print; a forked child closes its copies, or its parent's stream would
// outlive the parent.
#pragma once

#include <functional>

namespace quell::sdk {

// Keeps what `open` returns: a new descriptor that is closed on exec, or one below 0. Thread-safe,
// as all here.
int OpenDescriptor(const std::function<int()>& open);
void CloseDescriptor(int fd);

// Around a fork: none is opened or closed meanwhile.
void LockDescriptors();
void UnlockDescriptors();
// In the child, instead of the latter.
void CloseAllDescriptors();

}  // namespace quell::sdk
