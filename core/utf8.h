// Text that comes from outside: is it UTF-8, and how it is made so, or cut. Pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace quell {

// How many bytes at the beginning are well-formed UTF-8 (Unicode, table 3-7).
std::size_t Utf8Prefix(std::string_view text);

inline bool IsUtf8(std::string_view text) {
  return Utf8Prefix(text) == text.size();
}

// With U+FFFD for each byte that belongs to no character. It may be three times as long: replace
// first, then cut.
std::string ToUtf8(std::string_view text);

// The first `max` bytes at most, cut between characters. `text` is UTF-8.
std::string CutUtf8(std::string text, std::size_t max);

// U+0000 to U+001F, U+007F to U+009F. `text` is UTF-8.
bool HasControlCharacter(std::string_view text);

// As ToUtf8(), with a space for each control character.
std::string WithoutControlCharacters(std::string_view text);

}  // namespace quell
