// Addresses as people write them on a command line. Numeric only: nothing here asks a name server.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace quell {

// 127.0.0.0/8, ::1 (also ::ffff:127.x.y.z), and the word localhost.
bool IsLoopback(std::string_view host);

struct HostPort {
  std::string host;  // Numeric, without brackets.
  std::uint16_t port = 0;

  std::string ToString() const;  // "127.0.0.1:80", "[::1]:80"

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// "127.0.0.1:9400", "[::1]:9400" or "localhost:9400", which means 127.0.0.1. Port 0 is allowed.
// Errors: kInvalidArgument, naming the text and the form wanted.
Result<HostPort> ParseHostPort(std::string_view text);

}  // namespace quell
