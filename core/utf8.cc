#include "core/utf8.h"

#include <cstdint>
#include <cstring>

namespace quell {
namespace {

// The length of the well-formed sequence that `text` begins with, 0 if it begins with none.
std::size_t SequenceLength(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : 0xBF;
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// The length of the control character that stands at `i`, 0 if none does.
std::size_t ControlLength(std::string_view text, std::size_t i) {
  const auto byte = static_cast<unsigned char>(text[i]);
  if (byte < 0x20 || byte == 0x7F) return 1;
  const bool high = byte == 0xC2 && i + 1 < text.size() &&
                    static_cast<unsigned char>(text[i + 1]) >= 0x80 &&
                    static_cast<unsigned char>(text[i + 1]) <= 0x9F;
  return high ? 2 : 0;
}

}  // namespace

std::size_t Utf8Prefix(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    // Nearly all texts are ASCII, which eight bytes at once can tell.
    std::uint64_t eight = 0;
    if (text.size() - i >= sizeof eight) {
      std::memcpy(&eight, text.data() + i, sizeof eight);
      if ((eight & 0x8080808080808080U) == 0) {
        i += sizeof eight;
        continue;
      }
    }
    const std::size_t length = SequenceLength(text.substr(i));
    if (length == 0) break;
    i += length;
  }
  return i;
}

std::string ToUtf8(std::string_view text) {
  std::size_t valid = Utf8Prefix(text);
  std::string out(text.substr(0, valid));
  while (valid != text.size()) {
    out += "\xEF\xBF\xBD";
    text.remove_prefix(valid + 1);
    valid = Utf8Prefix(text);
    out += text.substr(0, valid);
  }
  return out;
}

std::string CutUtf8(std::string text, std::size_t max) {
  if (text.size() <= max) return text;
  std::size_t end = max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U)
    --end;
  text.resize(end);
  return text;
}

bool HasControlCharacter(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (ControlLength(text, i) > 0) return true;
  }
  return false;
}

std::string WithoutControlCharacters(std::string_view text) {
  const std::string whole = ToUtf8(text);
  std::string out;
  out.reserve(whole.size());
  for (std::size_t i = 0; i < whole.size();) {
    const std::size_t control = ControlLength(whole, i);
    out += control > 0 ? ' ' : whole[i];
    i += control > 0 ? control : 1;
  }
  return out;
}

}  // namespace quell
