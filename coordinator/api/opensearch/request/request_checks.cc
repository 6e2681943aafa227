#include "coordinator/api/opensearch/request/request_checks.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "core/limits.h"
#include "transport/http/ascii.h"

namespace quell::opensearch {
namespace {

constexpr std::array<const char*, 2> kIds = {"X-Request-Id", "X-Opaque-Id"};
// Of two that differ one would not be read.
constexpr std::array<const char*, 4> kSingle = {"X-Request-Id", "X-Opaque-Id", "Quell-Profile",
                                                "Quell-Requests"};

std::vector<std::string_view> Values(const http::Request& request, std::string_view name) {
  std::vector<std::string_view> values;
  for (const Header& header : request.headers) {
    if (http::EqualIgnoringCase(header.name, name)) values.push_back(header.value);
  }
  return values;
}

bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), http::IsTokenChar);
}

// "type/subtype", before parameters.
std::string_view MediaType(std::string_view content_type) {
  return http::TrimBlanks(content_type.substr(0, content_type.find(';')));
}

bool IsMediaType(std::string_view text) {
  const std::size_t slash = text.find('/');
  return slash != std::string_view::npos && IsToken(text.substr(0, slash)) &&
         IsToken(text.substr(slash + 1));
}

bool IsKnownBody(std::string_view content_type) {
  constexpr std::array<std::string_view, 5> kKnown = {"application/json", "application/yaml",
                                                      "application/cbor", "application/smile",
                                                      "application/*"};
  return std::any_of(kKnown.begin(), kKnown.end(), [&](std::string_view known) {
    return http::EqualIgnoringCase(MediaType(content_type), known);
  });
}

Problem WrongContentType(const std::string& why) {
  Problem problem;
  problem.type = "content_type_header_exception";
  problem.reason = "java.lang.IllegalArgumentException: " + why;
  problem.caused_by = Cause{"illegal_argument_exception", why};
  return problem;
}

Problem Text(int status, std::string reason) {
  Problem problem;
  problem.status = status;
  problem.reason = std::move(reason);
  problem.form = ProblemForm::kText;
  return problem;
}

}  // namespace

std::optional<Problem> CheckHeaders(const http::Request& request) {
  const std::vector<std::string_view> types = Values(request, "Content-Type");
  if (types.size() > 1) return WrongContentType("only one Content-Type header should be provided");
  if (!types.empty() && !IsMediaType(MediaType(types.front()))) {
    return WrongContentType("invalid Content-Type header [" + std::string(types.front()) + "]");
  }
  for (const char* name : kSingle) {
    const std::vector<std::string_view> values = Values(request, name);
    for (std::string_view value : values) {
      if (value != values.front()) {
        return Text(400, "multiple values for single-valued header [" + std::string(name) + "].");
      }
    }
  }
  const std::optional<std::string_view> id = request.HeaderValue("X-Request-Id");
  if (!id || !id->empty()) return std::nullopt;
  Problem problem;
  problem.reason = "X-Request-Id should not be null or empty";
  return problem;
}

std::optional<Problem> CheckRequest(const http::Request& request) {
  if (std::optional<Problem> problem = CheckHeaders(request)) return problem;
  const std::string_view shown = request.HeaderValue("Quell-Requests").value_or("shown");
  if (shown != "shown" && shown != "hidden") {
    Problem problem;
    problem.reason = "the header Quell-Requests must be [shown] or [hidden] but was [" +
                     std::string(shown) + "]";
    return problem;
  }
  const std::string_view type = request.HeaderValue("Content-Type").value_or("");
  if (!request.body.empty() && !IsKnownBody(type)) {
    return Text(406, "Content-Type header [" + std::string(type) + "] is not supported");
  }
  std::size_t bytes = 0;
  for (const char* name : kIds) {
    const std::optional<std::string_view> id = request.HeaderValue(name);
    if (id) bytes += 2 * (std::string_view(name).size() + id->size());
  }
  if (bytes <= limits::kRequestIdsMax) return std::nullopt;
  Problem problem;
  problem.reason = "Request exceeded the maximum size of task headers 16kb";
  return problem;
}

}  // namespace quell::opensearch
