// The node's local API, and a bare echo of the same bytes: one unix socket that is kept open,
// blocking, with as little around it as there can be.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace quell::bench {

class LocalApiConnection {
 public:
  explicit LocalApiConnection(const std::string& socket);
  ~LocalApiConnection();
  LocalApiConnection(LocalApiConnection&& other) noexcept;
  LocalApiConnection& operator=(LocalApiConnection&&) = delete;

  // POSTs `body`; the answer's body stays valid until the next call. Fails the bench unless it is a
  // 200. `session` may be empty.
  std::string_view Post(std::string_view target, std::string_view session, std::string_view body);
  // Begins the stream of commands of `session`; nothing else may be asked after that.
  void Listen(std::string_view session);
  // Blocks until the stream has brought `commands` lines.
  void Hear(std::size_t commands);

  // Bytes of the last call, both ways.
  std::size_t sent() const { return request_.size(); }
  std::size_t received() const { return answer_.size(); }

 private:
  void Send();

  int fd_ = -1;
  std::string request_;
  std::string answer_;
  std::size_t head_ = 0;
};

// The floor: sends as many bytes and takes as many back as it is asked to.
class EchoClient {
 public:
  explicit EchoClient(const std::string& socket);
  ~EchoClient();
  EchoClient(const EchoClient&) = delete;
  EchoClient& operator=(const EchoClient&) = delete;

  void Call(std::size_t there, std::size_t back);

 private:
  int fd_ = -1;
  std::string bytes_;
};

// The other end of EchoClient; prints a line when it listens. Runs until it is killed.
int ServeEcho(const std::string& socket);

}  // namespace quell::bench
