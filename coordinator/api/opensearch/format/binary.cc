#include "coordinator/api/opensearch/format/binary.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "coordinator/api/opensearch/format/json_events.h"

namespace quell::opensearch {
namespace {

std::optional<std::int64_t> AsInteger(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

double AsDouble(std::string_view text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0; });
}

class Bytes : public JsonEvents {
 public:
  std::string Take() { return std::move(out_); }

 protected:
  void Byte(unsigned value) { out_ += static_cast<char>(value); }
  void BigEndian(std::uint64_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; --i)
      Byte(static_cast<unsigned>(value >> (8 * i)) & 0xFFU);
  }

  std::string out_;
};

class Cbor final : public Bytes {
 public:
  void OnOpen(bool object, bool) override { Byte(object ? 0xBF : 0x9F); }
  void OnClose(bool) override { Byte(0xFF); }
  void OnKey(std::string_view raw) override { OnString(raw); }
  void OnString(std::string_view raw) override {
    const std::string text = Unescaped(raw);
    Head(3, text.size());
    out_ += text;
  }
  void OnLiteral(std::string_view text) override {
    if (text == "true") return Byte(0xF5);
    if (text == "false") return Byte(0xF4);
    if (text == "null") return Byte(0xF6);
    if (const std::optional<std::int64_t> value = AsInteger(text)) {
      if (*value >= 0) return Head(0, static_cast<std::uint64_t>(*value));
      return Head(1, static_cast<std::uint64_t>(-1 - *value));
    }
    Byte(0xFB);
    BigEndian(std::bit_cast<std::uint64_t>(AsDouble(text)), 8);
  }

 private:
  void Head(unsigned kind, std::uint64_t value) {
    const unsigned major = kind << 5U;
    if (value < 24) return Byte(major | static_cast<unsigned>(value));
    const int log = value <= 0xFF ? 0 : value <= 0xFFFF ? 1 : value <= 0xFFFFFFFF ? 2 : 3;
    Byte(major | static_cast<unsigned>(24 + log));
    BigEndian(value, 1 << log);
  }
};

class Smile final : public Bytes {
 public:
  Smile() { out_.assign(":)\n\0", 4); }

  void OnOpen(bool object, bool) override { Byte(object ? 0xFA : 0xF8); }
  void OnClose(bool object) override { Byte(object ? 0xFB : 0xF9); }
  void OnKey(std::string_view raw) override {
    const std::string key = Unescaped(raw);
    const auto size = static_cast<unsigned>(std::min<std::size_t>(key.size(), 65));
    if (size == 0) return Byte(0x20);
    if (IsAscii(key) && size <= 64) return Short(0x80 + size - 1, key);
    if (!IsAscii(key) && size >= 2 && size <= 57) return Short(0xC0 + size - 2, key);
    Long(0x34, key);
  }
  void OnString(std::string_view raw) override {
    const std::string text = Unescaped(raw);
    const auto size = static_cast<unsigned>(std::min<std::size_t>(text.size(), 66));
    if (size == 0) return Byte(0x20);
    if (IsAscii(text)) {
      if (size <= 32) return Short(0x40 + size - 1, text);
      if (size <= 64) return Short(0x60 + size - 33, text);
      return Long(0xE0, text);
    }
    if (size >= 2 && size <= 33) return Short(0x80 + size - 2, text);
    if (size >= 34 && size <= 65) return Short(0xA0 + size - 34, text);
    Long(0xE4, text);
  }
  void OnLiteral(std::string_view text) override {
    if (text == "null") return Byte(0x21);
    if (text == "false") return Byte(0x22);
    if (text == "true") return Byte(0x23);
    const std::optional<std::int64_t> value = AsInteger(text);
    if (!value) return Double(AsDouble(text));
    const std::uint64_t zigzag =
        (static_cast<std::uint64_t>(*value) << 1U) ^ (*value < 0 ? ~std::uint64_t{0} : 0);
    if (*value >= -16 && *value <= 15) return Byte(0xC0 + static_cast<unsigned>(zigzag));
    Byte(zigzag <= std::numeric_limits<std::uint32_t>::max() ? 0x24 : 0x25);
    Variable(zigzag);
  }

 private:
  void Short(unsigned token, const std::string& text) {
    Byte(token);
    out_ += text;
  }
  void Long(unsigned token, const std::string& text) {
    Short(token, text);
    Byte(0xFC);
  }
  // Seven bits a byte, six in the last one, which has the high bit.
  void Variable(std::uint64_t value) {
    const unsigned last = 0x80U | static_cast<unsigned>(value & 0x3FU);
    value >>= 6U;
    int groups = 0;
    while (groups < 9 && (value >> (7 * groups)) != 0)
      ++groups;
    for (int i = groups - 1; i >= 0; --i)
      Byte(static_cast<unsigned>(value >> (7 * i)) & 0x7FU);
    Byte(last);
  }
  // The 64 bits, in ten bytes of seven, from the highest.
  void Double(double value) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    Byte(0x29);
    for (int i = 9; i >= 0; --i)
      Byte(static_cast<unsigned>(bits >> (7 * i)) & 0x7FU);
  }
};

template <typename Writer>
std::string Convert(std::string_view json) {
  if (json.empty()) return {};
  Writer writer;
  WalkJson(json, writer);
  return writer.Take();
}

}  // namespace

std::string ToCbor(std::string_view json) {
  return Convert<Cbor>(json);
}

std::string ToSmile(std::string_view json) {
  return Convert<Smile>(json);
}

}  // namespace quell::opensearch
