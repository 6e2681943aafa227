// A small blocking HTTP/1.1 client over TCP or a unix socket, for the CLI.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "transport/http/message.h"

namespace quell::http {

// "http://127.0.0.1:9480" or "unix:/run/quell/node.sock".
struct Address {
  std::string text;
  std::string host;
  std::string port;
  std::string socket_path;  // Not empty: a unix socket.

  static Result<Address> Parse(std::string_view text);
};

struct ClientRequest {
  Method method = Method::kGet;
  std::string target;
  std::vector<Header> headers;
  std::string body;  // Sent with Content-Length where there is one, or the method is POST.
};

// One request on a connection of its own, within `timeout` in all (except for the name server). No
// proxy is used, whatever the environment says. Thread-safe. Errors: kUnavailable (not connected:
// nothing happened), kOutcomeUnknown (sent, and the connection broke or time ran out), kInternal
// (not HTTP), kInvalidArgument (a target or header that is none), kResourceExhausted (an answer
// over 1 GiB).
Result<Response> Fetch(const Address& address, const ClientRequest& request,
                       std::chrono::milliseconds timeout);

// The same, with a limit of its own until the head of the answer is here: an answer may be long,
// and one that does not begin is none.
struct FetchLimits {
  std::chrono::milliseconds head;
  std::chrono::milliseconds whole;
};
Result<Response> Fetch(const Address& address, const ClientRequest& request,
                       const FetchLimits& limits);

// A streamed answer, line by line. Not thread-safe, but Close() may be called from any thread and
// makes a blocked ReadLine() return.
class LineStream {
 public:
  // `timeout` is for the connection and the head. Errors as Fetch(), and kFailedPrecondition for a
  // status other than 200, with the body's text; `refused` (may be null) gets that answer.
  static Result<std::unique_ptr<LineStream>> Open(const Address& address,
                                                  const ClientRequest& request,
                                                  std::chrono::milliseconds timeout,
                                                  Response* refused = nullptr);
  virtual ~LineStream() = default;
  // The next line without its end; it may be empty. Blocks. nullopt: the stream ended, broke (a
  // torn line is not returned) or has a line over 1 MiB.
  virtual std::optional<std::string> ReadLine() = 0;
  virtual void Close() = 0;
};

}  // namespace quell::http
