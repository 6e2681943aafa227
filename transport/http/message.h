// HTTP messages as our own values; Beast stays in the .cc files.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/principal.h"
#include "core/task.h"

namespace quell::http {

// No route has the last two: they are known so as to be refused as any method that a path lacks.
enum class Method : std::uint8_t {
  kGet,
  kHead,
  kPost,
  kPut,
  kDelete,
  kOptions,
  kPatch,
  kTrace,
  kConnect,
};
std::string_view ToString(Method method);
// Upper case only, as methods are.
std::optional<Method> MethodFromString(std::string_view name);

// "GET, HEAD"
std::string JoinNames(const std::vector<Method>& methods, std::string_view separator);

// "Not Found"; empty for a status without a phrase here.
std::string_view ReasonPhrase(int status);
// The `type` in the error body of an answer that the server gives by itself: "not_found".
std::string_view ErrorType(int status);

struct QueryParam {
  std::string name;
  std::string value;
  bool has_value = false;  // "?v=" has one, "?v" has none.
};

// A request that has passed request validation: one Host, origin form, no Transfer-Encoding, within
// the limits.
struct Request {
  Method method = Method::kGet;
  std::string target;                 // As sent: path and query.
  std::string path;                   // Still percent-encoded, without the query.
  std::vector<std::string> segments;  // Of the path, decoded; "/_tasks/a%3A5" is {"_tasks", "a:5"},
                                      // and so is "/_tasks/a:5/". "%2F" never separates.
  std::vector<QueryParam> query;      // Decoded, in order; '&' and ';' separate, '+' is a space.
  std::vector<Header> headers;        // Names as sent.
  std::string body;
  Principal principal;
  std::vector<std::string> captures;  // What the route's {...} matched, decoded, in order.

  // The last parameter of this name, as OpenSearch takes it.
  const QueryParam* Param(std::string_view name) const;
  // The first header of this name, whatever its case.
  std::optional<std::string_view> HeaderValue(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json; charset=UTF-8";
  // Content-Type, Content-Length, Transfer-Encoding and Connection are not among them.
  std::vector<Header> headers;
  std::string body;
  // It says what has been done, and leaves whatever is held for others (byte_budget.h).
  bool promised = false;
  std::shared_ptr<const void> held = {};  // Books the body until it has left; set by the server.
};

}  // namespace quell::http
