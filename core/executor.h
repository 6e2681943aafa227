// The one executor that owns a daemon's state: an event loop of one thread. Everything that decides
// runs on it; other threads convert, render, post, and decide nothing.
#pragma once

#include <cstdint>
#include <functional>

#include "core/clock.h"

namespace quell {

enum class TimerId : std::uint64_t { kNone = 0 };

class Executor {
 public:
  using Work = std::function<void()>;
  virtual ~Executor() = default;

  // Runs `work` soon, after everything posted before it. Thread-safe; never runs it inside the
  // call.
  virtual void Post(Work work) = 0;

  // Runs `work` at or soon after `when`. Timers of the same moment run in the order they were made.
  // Thread-safe.
  virtual TimerId At(MonoTime when, Work work) = 0;

  // After it returns on the executor's own thread, the timer's work does not run any more.
  // Cancelling a timer that has run, or kNone, does nothing. Thread-safe; from another thread it is
  // best effort.
  virtual void Cancel(TimerId timer) = 0;

  virtual const Clock& clock() const = 0;

  TimerId After(MonoClock::duration delay, Work work) {
    return At(clock().Now() + delay, std::move(work));
  }
};

}  // namespace quell
