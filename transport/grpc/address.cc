#include "transport/grpc/address.h"

#include <arpa/inet.h>
#include <charconv>

namespace quell::rpc {
namespace {

Error Malformed(std::string_view text) {
  return {ErrorCode::kInvalidArgument,
          "malformed address " + std::string(text) +
              ": give HOST:PORT with a numeric host, as 127.0.0.1:9400 or [::1]:9400"};
}

bool IsV4(const std::string& host) {
  in_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool IsV6(const std::string& host) {
  in6_addr address{};
  return ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

std::string WithBrackets(std::string_view percent_encoded) {
  std::string text;
  while (!percent_encoded.empty()) {
    if (percent_encoded.starts_with("%5B") || percent_encoded.starts_with("%5D")) {
      text += percent_encoded[2] == 'B' ? '[' : ']';
      percent_encoded.remove_prefix(3);
    } else {
      text += percent_encoded.front();
      percent_encoded.remove_prefix(1);
    }
  }
  return text;
}

}  // namespace

std::string Address::ToString() const {
  return (v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

std::string Address::Target() const {
  return (v6 ? "ipv6:" : "ipv4:") + ToString();
}

bool Address::IsLoopback() const {
  if (v6) {
    in6_addr address{};
    if (::inet_pton(AF_INET6, host.c_str(), &address) != 1) return false;
    if (IN6_IS_ADDR_V4MAPPED(&address)) return address.s6_addr[12] == 127;
    return IN6_IS_ADDR_LOOPBACK(&address);
  }
  in_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

Result<Address> ParseAddress(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return Malformed(text);
  Address address{std::string(text.substr(0, colon)), 0, false};
  const std::string_view port = text.substr(colon + 1);
  const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (port.empty() || code != std::errc() || end != port.data() + port.size()) {
    return Malformed(text);
  }
  std::string& host = address.host;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    address.v6 = true;
  }
  if (address.v6 ? !IsV6(host) : !IsV4(host)) return Malformed(text);
  return address;
}

Principal PeerOf(std::string_view peer) {
  Principal who;
  who.transport = Principal::Transport::kRemote;
  const auto colon = peer.find(':');
  const std::string_view family = peer.substr(0, colon);
  if (colon == std::string_view::npos || (family != "ipv4" && family != "ipv6")) {
    who.address = std::string(peer);
    return who;
  }
  who.address = WithBrackets(peer.substr(colon + 1));
  const Result<Address> address = ParseAddress(who.address);
  if (address && address->IsLoopback()) who.transport = Principal::Transport::kLoopback;
  return who;
}

}  // namespace quell::rpc
