// The clocks of one simulated host. Hosts differ in both: a monotonic time of one host means
// nothing on another, and wall clocks are off, drift and jump.
#pragma once

#include "core/clock.h"
#include "tests/support/sim_scheduler.h"

namespace quell {

class SimClock final : public Clock {
 public:
  struct Options {
    MonoClock::duration mono_ahead{0};  // This host's monotonic time minus the true one.
    MonoClock::duration boot_ahead{0};  // Its boot clock minus the monotonic one.
    std::int64_t boot_drift_ppm = 0;    // The boot clock gains so many microseconds a second.
    WallClock::duration wall_ahead{0};  // Its wall clock minus the true one, at the start.
    std::int64_t drift_ppm = 0;         // Its wall clock gains so many microseconds a second.
  };

  explicit SimClock(const SimScheduler& scheduler) : SimClock(scheduler, Options{}) {}
  SimClock(const SimScheduler& scheduler, Options options)
      : scheduler_(scheduler), options_(options) {}

  MonoTime Now() const override { return scheduler_.Now() + options_.mono_ahead; }
  WallTime Wall() const override { return WallAt(scheduler_.Now()); }
  BootTime Boot() const override { return BootAt(scheduler_.Now()); }

  // Somebody sets the wall clock.
  void JumpWall(WallClock::duration by) { options_.wall_ahead += by; }

  // The host has slept so long: its monotonic clock stood still meanwhile, while true time, the
  // boot clock and all other hosts went on.
  void Sleep(MonoClock::duration duration) {
    options_.mono_ahead -= duration;
    options_.boot_ahead += duration;
  }

  MonoTime TrueTime(MonoTime of_this_host) const { return of_this_host - options_.mono_ahead; }
  // What the wall clock shows at a true time, if it does not jump in between.
  WallTime WallAt(MonoTime true_time) const;
  BootTime BootAt(MonoTime true_time) const;
  // The wall time of a perfect clock.
  static WallTime TrueWall(MonoTime true_time);

 private:
  const SimScheduler& scheduler_;
  Options options_;
};

}  // namespace quell
