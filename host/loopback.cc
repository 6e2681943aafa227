#include "host/loopback.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <optional>

namespace quell {
namespace {

std::optional<in_addr> ParseV4(const std::string& host) {
  in_addr address{};
  if (::inet_pton(AF_INET, host.c_str(), &address) != 1) return std::nullopt;
  return address;
}

std::optional<in6_addr> ParseV6(const std::string& host) {
  in6_addr address{};
  if (::inet_pton(AF_INET6, host.c_str(), &address) != 1) return std::nullopt;
  return address;
}

Error Malformed(std::string_view text, std::string_view why) {
  return {ErrorCode::kInvalidArgument,
          "malformed address " + std::string(text) + ": " + std::string(why) +
              "; give HOST:PORT with a numeric host, as 127.0.0.1:9400, [::1]:9400 or "
              "localhost:9400"};
}

}  // namespace

bool IsLoopback(std::string_view host) {
  if (host == "localhost") return true;
  const std::string text(host);
  if (const auto v4 = ParseV4(text)) return ntohl(v4->s_addr) >> 24 == 127;
  const auto v6 = ParseV6(text);
  if (!v6) return false;
  if (IN6_IS_ADDR_V4MAPPED(&*v6)) return v6->s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&*v6);
}

std::string HostPort::ToString() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

Result<HostPort> ParseHostPort(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return Malformed(text, "the port is missing");
  HostPort parsed{std::string(text.substr(0, colon)), 0};
  const std::string_view port = text.substr(colon + 1);
  const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
  if (port.empty() || code != std::errc() || end != port.data() + port.size()) {
    return Malformed(text, "the port is no number from 0 to 65535");
  }
  std::string& host = parsed.host;
  if (host == "localhost") host = "127.0.0.1";
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (!ParseV6(host)) return Malformed(text, "the host is no IPv6 address");
  } else if (host.find(':') != std::string::npos) {
    return Malformed(text, "an IPv6 address stands in brackets");
  } else if (!ParseV4(host)) {
    return Malformed(text, "the host is no IPv4 address");
  }
  return parsed;
}

}  // namespace quell
