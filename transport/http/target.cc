#include "transport/http/target.h"

#include <algorithm>
#include <optional>

#include "transport/http/ascii.h"

namespace quell::http {
namespace {

Error Wrong(std::string message) {
  return {ErrorCode::kInvalidArgument, std::move(message)};
}

// Not empty: what is wrong with the escapes.
std::optional<Error> CheckEscapes(std::string_view text) {
  for (std::size_t i = text.find('%'); i != std::string_view::npos; i = text.find('%', i + 1)) {
    const std::string_view escape = text.substr(i, 3);
    if (escape.size() < 3 || HexDigit(escape[1]) < 0 || HexDigit(escape[2]) < 0) {
      return Wrong("the request target has the broken escape [" + std::string(escape) +
                   "]: write a percent sign as %25");
    }
    if (escape == "%00") return Wrong("the request target has a NUL character (%00)");
  }
  return std::nullopt;
}

// The escapes are sound.
std::string Decode(std::string_view text, bool plus_is_blank) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      out += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      out += plus_is_blank && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

// Separators are found before anything is decoded, so that %2F stays inside its segment.
std::vector<std::string> Segments(std::string_view path) {
  std::vector<std::string> segments;
  path.remove_prefix(1);
  while (!path.empty() && path.back() == '/')
    path.remove_suffix(1);
  if (path.empty()) return segments;
  for (;;) {
    const std::size_t slash = path.find('/');
    segments.push_back(Decode(path.substr(0, slash), false));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

// As OpenSearch splits it: empty parts are nothing, and blank names too, so "=1" is the parameter
// "1" without a value.
std::optional<QueryParam> ParseParam(std::string_view part) {
  const std::size_t start = part.find_first_not_of('=');
  if (start == std::string_view::npos) return std::nullopt;
  part.remove_prefix(start);
  const std::size_t equals = part.find('=');
  QueryParam param;
  param.name = Decode(part.substr(0, equals), true);
  if (equals != std::string_view::npos) {
    param.has_value = true;
    param.value = Decode(part.substr(equals + 1), true);
  }
  return param;
}

}  // namespace

Result<Target> ParseTarget(std::string_view text, std::size_t params_max) {
  const auto odd =
      std::find_if(text.begin(), text.end(), [](char c) { return c < '!' || c > '~'; });
  if (odd != text.end()) {
    return Wrong(
        "the request target has a character that is not printable ASCII: percent-encode it");
  }
  if (text.empty() || text.front() != '/') {
    return Wrong("the request target [" + std::string(text.substr(0, 64)) +
                 "] is no path: send the path and the query alone, not by way of a proxy");
  }
  if (text.find('#') != std::string_view::npos) {
    return Wrong("the request target has a fragment: write # as %23");
  }
  if (const auto wrong = CheckEscapes(text)) return *wrong;

  Target target;
  const std::size_t question = text.find('?');
  target.path = text.substr(0, question);
  target.segments = Segments(target.path);
  if (question == std::string_view::npos) return target;
  for (std::string_view query = text.substr(question + 1); !query.empty();) {
    const std::size_t end = std::min(query.find_first_of("&;"), query.size());
    if (auto param = ParseParam(query.substr(0, end))) target.query.push_back(std::move(*param));
    if (target.query.size() > params_max) {
      return Wrong("the query has more than " + std::to_string(params_max) + " parameters");
    }
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return target;
}

}  // namespace quell::http
