// Lets through what may be said now and then only, and counts what was kept back.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "core/clock.h"

namespace quell {

// Not thread-safe.
class Rarely {
 public:
  explicit Rarely(MonoClock::duration interval) : interval_(interval) {}

  // It happens at `now`. A value: say it, with how many were kept back since the last one.
  std::optional<std::uint64_t> Happens(MonoTime now) {
    if (last_ && now - *last_ < interval_) {
      ++kept_back_;
      return std::nullopt;
    }
    last_ = now;
    return std::exchange(kept_back_, 0);
  }

 private:
  const MonoClock::duration interval_;
  std::optional<MonoTime> last_;
  std::uint64_t kept_back_ = 0;
};

}  // namespace quell
