// Durations, and amounts of memory, as people write and read them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace quell::cli {

// "500ms", "10s", "2m", "1h": a whole number with its unit. Errors: kInvalidArgument, which says
// how it is written.
Result<std::chrono::milliseconds> ParseDuration(std::string_view text);

// Two units at most: "0.4s", "12s", "3m12s", "1h05m", "2d03h".
std::string FormatAge(std::chrono::nanoseconds age);

// Two digits that count at least: "0 B", "812 B", "4.0 KiB", "70 MiB", "1.2 GiB".
std::string FormatBytes(std::int64_t bytes);

}  // namespace quell::cli
