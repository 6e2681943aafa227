// A socket that sends and receives raw bytes, so that a test decides each of them. It waits at most
// ten seconds for anything, so a test that fails does not hang.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "transport/http/message.h"

namespace quell::http {

class RawClient {
 public:
  static RawClient Tcp(std::uint16_t port);
  static RawClient Unix(const std::string& path);
  explicit RawClient(int fd) : fd_(fd) {}
  RawClient(RawClient&& other) noexcept;
  RawClient& operator=(RawClient&&) = delete;
  ~RawClient();

  // False: the peer has closed.
  bool Send(std::string_view bytes);
  // One answer, as ResponseReader reads it; bytes after it are kept for the next. nullopt: none
  // came, or half of one. Interim answers are skipped.
  std::optional<Response> ReadAnswer(bool to_head = false);
  // All that comes until the peer closes, with what ReadAnswer() has kept.
  std::string ReadAll();
  // Waits until `size` bytes are there, and returns these.
  std::string ReadBytes(std::size_t size);
  // Is there something to read, or the end, within `milliseconds`?
  bool Readable(int milliseconds);
  // As seen by a read: the peer has closed, or reset the connection.
  bool AtEnd();
  void ShutdownSend();
  void Close();
  // A small receive buffer, so that a slow reader is slow soon.
  void ShrinkReceiveBuffer();
  int fd() const { return fd_; }

 private:
  // False: the end.
  bool ReadMore();

  int fd_;
  std::string kept_;
};

}  // namespace quell::http
