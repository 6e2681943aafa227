// Time is handed in. Decisions use MonoTime and BootTime, which never step; WallTime is for people
// and records. They are different types, so that mixing them does not compile.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace quell {

// Monotonic time of this host since some fixed moment. Its clock has no now(): ask a Clock.
struct MonoClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonoClock>;
  static constexpr bool is_steady = true;
};
using MonoTime = MonoClock::time_point;

// Time since this host was started, also while it slept: orders what happened in one boot, whatever
// daemons or programs were restarted meanwhile.
struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};
using BootTime = BootClock::time_point;

// A reading of one host's boot clock. Readings with different boot ids cannot be compared.
struct BootMoment {
  std::string boot_id;  // Empty: no moment is known.
  BootTime at;

  bool known() const { return !boot_id.empty(); }
  friend bool operator==(const BootMoment&, const BootMoment&) = default;
};

// Time of day, UTC, since 1970, to the microsecond.
struct WallClock {
  using duration = std::chrono::microseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<WallClock>;
  static constexpr bool is_steady = false;
};
using WallTime = WallClock::time_point;

constexpr std::int64_t MillisSinceEpoch(WallTime t) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(t.time_since_epoch()).count();
}
constexpr std::int64_t MicrosSinceEpoch(WallTime t) {
  return t.time_since_epoch().count();
}
constexpr WallTime WallFromMicros(std::int64_t micros) {
  return WallTime(std::chrono::microseconds(micros));
}

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime Now() const = 0;
  virtual WallTime Wall() const = 0;
  virtual BootTime Boot() const = 0;
};

}  // namespace quell
