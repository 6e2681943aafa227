#include "host/system_clock.h"

#include <ctime>

namespace quell {

MonoTime SystemClock::Now() const {
  return MonoTime(std::chrono::duration_cast<MonoClock::duration>(
      std::chrono::steady_clock::now().time_since_epoch()));
}

BootTime SystemClock::Boot() const {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return BootTime(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

WallTime SystemClock::Wall() const {
  return WallTime(std::chrono::duration_cast<WallClock::duration>(
      std::chrono::system_clock::now().time_since_epoch()));
}

}  // namespace quell
