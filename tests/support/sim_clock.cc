#include "tests/support/sim_clock.h"

namespace quell {
namespace {

// 2026-01-01T00:00:00Z is true time zero.
constexpr WallTime kEpoch = WallFromMicros(1'767'225'600'000'000);

}  // namespace

WallTime SimClock::TrueWall(MonoTime true_time) {
  return kEpoch + std::chrono::duration_cast<WallClock::duration>(true_time.time_since_epoch());
}

BootTime SimClock::BootAt(MonoTime true_time) const {
  const MonoClock::duration elapsed = true_time.time_since_epoch();
  // In microseconds, so that the product of a long run and its drift does not overflow.
  const auto gained = std::chrono::microseconds(
      std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count() *
      options_.boot_drift_ppm / 1'000'000);
  return BootTime(elapsed + options_.mono_ahead + options_.boot_ahead + gained);
}

WallTime SimClock::WallAt(MonoTime true_time) const {
  const auto elapsed =
      std::chrono::duration_cast<WallClock::duration>(true_time.time_since_epoch());
  return TrueWall(true_time) + options_.wall_ahead + elapsed * options_.drift_ppm / 1'000'000;
}

}  // namespace quell
