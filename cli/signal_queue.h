// Signals as a file descriptor, for programs that do several things at once and must not lose one.
#pragma once

#include <csignal>
#include <initializer_list>
#include <optional>
#include <sys/signalfd.h>

namespace quell::cli {

// Blocks the signals for the calling thread, and for the threads it makes, as long as it lives:
// make it before any thread. Not thread-safe.
class SignalQueue {
 public:
  explicit SignalQueue(std::initializer_list<int> signals);
  ~SignalQueue();
  SignalQueue(const SignalQueue&) = delete;
  SignalQueue& operator=(const SignalQueue&) = delete;

  int fd() const { return fd_; }
  // The next one, or nullopt if none is there; never blocks.
  std::optional<signalfd_siginfo> Take();
  // What was blocked before: a child sets this mask before it executes something.
  const sigset_t& old_mask() const { return old_mask_; }

 private:
  sigset_t old_mask_;
  int fd_ = -1;
};

// Whether it came from the terminal or the kernel, and not from a process that named us: then every
// process of the foreground group has it already.
inline bool FromKernel(const signalfd_siginfo& info) {
  return info.ssi_code > 0;
}

}  // namespace quell::cli
