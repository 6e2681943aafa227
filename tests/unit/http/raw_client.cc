#include "tests/unit/http/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

#include "transport/http/response_reader.h"

namespace quell::http {
namespace {

int Connected(int fd, const sockaddr* address, socklen_t size) {
  const timeval patience{10, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  if (::connect(fd, address, size) == 0) return fd;
  ::close(fd);
  return -1;
}

}  // namespace

RawClient RawClient::Tcp(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return RawClient(Connected(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)));
}

RawClient RawClient::Unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return RawClient(Connected(::socket(AF_UNIX, SOCK_STREAM, 0),
                             reinterpret_cast<sockaddr*>(&address), sizeof(address)));
}

RawClient::RawClient(RawClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), kept_(std::move(other.kept_)) {}

RawClient::~RawClient() {
  Close();
}

void RawClient::Close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

bool RawClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool RawClient::ReadMore() {
  char buffer[16 * 1024];
  const ssize_t bytes = ::recv(fd_, buffer, sizeof(buffer), 0);
  if (bytes <= 0) return false;
  kept_.append(buffer, static_cast<std::size_t>(bytes));
  return true;
}

std::optional<Response> RawClient::ReadAnswer(bool to_head) {
  ResponseReader reader(to_head, std::size_t{1} << 30);
  for (;;) {
    const Result<std::size_t> used = reader.Feed(kept_);
    if (!used) return std::nullopt;
    kept_.erase(0, *used);
    if (reader.complete()) return reader.response();
    if (!ReadMore()) {
      if (!reader.has_head() || !reader.End()) return std::nullopt;
      return reader.response();
    }
  }
}

std::string RawClient::ReadAll() {
  while (ReadMore()) {
  }
  return std::exchange(kept_, {});
}

std::string RawClient::ReadBytes(std::size_t size) {
  while (kept_.size() < size && ReadMore()) {
  }
  std::string bytes = kept_.substr(0, size);
  kept_.erase(0, size);
  return bytes;
}

bool RawClient::Readable(int milliseconds) {
  pollfd poll{fd_, POLLIN, 0};
  return !kept_.empty() || ::poll(&poll, 1, milliseconds) > 0;
}

bool RawClient::AtEnd() {
  if (!kept_.empty() || !Readable(10'000)) return false;
  char byte = 0;
  const ssize_t bytes = ::recv(fd_, &byte, 1, MSG_PEEK);
  return bytes == 0 || (bytes < 0 && errno == ECONNRESET);
}

void RawClient::ShutdownSend() {
  ::shutdown(fd_, SHUT_WR);
}

void RawClient::ShrinkReceiveBuffer() {
  const int size = 4096;
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

}  // namespace quell::http
