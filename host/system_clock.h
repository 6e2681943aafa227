// The real clock. The only place, with system_random.h, where the outside world's time or chance
// comes in.
#pragma once

#include "core/clock.h"

namespace quell {

// Now() is CLOCK_MONOTONIC (it stands still while the host sleeps), Boot() is CLOCK_BOOTTIME,
// Wall() is CLOCK_REALTIME, or the nearest moment that a task can have (core/validity.h) if the
// host's clock is beyond them.
class SystemClock final : public Clock {
 public:
  MonoTime Now() const override;
  BootTime Boot() const override;
  WallTime Wall() const override;
};

}  // namespace quell
