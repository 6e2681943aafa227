// Moments for people, in UTC. Pure functions.
#pragma once

#include <cstdint>
#include <string>

namespace quell {

// `millis` since 1970, also before. "2026-11-23T02:42:22.373Z"
std::string IsoTime(std::int64_t millis);
// "02:42:22"
std::string TimeOfDay(std::int64_t millis);

}  // namespace quell
