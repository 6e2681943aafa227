// The CPU time that a program counts to one task: stretches of its threads' work.
#pragma once

#include <cstdint>
#include <list>
#include <time.h>

namespace quell::sdk {

// What is told. Times in nanoseconds.
struct CpuFigures {
  std::int64_t total = 0;
  std::int64_t least = 0;  // Of one stretch.
  std::int64_t most = 0;
  std::uint32_t stretches = 0;  // Begun until now.
  std::uint32_t active = 0;

  friend bool operator==(const CpuFigures&, const CpuFigures&) = default;
};

// Not thread-safe.
class Meter {
 public:
  struct Stretch {
    clockid_t clock = 0;     // Of the thread; any thread can read it.
    std::int64_t start = 0;  // By that clock.
    std::int64_t used = 0;   // As last read: what a thread that is gone leaves.
  };
  using Handle = std::list<Stretch>::iterator;

  // From now on the calling thread's time counts.
  Handle Begin();
  // On any thread.
  void End(Handle stretch);
  // As of now.
  CpuFigures Read();
  bool used() const { return !running_.empty() || ended_.stretches > 0; }

 private:
  static void Count(CpuFigures& figures, std::int64_t used);

  std::list<Stretch> running_;
  CpuFigures ended_;  // Of those that have ended; `stretches` are these alone.
};

}  // namespace quell::sdk
