// Times and durations for people, as `human=true` and `_cat` show them.
#pragma once

#include <cstdint>
#include <string>

namespace quell::opensearch {

// "735.8ms": the largest unit that has at least one, one digit, cut.
std::string HumanDuration(std::int64_t nanos);
// "00:00:00", UTC.
std::string TimeOfDay(std::int64_t millis);
// "2026-11-23T02:42:22.373Z"
std::string IsoTime(std::int64_t millis);

}  // namespace quell::opensearch
