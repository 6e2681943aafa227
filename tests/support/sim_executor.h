// One simulated process: an Executor whose work ends with it. Also a handy executor for unit tests:
//
//   SimScheduler scheduler;
//   SimClock clock(scheduler);
//   SimExecutor executor(scheduler, clock);
//   ... scheduler.RunReady(); scheduler.Advance(5s);
#pragma once

#include <vector>

#include "core/executor.h"
#include "tests/support/sim_clock.h"
#include "tests/support/sim_scheduler.h"

namespace quell {

// Not thread-safe, unlike real executors: a simulated world has one thread. The destructor drops
// what has not run.
class SimExecutor final : public Executor {
 public:
  SimExecutor(SimScheduler& scheduler, const SimClock& clock)
      : scheduler_(scheduler), clock_(clock) {}
  ~SimExecutor() override;
  SimExecutor(const SimExecutor&) = delete;
  SimExecutor& operator=(const SimExecutor&) = delete;

  void Post(Work work) override;
  TimerId At(MonoTime when, Work work) override;
  void Cancel(TimerId timer) override;
  const Clock& clock() const override { return clock_; }

  // The process dies: nothing that it posted runs any more, and what it posts from now on (while
  // its objects are destroyed) is lost. What waits is destroyed by the destructor.
  void Kill() { alive_ = false; }
  bool alive() const { return alive_; }

  // The process stops (SIGSTOP) and goes on; what was due meanwhile runs then, in order.
  void Pause() { paused_ = true; }
  void Resume();
  bool paused() const { return paused_; }

  SimScheduler& scheduler() const { return scheduler_; }

 private:
  friend class SimScheduler;
  struct Held {
    TimerId id;
    Work work;
  };
  // Takes the work of an event that is due, if the process is dead or stopped.
  bool Hold(TimerId id, Work& work);

  SimScheduler& scheduler_;
  const SimClock& clock_;
  bool alive_ = true;
  bool paused_ = false;
  std::vector<Held> held_;
};

}  // namespace quell
