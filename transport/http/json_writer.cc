#include "transport/http/json_writer.h"

#include <array>
#include <cassert>
#include <charconv>

namespace quell::http {
namespace {

// What a byte inside a string needs: nothing, an escape, or a look at the UTF-8 sequence it starts.
enum : std::uint8_t { kPlain, kEscape, kNotAscii };

constexpr std::array<std::uint8_t, 256> kClass = [] {
  std::array<std::uint8_t, 256> table{};
  for (std::size_t c = 0; c < 256; ++c) {
    table[c] = c < 0x20 || c == '"' || c == '\\' ? kEscape : c >= 0x80 ? kNotAscii : kPlain;
  }
  return table;
}();

void AppendEscape(std::string& out, unsigned char c) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  const char text[] = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
  out.append(text, sizeof(text));
}

// The length of the well-formed UTF-8 sequence at the start of `text` (Unicode, table 3-7: no
// overlong forms, no surrogates, nothing above U+10FFFF), or 0.
std::size_t Utf8Length(std::string_view text) {
  const auto byte = [text](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto follows = [&byte](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const auto within = [&byte](unsigned low, unsigned high) {
    return byte(1) >= low && byte(1) <= high;
  };
  const unsigned lead = byte(0);
  if (lead >= 0xC2 && lead <= 0xDF) return follows(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool second = lead == 0xE0   ? within(0xA0, 0xBF)
                        : lead == 0xED ? within(0x80, 0x9F)
                                       : follows(1);
    return second && follows(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool second = lead == 0xF0   ? within(0x90, 0xBF)
                        : lead == 0xF4 ? within(0x80, 0x8F)
                                       : follows(1);
    return second && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

void AppendQuoted(std::string& out, std::string_view text) {
  out += '"';
  std::size_t copied = 0;  // Everything before it is in `out`.
  std::size_t i = 0;
  while (i < text.size()) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (kClass[c] == kPlain) {
      ++i;
      continue;
    }
    if (kClass[c] == kNotAscii) {
      if (const std::size_t length = Utf8Length(text.substr(i)); length > 0) {
        i += length;
        continue;
      }
    }
    out.append(text, copied, i - copied);
    if (kClass[c] == kEscape) {
      AppendEscape(out, c);
    } else {
      out += "\xEF\xBF\xBD";
    }
    copied = ++i;
  }
  out.append(text, copied, text.size() - copied);
  out += '"';
}

template <typename Number>
void AppendNumber(std::string& out, Number value) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  out.append(text, static_cast<std::size_t>(end - text));
}

}  // namespace

void JsonWriter::Separate() {
  if (need_comma_) out_ += ',';
  need_comma_ = true;
}

void JsonWriter::BeforeValue() {
  assert((depth_ == 0 || !InObject() || after_key_) && "a value in an object needs a key");
  after_key_ = false;
  Separate();
}

void JsonWriter::Open(char bracket, bool object) {
  BeforeValue();
  out_ += bracket;
  assert(depth_ < kDepthMax);
  objects_ = (objects_ << 1) | (object ? 1U : 0U);
  ++depth_;
  need_comma_ = false;
}

void JsonWriter::Close(char bracket, [[maybe_unused]] bool object) {
  assert(depth_ > 0 && InObject() == object && "the wrong End");
  assert(!after_key_ && "a key without its value");
  objects_ >>= 1;
  --depth_;
  out_ += bracket;
  need_comma_ = true;
}

JsonWriter& JsonWriter::BeginObject() {
  Open('{', true);
  return *this;
}

JsonWriter& JsonWriter::EndObject() {
  Close('}', true);
  return *this;
}

JsonWriter& JsonWriter::BeginArray() {
  Open('[', false);
  return *this;
}

JsonWriter& JsonWriter::EndArray() {
  Close(']', false);
  return *this;
}

JsonWriter& JsonWriter::Key(std::string_view key) {
  assert((depth_ == 0 || InObject()) && !after_key_ && "a key stands in an object, before a value");
  Separate();
  AppendQuoted(out_, key);
  out_ += ':';
  need_comma_ = false;
  after_key_ = true;
  return *this;
}

JsonWriter& JsonWriter::String(std::string_view text) {
  BeforeValue();
  AppendQuoted(out_, text);
  return *this;
}

JsonWriter& JsonWriter::Int(std::int64_t value) {
  BeforeValue();
  AppendNumber(out_, value);
  return *this;
}

JsonWriter& JsonWriter::Uint(std::uint64_t value) {
  BeforeValue();
  AppendNumber(out_, value);
  return *this;
}

JsonWriter& JsonWriter::Bool(bool value) {
  return Raw(value ? "true" : "false");
}

JsonWriter& JsonWriter::Null() {
  return Raw("null");
}

JsonWriter& JsonWriter::Raw(std::string_view json) {
  assert(!json.empty());
  BeforeValue();
  out_ += json;
  return *this;
}

}  // namespace quell::http
