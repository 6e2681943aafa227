#include "cli/signal_queue.h"

#include <unistd.h>

namespace quell::cli {

SignalQueue::SignalQueue(std::initializer_list<int> signals) {
  sigset_t mask;
  sigemptyset(&mask);
  for (const int signal : signals)
    sigaddset(&mask, signal);
  pthread_sigmask(SIG_BLOCK, &mask, &old_mask_);
  fd_ = ::signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
}

SignalQueue::~SignalQueue() {
  if (fd_ >= 0) ::close(fd_);
  pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

std::optional<signalfd_siginfo> SignalQueue::Take() {
  signalfd_siginfo info{};
  if (::read(fd_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return std::nullopt;
  return info;
}

}  // namespace quell::cli
