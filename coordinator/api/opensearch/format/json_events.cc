#include "coordinator/api/opensearch/format/json_events.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <vector>

namespace quell::opensearch {
namespace {

std::size_t SkipBlanks(std::string_view json, std::size_t at) {
  while (at < json.size() && IsBlank(json[at]))
    ++at;
  return at;
}

// Four hexadecimal digits after "\u".
std::uint32_t CodeUnit(std::string_view raw, std::size_t at) {
  std::uint32_t unit = 0;
  const std::size_t end = std::min(at + 4, raw.size());
  std::from_chars(raw.data() + at, raw.data() + end, unit, 16);
  return unit;
}

void AppendUtf8(std::string& out, std::uint32_t c) {
  auto tail = [&](int shift) { out += static_cast<char>(0x80U | ((c >> shift) & 0x3FU)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0U | (c >> 6));
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0U | (c >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0U | (c >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

// `at` is behind "\u". Returns what is behind the character.
std::size_t AppendEscaped(std::string& out, std::string_view raw, std::size_t at) {
  std::uint32_t unit = CodeUnit(raw, std::min(at, raw.size()));
  at += 4;
  const bool high = unit >= 0xD800 && unit < 0xDC00;
  if (high && at + 6 <= raw.size() && raw[at] == '\\' && raw[at + 1] == 'u') {
    const std::uint32_t low = CodeUnit(raw, at + 2);
    if (low >= 0xDC00 && low < 0xE000) {
      AppendUtf8(out, 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
      return at + 6;
    }
  }
  if (unit >= 0xD800 && unit < 0xE000) unit = 0xFFFD;  // Half a character.
  AppendUtf8(out, unit);
  return at;
}

}  // namespace

void WalkJson(std::string_view json, JsonEvents& events) {
  std::vector<bool> objects;  // One for each open bracket.
  bool key_next = false;
  std::size_t at = 0;
  while ((at = SkipBlanks(json, at)) < json.size()) {
    const char c = json[at];
    if (c == ',' || c == ':') {
      key_next = c == ',' && !objects.empty() && objects.back();
      ++at;
    } else if (c == '{' || c == '[') {
      const std::size_t next = SkipBlanks(json, ++at);
      const bool empty = next < json.size() && (json[next] == '}' || json[next] == ']');
      objects.push_back(c == '{');
      key_next = c == '{';
      events.OnOpen(c == '{', empty);
    } else if (c == '}' || c == ']') {
      ++at;
      if (!objects.empty()) objects.pop_back();
      key_next = false;
      events.OnClose(c == '}');
    } else if (c == '"') {
      std::size_t end = at + 1;
      while (end < json.size() && json[end] != '"')
        end += json[end] == '\\' ? 2 : 1;
      end = std::min(end, json.size());
      const std::string_view raw = json.substr(at + 1, end - at - 1);
      if (key_next) {
        events.OnKey(raw);
      } else {
        events.OnString(raw);
      }
      key_next = false;
      at = end + 1;
    } else {
      const std::size_t end = std::min(json.find_first_of(",]} \t\r\n", at + 1), json.size());
      events.OnLiteral(json.substr(at, end - at));
      at = end;
    }
  }
}

std::string Unescaped(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t at = 0; at < raw.size();) {
    if (raw[at] != '\\' || at + 1 == raw.size()) {
      out += raw[at++];
      continue;
    }
    const char c = raw[at + 1];
    at += 2;
    constexpr std::string_view kNames = "bfnrt";
    constexpr std::string_view kMeant = "\b\f\n\r\t";
    if (c == 'u') {
      at = AppendEscaped(out, raw, at);
    } else if (const std::size_t i = kNames.find(c); i != std::string_view::npos) {
      out += kMeant[i];
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace quell::opensearch
