#include "host/process/signal_queue.h"

#include <cstring>
#include <sys/syscall.h>
#include <unistd.h>

namespace quell::process {
namespace {

// The kernel's own calls: the C library's leave out the two signals that it uses itself, and these
// end a process as any other does. The kernel's set is the start of the C library's.
constexpr std::size_t kKernelSet = _NSIG / 8;

void SetMask(int how, const sigset_t& mask, sigset_t* old) {
  ::syscall(SYS_rt_sigprocmask, how, &mask, old, kKernelSet);
}

int OpenQueue(const sigset_t& mask) {
  return static_cast<int>(
      ::syscall(SYS_signalfd4, -1, &mask, kKernelSet, SFD_NONBLOCK | SFD_CLOEXEC));
}

}  // namespace

SignalQueue::SignalQueue(std::initializer_list<int> signals) {
  sigset_t mask;
  sigemptyset(&mask);
  for (const int signal : signals)
    sigaddset(&mask, signal);
  SetMask(SIG_BLOCK, mask, &old_mask_);
  fd_ = OpenQueue(mask);
}

SignalQueue::SignalQueue(EverySignal) {
  const sigset_t mask = EverySignalSet();
  SetMask(SIG_BLOCK, mask, &old_mask_);
  fd_ = OpenQueue(mask);
}

SignalQueue::~SignalQueue() {
  if (fd_ >= 0) ::close(fd_);
  SetSignalMask(old_mask_);
}

std::optional<signalfd_siginfo> SignalQueue::Take() {
  signalfd_siginfo info{};
  if (::read(fd_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return std::nullopt;
  return info;
}

sigset_t EverySignalSet() {
  sigset_t every;
  std::memset(&every, 0xff, sizeof every);
  return every;
}

void SetSignalMask(const sigset_t& mask) {
  SetMask(SIG_SETMASK, mask, nullptr);
}

}  // namespace quell::process
