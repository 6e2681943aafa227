// Numeric addresses as gRPC wants and gives them. Private to this folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/principal.h"
#include "core/result.h"

namespace quell::rpc {

struct Address {
  std::string host;  // Numeric, without brackets.
  std::uint16_t port = 0;
  bool v6 = false;

  // "127.0.0.1:80", "[::1]:80"
  std::string ToString() const;
  // "ipv4:127.0.0.1:80": a target that needs no name server.
  std::string Target() const;
  bool IsLoopback() const;
};

// "127.0.0.1:9400" or "[::1]:9400". Errors: kInvalidArgument, naming the text and the form wanted.
Result<Address> ParseAddress(std::string_view text);

// Who is at the other end of a call, from gRPC's "ipv4:127.0.0.1:40212" or "ipv6:%5B::1%5D:40212".
// What cannot be read is remote.
Principal PeerOf(std::string_view peer);

}  // namespace quell::rpc
