// Whether a member is there, as far as its coordinator knows.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/clock.h"

namespace quell {

enum class Presence : std::uint8_t {
  kAlive,      // A heartbeat within limits::kSilentAfter.
  kStopped,    // Its daemon said that it stops. Away: its tasks are unknown.
  kSilent,     // It has joined, and its heartbeats have ended. As above.
  kNotJoined,  // It has not joined since this coordinator started. As above.
};

// As the native API names it.
inline std::string_view ToString(Presence presence) {
  switch (presence) {
    case Presence::kAlive:
      return "alive";
    case Presence::kStopped:
      return "stopped";
    case Presence::kSilent:
      return "silent";
    case Presence::kNotJoined:
      return "not_joined";
  }
  return "alive";
}

struct Standing {
  Presence presence = Presence::kAlive;
  // It has joined in this life of the coordinator, and is not known to be lost.
  bool connected = true;
  std::optional<WallTime> since = {};  // When it was there last. None: it is, or that is not known.
};

}  // namespace quell
