// Which OpenSearch is spoken.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace quell::opensearch {

enum class Profile : std::uint8_t {
  kDocumented,  // As the documentation shows it: whole answers, refusals where a slip would hurt.
  kStrict,      // As a real server answers; typed clients need it.
};

// "documented", "strict".
inline std::optional<Profile> ProfileFromString(std::string_view text) {
  if (text == "documented") return Profile::kDocumented;
  if (text == "strict") return Profile::kStrict;
  return std::nullopt;
}

}  // namespace quell::opensearch
