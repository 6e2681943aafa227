// The characters of HTTP's grammar (RFC 9110, 5.6), independent of the locale.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace quell::http {

constexpr bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

constexpr char ToLower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

constexpr bool IsAlpha(char c) {
  return ToLower(c) >= 'a' && ToLower(c) <= 'z';
}

// May stand in a method or in a field name.
constexpr bool IsTokenChar(char c) {
  return IsDigit(c) || IsAlpha(c) ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}

// 0 to 15, or -1.
constexpr int HexDigit(char c) {
  if (IsDigit(c)) return c - '0';
  const char lower = ToLower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

constexpr bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (ToLower(a[i]) != ToLower(b[i])) return false;
  }
  return true;
}

// Without the blanks and tabs at both ends.
constexpr std::string_view TrimBlanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

// One or more digits and nothing else. A number that does not fit reads as the largest one.
constexpr std::optional<std::uint64_t> ParseDigits(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  bool overflow = false;
  for (const char c : text) {
    if (!IsDigit(c)) return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    overflow = overflow || value > (UINT64_MAX - digit) / 10;
    if (!overflow) value = value * 10 + digit;
  }
  return overflow ? UINT64_MAX : value;
}

}  // namespace quell::http
