#include "cli/duration.h"

#include <charconv>
#include <cstdint>
#include <cstdio>

namespace quell::cli {
namespace {

using std::chrono::milliseconds;

Error Malformed(std::string_view text) {
  return {ErrorCode::kInvalidArgument, "malformed duration '" + std::string(text) +
                                           "': write a whole number with ms, s, m or h, as in 10s"};
}

std::string Two(std::int64_t big, const char* big_unit, std::int64_t small,
                const char* small_unit) {
  char text[64];
  std::snprintf(text, sizeof text, "%lld%s%02lld%s", static_cast<long long>(big), big_unit,
                static_cast<long long>(small), small_unit);
  return text;
}

}  // namespace

Result<milliseconds> ParseDuration(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return Malformed(text);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  std::int64_t factor = 0;
  if (unit == "ms") factor = 1;
  if (unit == "s") factor = 1000;
  if (unit == "m") factor = 60'000;
  if (unit == "h") factor = 3'600'000;
  constexpr std::int64_t kLongest = 366LL * 24 * 3'600'000;
  if (factor == 0 || number > kLongest / factor) return Malformed(text);
  return milliseconds(number * factor);
}

std::string FormatAge(std::chrono::nanoseconds age) {
  if (age < std::chrono::nanoseconds(0)) age = std::chrono::nanoseconds(0);
  const std::int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(age).count();
  if (seconds < 10) {
    const auto tenths = std::chrono::duration_cast<milliseconds>(age).count() / 100;
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + "s";
  }
  if (seconds < 60) return std::to_string(seconds) + "s";
  if (seconds < 3600) return Two(seconds / 60, "m", seconds % 60, "s");
  if (seconds < 86400) return Two(seconds / 3600, "h", seconds / 60 % 60, "m");
  return Two(seconds / 86400, "d", seconds / 3600 % 24, "h");
}

std::string FormatBytes(std::int64_t bytes) {
  if (bytes < 0) bytes = 0;
  if (bytes < 1024) return std::to_string(bytes) + " B";
  auto amount = static_cast<double>(bytes) / 1024;
  const char* unit = "KiB";
  for (const char* next : {"MiB", "GiB", "TiB", "PiB"}) {
    if (amount < 1023.5) break;
    amount /= 1024;
    unit = next;
  }
  char text[64];
  std::snprintf(text, sizeof text, amount < 9.95 ? "%.1f %s" : "%.0f %s", amount, unit);
  return text;
}

}  // namespace quell::cli
