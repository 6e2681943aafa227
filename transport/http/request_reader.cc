#include "transport/http/request_reader.h"

#include <algorithm>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <optional>
#include <utility>

#include "transport/http/ascii.h"
#include "transport/http/target.h"

namespace quell::http {
namespace {

constexpr std::string_view kMethodsTaken = "GET,HEAD,POST,PUT,DELETE,OPTIONS,PATCH";

// Cut, so that a refusal never echoes much.
std::string Quote(std::string_view text) {
  return "[" + std::string(text.substr(0, 64)) + (text.size() > 64 ? "...]" : "]");
}

// Takes the line at the start of `rest` off it. Every line ends with CRLF: the scanner saw to it.
std::string_view TakeLine(std::string_view& rest) {
  const std::size_t end = rest.find("\r\n");
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 2);
  return line;
}

bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsTokenChar);
}

// Nullopt: it is version 1.0 or 1.1.
std::optional<Refusal> CheckVersion(std::string_view version) {
  if (version == "HTTP/1.1" || version == "HTTP/1.0") return std::nullopt;
  if (version.size() == 8 && version.substr(0, 5) == "HTTP/" && IsDigit(version[5]) &&
      version[6] == '.' && IsDigit(version[7])) {
    return Refusal(505, "the version " + Quote(version) + " is not spoken here: use HTTP/1.1");
  }
  return Refusal(400, "the request line does not end with HTTP/1.1");
}

std::optional<Refusal> ReadRequestLine(std::string_view line, const RequestRules& rules,
                                       Head& head) {
  const std::size_t first = line.find(' ');
  const std::string_view method = line.substr(0, first);
  if (!IsToken(method) || first == std::string_view::npos) {
    return Refusal(400, "this is no HTTP request; this port speaks plain HTTP/1.1 (no TLS)");
  }
  line.remove_prefix(first + 1);
  const std::size_t second = line.find(' ');
  if (second == std::string_view::npos) {
    return Refusal(400, "the request line has no HTTP version: use HTTP/1.1");
  }
  const std::string_view target = line.substr(0, second);
  const std::string_view version = line.substr(second + 1);
  if (auto refusal = CheckVersion(version)) return refusal;
  head.http_1_0 = version == "HTTP/1.0";
  head.close = head.http_1_0;

  const std::optional<Method> known = MethodFromString(method);
  if (!known) {
    return Refusal{405, "the method " + Quote(method) + " is not taken here",
                   std::string(kMethodsTaken)};
  }
  head.request.method = *known;
  Result<Target> parsed = ParseTarget(target, rules.query_params_max);
  if (!parsed) return Refusal(400, parsed.error().message);
  head.request.target = target;
  head.request.path = std::move(parsed->path);
  head.request.segments = std::move(parsed->segments);
  head.request.query = std::move(parsed->query);
  return std::nullopt;
}

std::optional<Refusal> ReadField(std::string_view line, const RequestRules& rules, Head& head) {
  if (line.front() == ' ' || line.front() == '\t') {
    return Refusal(400, "a header is folded over two lines: write it in one");
  }
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  if (colon == std::string_view::npos || !IsToken(name)) {
    return Refusal(400, "the header line " + Quote(line) +
                            " is malformed: it starts with a name, directly followed by a colon");
  }
  const std::string_view value = TrimBlanks(line.substr(colon + 1));
  if (name.size() > rules.field_name_max) {
    return Refusal(
        431, "a header's name is longer than " + std::to_string(rules.field_name_max) + " bytes");
  }
  if (value.size() > rules.field_value_max) {
    return Refusal(431, "the header " + Quote(name) + " is longer than " +
                            std::to_string(rules.field_value_max) + " bytes");
  }
  head.request.headers.push_back({std::string(name), std::string(value)});
  return std::nullopt;
}

std::vector<std::string_view> Values(const Request& request, std::string_view name) {
  std::vector<std::string_view> values;
  for (const Header& header : request.headers) {
    if (EqualIgnoringCase(header.name, name)) values.push_back(header.value);
  }
  return values;
}

std::optional<Refusal> CheckFraming(const RequestRules& rules, Head& head) {
  if (!Values(head.request, "Transfer-Encoding").empty()) {
    return Refusal(411,
                   "Transfer-Encoding is not taken here: leave out the body, or send it with "
                   "Content-Length (curl: --data-binary @FILE)");
  }
  const std::vector<std::string_view> lengths = Values(head.request, "Content-Length");
  if (lengths.empty()) return std::nullopt;
  if (lengths.size() > 1) return Refusal(400, "there is more than one Content-Length");
  const std::optional<std::uint64_t> length = ParseDigits(lengths.front());
  if (!length) {
    return Refusal(400, "the Content-Length " + Quote(lengths.front()) + " is no number of bytes");
  }
  if (*length > rules.body_max) {
    return Refusal(413, "the body is larger than " + std::to_string(rules.body_max) + " bytes");
  }
  head.content_length = static_cast<std::size_t>(*length);
  return std::nullopt;
}

// "[::1]:9480" is {"::1", true}; nullopt: the grammar does not have it.
struct HostName {
  std::string name;
  bool bracketed = false;
};
std::optional<HostName> ParseHost(std::string_view text) {
  HostName host;
  if (!text.empty() && text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    host = {std::string(text.substr(1, end - 1)), true};
    text.remove_prefix(end + 1);
  } else {
    const std::size_t end = std::min(text.find(':'), text.size());
    host.name = text.substr(0, end);
    text.remove_prefix(end);
  }
  const bool sound = std::all_of(host.name.begin(), host.name.end(), [&host](char c) {
    return IsAlpha(c) || IsDigit(c) || c == '.' || c == '-' || c == '_' || c == '~' || c == '%' ||
           (host.bracketed && c == ':');
  });
  if (!sound) return std::nullopt;
  if (text.empty()) return host;
  if (text.front() != ':') return std::nullopt;
  text.remove_prefix(1);
  if (text.size() > 5 || !std::all_of(text.begin(), text.end(), IsDigit)) return std::nullopt;
  return host;
}

bool IsAddress(const HostName& host) {
  in6_addr address;
  return ::inet_pton(host.bracketed ? AF_INET6 : AF_INET, host.name.c_str(), &address) == 1;
}

bool IsOurName(const HostName& host, const RequestRules& rules) {
  constexpr std::string_view kLocal = "localhost";
  if (EqualIgnoringCase(host.name, kLocal) || IsAddress(host)) return true;
  if (host.name.size() > kLocal.size() + 1 &&
      EqualIgnoringCase(std::string_view(host.name).substr(host.name.size() - kLocal.size() - 1),
                        ".localhost")) {
    return true;
  }
  return std::any_of(
      rules.host_names.begin(), rules.host_names.end(),
      [&host](const std::string& name) { return EqualIgnoringCase(name, host.name); });
}

std::optional<Refusal> CheckHost(const RequestRules& rules, const Head& head) {
  const std::vector<std::string_view> hosts = Values(head.request, "Host");
  if (hosts.size() > 1) return Refusal(400, "there is more than one Host header");
  if (hosts.empty()) {
    if (head.http_1_0) return std::nullopt;
    return Refusal(400, "there is no Host header");
  }
  const std::optional<HostName> host = ParseHost(hosts.front());
  if (!host) return Refusal(400, "the Host " + Quote(hosts.front()) + " is malformed");
  if (rules.browsers_may_reach && !IsOurName(*host, rules)) {
    return Refusal(421, "the Host " + Quote(hosts.front()) +
                            " is not a name of this server: use localhost or the IP address");
  }
  return std::nullopt;
}

std::optional<Refusal> CheckOrigin(const RequestRules& rules, const Head& head) {
  const Method method = head.request.method;
  if (!rules.browsers_may_reach || method == Method::kGet || method == Method::kHead ||
      method == Method::kOptions) {
    return std::nullopt;
  }
  const std::string_view host = head.request.HeaderValue("Host").value_or("");
  for (const std::string_view origin : Values(head.request, "Origin")) {
    const std::size_t scheme = origin.find("://");
    if (scheme == std::string_view::npos || !EqualIgnoringCase(origin.substr(scheme + 3), host)) {
      return Refusal(403, "a web page of the origin " + Quote(origin) + " may not do this");
    }
  }
  return std::nullopt;
}

std::optional<Refusal> CheckConnection(Head& head) {
  for (std::string_view value : Values(head.request, "Connection")) {
    while (!value.empty()) {
      const std::size_t end = std::min(value.find(','), value.size());
      const std::string_view option = TrimBlanks(value.substr(0, end));
      if (!option.empty() && !IsToken(option)) {
        return Refusal(400, "the Connection header is malformed");
      }
      if (EqualIgnoringCase(option, "close")) head.close = true;
      value.remove_prefix(std::min(end + 1, value.size()));
    }
  }
  if (head.http_1_0) return std::nullopt;  // It knows no expectations.
  for (const std::string_view value : Values(head.request, "Expect")) {
    if (!EqualIgnoringCase(value, "100-continue")) {
      return Refusal(417, "the expectation " + Quote(value) + " is not met here");
    }
    head.expects_continue = true;
  }
  return std::nullopt;
}

}  // namespace

void HeadScanner::Reset() {
  at_ = line_start_ = fields_start_ = fields_ = 0;
}

Checked<std::size_t> HeadScanner::Scan(std::string_view bytes) {
  for (; at_ < bytes.size(); ++at_) {
    const char c = bytes[at_];
    const bool after_cr = at_ > line_start_ && bytes[at_ - 1] == '\r';
    if (after_cr != (c == '\n')) {
      return Refusal(400, "a line does not end with CR LF: no CR or LF stands alone");
    }
    if (c == '\n') {
      const Checked<bool> ended = EndLine();
      if (!ended) return ended.error();
      if (*ended) return at_ + 1;
      continue;
    }
    if ((c >= 0 && c < ' ' && c != '\t' && c != '\r') || c == 0x7f) {
      return Refusal(400, fields_start_ == 0
                              ? "this is no HTTP request; this port speaks plain HTTP/1.1 (no TLS)"
                              : "a header has a control character");
    }
    if (c == '\r') continue;
    if (fields_start_ == 0 && at_ >= rules_.request_line_max) {
      return Refusal(414, "the request line is longer than " +
                              std::to_string(rules_.request_line_max) + " bytes");
    }
    if (fields_start_ != 0 && at_ - fields_start_ >= rules_.header_bytes_max) {
      return Refusal(
          431, "the headers are longer than " + std::to_string(rules_.header_bytes_max) + " bytes");
    }
  }
  return std::size_t{0};
}

// `at_` is at the LF.
Checked<bool> HeadScanner::EndLine() {
  const bool empty = at_ - line_start_ == 1;
  line_start_ = at_ + 1;
  if (fields_start_ == 0) {
    if (empty) return Refusal(400, "the request starts with an empty line");
    fields_start_ = line_start_;
    return false;
  }
  if (empty) return true;
  if (line_start_ - fields_start_ > rules_.header_bytes_max) {
    return Refusal(
        431, "the headers are longer than " + std::to_string(rules_.header_bytes_max) + " bytes");
  }
  if (++fields_ > rules_.header_fields_max) {
    return Refusal(431,
                   "there are more than " + std::to_string(rules_.header_fields_max) + " headers");
  }
  return false;
}

Checked<Head> ReadHead(std::string_view bytes, const RequestRules& rules) {
  Head head;
  if (auto refusal = ReadRequestLine(TakeLine(bytes), rules, head)) return *std::move(refusal);
  for (std::string_view line = TakeLine(bytes); !line.empty(); line = TakeLine(bytes)) {
    if (auto refusal = ReadField(line, rules, head)) return *std::move(refusal);
  }
  if (auto refusal = CheckFraming(rules, head)) return *std::move(refusal);
  if (auto refusal = CheckHost(rules, head)) return *std::move(refusal);
  if (auto refusal = CheckOrigin(rules, head)) return *std::move(refusal);
  if (auto refusal = CheckConnection(head)) return *std::move(refusal);
  return head;
}

}  // namespace quell::http
