// Signals as a file descriptor, for programs that do several things at once and must not lose one.
#pragma once

#include <csignal>
#include <initializer_list>
#include <optional>
#include <sys/signalfd.h>

namespace quell::process {

// All that can be blocked, with those that the C library keeps for itself.
struct EverySignal {};

// Blocks the signals for the calling thread, and for the threads it makes, as long as it lives:
// make it before any thread. Not thread-safe.
class SignalQueue {
 public:
  explicit SignalQueue(std::initializer_list<int> signals);
  explicit SignalQueue(EverySignal);
  ~SignalQueue();
  SignalQueue(const SignalQueue&) = delete;
  SignalQueue& operator=(const SignalQueue&) = delete;

  // -1: there is none, the limit of open files is met.
  int fd() const { return fd_; }
  // The next one, or nullopt if none is there; never blocks.
  std::optional<signalfd_siginfo> Take();
  // What was blocked before: a child sets this mask before it executes something.
  const sigset_t& old_mask() const { return old_mask_; }

 private:
  sigset_t old_mask_{};
  int fd_ = -1;
};

// All, as a set for SetSignalMask().
sigset_t EverySignalSet();
// Sets the calling thread's mask to exactly `mask`. pthread_sigmask() leaves out two signals.
void SetSignalMask(const sigset_t& mask);

// Whether it came from the terminal or the kernel, and not from a process that named us: then every
// process of the foreground group has it already.
inline bool FromKernel(const signalfd_siginfo& info) {
  return info.ssi_code > 0;
}

}  // namespace quell::process
