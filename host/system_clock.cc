#include "host/system_clock.h"

namespace quell {

MonoTime SystemClock::Now() const {
  return MonoTime(std::chrono::duration_cast<MonoClock::duration>(
      std::chrono::steady_clock::now().time_since_epoch()));
}

WallTime SystemClock::Wall() const {
  return WallTime(std::chrono::duration_cast<WallClock::duration>(
      std::chrono::system_clock::now().time_since_epoch()));
}

}  // namespace quell
