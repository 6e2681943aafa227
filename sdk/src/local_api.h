// The small HTTP/1.1 client of the node's local API: one unix socket for calls, one for commands.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quell::sdk {

using Deadline = std::chrono::steady_clock::time_point;

// Owns a descriptor of the library: see descriptors.h.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Socket& operator=(Socket&& other) noexcept;
  ~Socket() { Close(); }
  int fd() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void Close();

  // Not connected by the deadline: an empty socket. Non-blocking, close-on-exec.
  static Socket Connect(const std::string& path, Deadline deadline);
  bool SendAll(std::string_view bytes, Deadline deadline);
  // Appends what is there, waiting for something until the deadline. False: closed, broken or too
  // late.
  bool Receive(std::string& into, Deadline deadline);

 private:
  int fd_ = -1;
};

struct Reply {
  int status = 0;
  std::string body;
  bool kept = true;  // The connection.
};

// The node has no room for this now; what it knows already it still knows.
inline bool IsBusy(int status) {
  return status == 429 || status == 507;
}

// Calls, one at a time, on one kept connection.
class LocalApi {
 public:
  explicit LocalApi(std::string path) : path_(std::move(path)) {}
  // nullopt: the node is away (or did not answer in time); the connection is closed then.
  std::optional<Reply> Post(const std::string& target, const std::string& session,
                            const std::string& body, Deadline deadline);
  void Close() { socket_.Close(); }
  int fd() const { return socket_.fd(); }

 private:
  std::string path_;
  Socket socket_;
};

// The stream of commands. Non-blocking after Open().
class CommandStream {
 public:
  enum class Opened {
    kYes,
    kRefused,  // This request; the session may be well.
    kOver,     // The node does not know the session, or is away.
  };
  Opened Open(const std::string& path, const std::string& session, Deadline deadline);
  void Close();
  int fd() const { return socket_.fd(); }
  bool open() const { return static_cast<bool>(socket_); }
  // Reads what is there. False: the stream has ended.
  bool Pump();
  // The next whole line that has arrived.
  std::optional<std::string> NextLine();

 private:
  bool Unchunk();
  Socket socket_;
  std::string raw_;         // Still chunked.
  std::string text_;        // Lines.
  std::uint64_t left_ = 0;  // Of the current chunk, its closing CRLF included.
  bool ended_ = false;
};

}  // namespace quell::sdk
