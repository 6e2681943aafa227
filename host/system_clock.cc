#include "host/system_clock.h"

#include <algorithm>
#include <cstdint>
#include <ctime>

#include "core/validity.h"

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

// Not std::chrono::system_clock, whose nanoseconds overflow in 2262.
WallTime SystemClock::Wall() const {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  constexpr std::int64_t kLastSecond =
      std::chrono::floor<std::chrono::seconds>(kLastMoment.time_since_epoch()).count();
  const std::chrono::seconds seconds(std::clamp<std::int64_t>(now.tv_sec, -1, kLastSecond + 1));
  return ClampMoment(WallTime(seconds + std::chrono::microseconds(now.tv_nsec / 1000)));
}

}  // namespace quell
