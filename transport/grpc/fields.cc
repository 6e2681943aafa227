#include "transport/grpc/fields.h"

#include <cstring>

#include "core/limits.h"

namespace quell::fields {
namespace {

// The length of the well-formed sequence that `text` begins with, 0 if it begins with none
// (Unicode, table 3-7).
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

// How many bytes at the beginning are well formed.
std::size_t ValidPrefix(std::string_view text) {
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

}  // namespace

bool IsUtf8(std::string_view text) {
  return ValidPrefix(text) == text.size();
}

void SetText(std::string_view from, std::string* to) {
  std::size_t valid = ValidPrefix(from);
  to->assign(from.data(), valid);
  while (valid != from.size()) {
    to->append("\xEF\xBF\xBD");
    from.remove_prefix(valid + 1);
    valid = ValidPrefix(from);
    to->append(from.data(), valid);
  }
}

std::string PeerText(std::string_view text) {
  std::string out;
  if (text.size() <= limits::kPeerTextMax) {
    SetText(text, &out);
    return out;
  }
  // Back to where a character begins.
  std::size_t end = limits::kPeerTextMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U)
    --end;
  SetText(text.substr(0, end), &out);
  return out + "...";
}

Status CheckText(std::string_view field, std::string_view text, std::size_t max) {
  if (text.size() <= max) return {};
  return Garbage(field, "has more than " + std::to_string(max) + " bytes");
}

Result<WallTime> Wall(std::string_view field, std::int64_t micros) {
  if (micros < 0) return Garbage(field, "is before 1970");
  return WallFromMicros(micros);
}

Result<std::optional<WallTime>> MaybeWall(std::string_view field, std::int64_t micros) {
  if (micros == 0) return std::optional<WallTime>();
  const Result<WallTime> wall = Wall(field, micros);
  if (!wall) return wall.error();
  return std::optional<WallTime>(*wall);
}

Result<std::uint64_t> TaskNumber(std::string_view field, std::uint64_t number) {
  if (number == 0 || number > TaskId::kNumberMax) return Garbage(field, "is no task number");
  return number;
}

Result<Incarnation> Life(std::string_view field, std::uint64_t incarnation) {
  if (incarnation == 0) return Garbage(field, "is absent");
  return Incarnation{incarnation};
}

}  // namespace quell::fields
