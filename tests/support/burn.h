// CPU time, to be used up and measured.
#pragma once

#include <chrono>
#include <time.h>

namespace quell {

// What the calling thread has used.
inline std::chrono::nanoseconds ThreadTime() {
  timespec now{};
  // lint: allow(clock): an amount that was used, no moment.
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

// Uses up so much of it, and hardly more.
inline void Burn(std::chrono::nanoseconds time) {
  for (const auto end = ThreadTime() + time; ThreadTime() < end;) {
  }
}

}  // namespace quell
