#include <algorithm>
#include <string>

#include "transport/http/ascii.h"
#include "transport/http/client.h"

namespace quell::http {
namespace {

Error WrongAddress(std::string_view text, std::string_view why) {
  return {ErrorCode::kInvalidArgument, "the address [" + std::string(text) + "] " +
                                           std::string(why) +
                                           ": write http://HOST:PORT or unix:/PATH"};
}

}  // namespace

Result<Address> Address::Parse(std::string_view text) {
  constexpr std::string_view kUnix = "unix:";
  constexpr std::string_view kHttp = "http://";
  Address address;
  address.text = text;
  if (text.substr(0, kUnix.size()) == kUnix) {
    address.socket_path = text.substr(kUnix.size());
    // unix:///run/x is the same as unix:/run/x.
    while (address.socket_path.substr(0, 2) == "//")
      address.socket_path.erase(0, 1);
    if (address.socket_path.empty()) return WrongAddress(text, "has no path");
    return address;
  }
  if (!EqualIgnoringCase(text.substr(0, kHttp.size()), kHttp)) {
    return WrongAddress(text, "has another scheme than http and unix");
  }
  std::string_view rest = text.substr(kHttp.size());
  if (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
  if (!rest.empty() && rest.front() == '[') {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return WrongAddress(text, "has a [ without ]");
    address.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
  } else {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    address.host = rest.substr(0, end);
    rest.remove_prefix(end);
  }
  const bool sound =
      !address.host.empty() && std::all_of(address.host.begin(), address.host.end(), [](char c) {
        return IsAlpha(c) || IsDigit(c) || c == '.' || c == '-' || c == '_' || c == ':' || c == '%';
      });
  if (!sound) return WrongAddress(text, "has a malformed host");
  address.port = "80";
  if (rest.empty()) return address;
  address.port = rest.substr(1);
  const std::optional<std::uint64_t> port = ParseDigits(address.port);
  if (rest.front() != ':' || !port || *port == 0 || *port > 65535) {
    return WrongAddress(text, "has a malformed port");
  }
  return address;
}

}  // namespace quell::http
