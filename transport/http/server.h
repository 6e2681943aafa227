// HTTP/1.1 on TCP and unix sockets, behind request validation (docs/http.md).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/limits.h"
#include "core/result.h"
#include "transport/http/byte_budget.h"
#include "transport/http/router.h"

namespace boost::asio {
class io_context;
}

namespace quell::http {

struct ServerLimits {
  // At this number the one that waits longest for a request makes room for a new one. If all have a
  // request under way, `connections_reserve` more are taken: theirs is served if it is a cancel or
  // asks whether the server lives, and else answered with 503.
  std::size_t connections_max = 1024;
  std::size_t connections_reserve = limits::kConnectionsReserve;
  std::size_t request_line_max = 4096;   // 414
  std::size_t header_bytes_max = 16384;  // 431, all fields together
  std::size_t header_fields_max = 64;    // 431
  std::size_t body_max = 64 * 1024;      // 413
  // Bytes of a streamed answer that wait for a slow reader. A writer that waits for `drained` never
  // meets it; one that does not is cut.
  std::size_t stream_queue_max = 4 * 1024 * 1024;
  // Of bodies and answers. Null: one of limits::kHeldMax of its own.
  std::shared_ptr<ByteBudget> budget;

  // Each is absolute: more bytes do not extend it.
  std::chrono::milliseconds head_timeout{10'000};  // First byte to the end of the head: 408.
  std::chrono::milliseconds body_timeout{15'000};  // 408
  // For each limits::kWriteSlice of an answer, and for what is left of it; then it is cut.
  std::chrono::milliseconds write_timeout{30'000};
  std::chrono::milliseconds idle_timeout{60'000};  // Between requests.
  std::chrono::milliseconds close_timeout{2'000};  // For the client to close after the last answer.

  // A connection whose descriptor has this number or a higher one finds none left: the rest is for
  // files, and for others who cannot do without. 0: any.
  std::size_t descriptors_max = 0;
  // Runs each time a connection finds no file descriptor left; may be empty.
  std::function<void()> no_descriptors;

  // Names, besides localhost and IP addresses, by which clients may call a TCP listener
  // (request_reader.h).
  std::vector<std::string> host_names;
};

// All of it runs on `context`, which one thread runs and which must outlive the server and every
// exchange. Not thread-safe; exchanges are. The router is not changed while the server lives.
class Server {
 public:
  Server(boost::asio::io_context& context, const Router& router, ServerLimits limits);
  // Cuts what is left, without a word to the handlers.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Port 0 picks one. Returns the port. Errors: kPermissionDenied if `host` is not loopback (until
  // there is authentication), kAlreadyExists if the port is taken, kInvalidArgument; each names the
  // remedy.
  Result<std::uint16_t> ListenTcp(const std::string& host, std::uint16_t port);

  // Access mode 0660. A socket file that nobody listens on is replaced. Errors: kAlreadyExists if
  // somebody does, kInvalidArgument if the path is longer than sockaddr_un takes (107 bytes).
  Status ListenUnix(const std::string& path);

  // Takes no more connections, ends idle ones, cuts the others after `grace`; then `done` runs on
  // the context. Removes the socket files.
  void Stop(std::chrono::milliseconds grace, std::function<void()> done);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace quell::http
