#include "transport/http/message.h"

#include <array>

#include "transport/http/ascii.h"

namespace quell::http {
namespace {

// In the order of Method.
constexpr std::array<std::string_view, 9> kMethods = {
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"};

}  // namespace

std::string_view ToString(Method method) {
  return kMethods[static_cast<std::size_t>(method)];
}

std::string JoinNames(const std::vector<Method>& methods, std::string_view separator) {
  std::string out;
  for (const Method method : methods) {
    if (!out.empty()) out += separator;
    out += ToString(method);
  }
  return out;
}

std::optional<Method> MethodFromString(std::string_view name) {
  for (std::size_t i = 0; i < kMethods.size(); ++i) {
    if (kMethods[i] == name) return static_cast<Method>(i);
  }
  return std::nullopt;
}

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "";
  }
}

std::string_view ErrorType(int status) {
  switch (status) {
    case 400:
      return "invalid_argument";
    case 403:
      return "permission_denied";
    case 404:
      return "not_found";
    case 405:
      return "method_not_allowed";
    case 408:
      return "request_timeout";
    case 411:
      return "length_required";
    case 413:
      return "content_too_large";
    case 414:
      return "uri_too_long";
    case 417:
      return "expectation_failed";
    case 421:
      return "misdirected_request";
    case 429:
      return "resource_exhausted";
    case 431:
      return "header_fields_too_large";
    case 503:
      return "resource_exhausted";
    case 505:
      return "http_version_not_supported";
    default:
      return "internal";
  }
}

const QueryParam* Request::Param(std::string_view name) const {
  for (auto param = query.rbegin(); param != query.rend(); ++param) {
    if (param->name == name) return &*param;
  }
  return nullptr;
}

std::optional<std::string_view> Request::HeaderValue(std::string_view name) const {
  for (const Header& header : headers) {
    if (EqualIgnoringCase(header.name, name)) return header.value;
  }
  return std::nullopt;
}

}  // namespace quell::http
