#include "cli/terminal_text.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace quell::cli {
namespace {

struct Range {
  std::uint32_t first;
  std::uint32_t last;
};

// Unicode 15: the categories Cc and Cf, the separators of lines and paragraphs, and letters and
// marks that are drawn as nothing.
constexpr std::array<Range, 27> kUnseen = {
    {{0x0000, 0x001F},   {0x007F, 0x009F},   {0x00AD, 0x00AD},   {0x034F, 0x034F},
     {0x0600, 0x0605},   {0x061C, 0x061C},   {0x06DD, 0x06DD},   {0x070F, 0x070F},
     {0x0890, 0x0891},   {0x08E2, 0x08E2},   {0x115F, 0x1160},   {0x17B4, 0x17B5},
     {0x180B, 0x180F},   {0x200B, 0x200F},   {0x2028, 0x202E},   {0x2060, 0x206F},
     {0x3164, 0x3164},   {0xFE00, 0xFE0F},   {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},
     {0xFFF0, 0xFFFB},   {0x110BD, 0x110BD}, {0x110CD, 0x110CD}, {0x13430, 0x1343F},
     {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}}};

bool IsUnseen(std::uint32_t c) {
  return std::any_of(kUnseen.begin(), kUnseen.end(),
                     [c](const Range& range) { return c >= range.first && c <= range.last; });
}

// The character at the start of `text`, which is not empty, and its length; 0: it is no UTF-8.
std::size_t Decode(std::string_view text, std::uint32_t& into) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  std::size_t size = 0;
  std::uint32_t least = 0;
  if (lead < 0x80) {
    into = lead;
    return 1;
  }
  if (lead >= 0xC2 && lead < 0xE0) {
    size = 2, least = 0x80, into = lead & 0x1FU;
  } else if (lead >= 0xE0 && lead < 0xF0) {
    size = 3, least = 0x800, into = lead & 0x0FU;
  } else if (lead >= 0xF0 && lead < 0xF5) {
    size = 4, least = 0x10000, into = lead & 0x07U;
  } else {
    return 0;
  }
  if (text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
    into = into << 6 | (byte(i) & 0x3FU);
  }
  const bool surrogate = into >= 0xD800 && into <= 0xDFFF;
  return into < least || into > 0x10FFFF || surrogate ? 0 : size;
}

void AppendEscape(std::string& out, std::uint32_t c) {
  std::array<char, 8> unit;
  const auto append = [&](std::uint32_t half) {
    std::snprintf(unit.data(), unit.size(), "\\u%04x", static_cast<unsigned>(half));
    out += unit.data();
  };
  if (c < 0x10000) return append(c);
  append(0xD800 + ((c - 0x10000) >> 10));
  append(0xDC00 + ((c - 0x10000) & 0x3FF));
}

std::string Safe(std::string_view text, bool one_line) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t plain = static_cast<std::size_t>(
        std::find_if(text.begin(), text.end(), [](char c) { return c < ' ' || c == 0x7F; }) -
        text.begin());  // `char` is signed: what is not ASCII stops here, too.
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    std::uint32_t c = 0;
    const std::size_t size = Decode(text, c);
    if (size == 0) {
      out += "\xEF\xBF\xBD";
    } else if (c == '\n' && !one_line) {
      out += '\n';
    } else if (c == '\n' || c == '\t' || c == '\r') {
      out += ' ';
    } else if (IsUnseen(c)) {
      AppendEscape(out, c);
    } else {
      out.append(text.substr(0, size));
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out;
}

}  // namespace

std::string TerminalText(std::string_view text) {
  return Safe(text, false);
}

std::string TerminalLine(std::string_view text) {
  return Safe(text, true);
}

}  // namespace quell::cli
