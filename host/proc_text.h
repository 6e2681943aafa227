// The texts of /proc: words and numbers.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

namespace quell {

// nullopt: it is not a number from the first character to the last, or has no room in `Number`.
template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  if (text.empty() || code != std::errc() || stop != end) return std::nullopt;
  return value;
}

// What stands between blanks and line ends.
std::vector<std::string_view> Words(std::string_view text);

}  // namespace quell
