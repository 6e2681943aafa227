#include "transport/grpc/fields.h"

#include "core/limits.h"
#include "core/utf8.h"
#include "core/validity.h"

namespace quell::fields {

void SetText(std::string_view from, std::string* to) {
  if (IsUtf8(from)) {
    to->assign(from.data(), from.size());
  } else {
    *to = ToUtf8(from);
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

Status Valid(Status status) {
  if (status) return status;
  return Error{ErrorCode::kInternal, "garbage on the wire: " + status.error().message};
}

Result<WallTime> Wall(std::string_view field, std::int64_t micros) {
  return Valid(MomentFromMicros(field, micros));
}

Result<std::optional<WallTime>> MaybeWall(std::string_view field, std::int64_t micros) {
  if (micros == 0) return std::optional<WallTime>();
  const Result<WallTime> wall = Wall(field, micros);
  if (!wall) return wall.error();
  return std::optional<WallTime>(*wall);
}

Result<std::uint64_t> TaskNumber(std::string_view field, std::uint64_t number) {
  if (Status fine = Valid(CheckTaskNumber(field, number)); !fine) return fine.error();
  return number;
}

Result<Incarnation> Life(std::string_view field, std::uint64_t incarnation) {
  if (incarnation == 0) return Garbage(field, "is absent");
  return Incarnation{incarnation};
}

}  // namespace quell::fields
