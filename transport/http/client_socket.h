// A blocking socket with deadlines, for the client. Private to this folder.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string_view>

#include "core/result.h"
#include "transport/http/client.h"

namespace quell::http {

// A moment on the monotonic clock, or never.
class Deadline {
 public:
  static Deadline Never() { return Deadline(); }
  static Deadline After(std::chrono::milliseconds from_now);

  // As poll() takes it: rounded up, -1 for never.
  int PollTimeout() const;

 private:
  std::chrono::nanoseconds at_ = std::chrono::nanoseconds::max();
};

// Not thread-safe, except for Shutdown().
class ClientSocket {
 public:
  // Tries each address that the host's name has. Errors: kUnavailable, kInvalidArgument (a path too
  // long for a socket).
  static Result<std::unique_ptr<ClientSocket>> Connect(const Address& address, Deadline deadline);
  ~ClientSocket();
  ClientSocket(const ClientSocket&) = delete;
  ClientSocket& operator=(const ClientSocket&) = delete;

  // Sends all. Errors: kOutcomeUnknown.
  Status Send(std::string_view bytes, Deadline deadline);
  // Waits for at least one byte; 0: the peer has closed. Errors: kOutcomeUnknown.
  Result<std::size_t> Receive(char* to, std::size_t size, Deadline deadline);
  // A blocked Receive() returns 0. Thread-safe while the socket lives.
  void Shutdown();

 private:
  explicit ClientSocket(int fd) : fd_(fd) {}

  static Result<std::unique_ptr<ClientSocket>> ConnectUnix(const Address& address,
                                                           Deadline deadline);
  static Result<std::unique_ptr<ClientSocket>> ConnectTcp(const Address& address,
                                                          Deadline deadline);

  const int fd_;
};

}  // namespace quell::http
