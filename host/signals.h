// The signals that a daemon lives with.
#pragma once

#include <csignal>
#include <functional>
#include <memory>

#include "core/executor.h"

namespace boost::asio {
class io_context;
}

namespace quell {

// From now on a reader that went away, or a file size limit that is met, is an error of the call
// that writes, and no reason to die. To be called first thing in main(). A program that this one
// executes inherits it: set SIGPIPE and SIGXFSZ back to SIG_DFL before.
void IgnoreWriteSignals();

// While it lives, the thread that made it gets no signal, and threads that it starts meanwhile
// never do: signals are for the threads that wait for them.
class BlockSignals {
 public:
  BlockSignals();
  ~BlockSignals();
  BlockSignals(const BlockSignals&) = delete;
  BlockSignals& operator=(const BlockSignals&) = delete;

 private:
  sigset_t before_{};
};

// SIGTERM and SIGINT as work on an executor, which need not be the context's own.
class StopSignals {
 public:
  // `on_signal` gets the number of each signal that comes, as long as this object lives. The
  // context, which some thread must run, and the executor must outlive it. To be destroyed on the
  // executor's thread, or when nobody runs it.
  StopSignals(boost::asio::io_context& context, Executor& executor,
              std::function<void(int)> on_signal);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace quell
