#include "tests/bench/programs/local_api_client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

#include "tests/bench/measure.h"

namespace quell::bench {
namespace {

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) Fail(path + ": too long for a socket");
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

int Connect(const std::string& path) {
  const sockaddr_un address = AddressOf(path);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    Fail("connect " + path + ": " + std::strerror(errno));
  }
  return fd;
}

void SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) Fail(std::string("send: ") + std::strerror(errno));
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

// Appends what has come; blocks for something.
void Receive(int fd, std::string& to) {
  std::array<char, 256 * 1024> bytes;
  const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), 0);
  if (got <= 0) Fail("recv: the other end has gone");
  to.append(bytes.data(), static_cast<std::size_t>(got));
}

bool ReceiveExactly(int fd, char* to, std::size_t size) {
  while (size > 0) {
    const ssize_t got = ::recv(fd, to, size, 0);
    if (got <= 0) return false;
    to += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace

LocalApiConnection::LocalApiConnection(const std::string& socket) : fd_(Connect(socket)) {}

LocalApiConnection::LocalApiConnection(LocalApiConnection&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)) {}

LocalApiConnection::~LocalApiConnection() {
  if (fd_ >= 0) ::close(fd_);
}

std::string_view LocalApiConnection::Post(std::string_view target, std::string_view session,
                                          std::string_view body) {
  request_.assign("POST ").append(target).append(" HTTP/1.1\r\nHost: quell\r\ncontent-length: ");
  request_.append(std::to_string(body.size()));
  if (!session.empty()) request_.append("\r\nQuell-Session: ").append(session);
  request_.append("\r\n\r\n").append(body);
  SendAll(fd_, request_);
  answer_.clear();
  std::size_t whole = 0;
  while (whole == 0 || answer_.size() < whole) {
    Receive(fd_, answer_);
    head_ = answer_.find("\r\n\r\n");
    if (whole != 0 || head_ == std::string::npos) continue;
    head_ += 4;
    constexpr std::string_view kLength = "\r\ncontent-length: ";
    const std::size_t at = answer_.find(kLength);
    if (at >= head_) Fail("no content-length: " + answer_.substr(0, head_));
    std::size_t length = 0;
    std::from_chars(&answer_[at + kLength.size()], &answer_[head_], length);
    whole = head_ + length;
  }
  head_ = answer_.find("\r\n\r\n") + 4;
  if (!answer_.starts_with("HTTP/1.1 200 ")) Fail(std::string(target) + ": " + answer_);
  return std::string_view(answer_).substr(head_);
}

void LocalApiConnection::Listen(std::string_view session) {
  request_.assign("GET /v1/sessions/").append(session).append("/commands HTTP/1.1\r\nHost: quell");
  request_.append("\r\nQuell-Session: ").append(session).append("\r\n\r\n");
  SendAll(fd_, request_);
  answer_.clear();
  while (answer_.find("\r\n\r\n") == std::string::npos)
    Receive(fd_, answer_);
  if (!answer_.starts_with("HTTP/1.1 200 ")) Fail("commands: " + answer_);
}

void LocalApiConnection::Hear(std::size_t commands) {
  const auto heard = [this] {
    std::size_t count = 0;
    for (std::size_t at = answer_.find("{\"cancel\""); at != std::string::npos;
         at = answer_.find("{\"cancel\"", at + 1))
      ++count;
    return count;
  };
  while (heard() < commands)
    Receive(fd_, answer_);
}

EchoClient::EchoClient(const std::string& socket) : fd_(Connect(socket)) {}

EchoClient::~EchoClient() {
  ::close(fd_);
}

void EchoClient::Call(std::size_t there, std::size_t back) {
  const std::array<std::uint64_t, 2> sizes = {there, back};
  bytes_.assign(reinterpret_cast<const char*>(sizes.data()), sizeof(sizes));
  bytes_.resize(std::max(there, sizeof(sizes)), 'x');
  SendAll(fd_, bytes_);
  bytes_.resize(back);
  if (!ReceiveExactly(fd_, bytes_.data(), back)) Fail("the echo has gone");
}

int ServeEcho(const std::string& socket) {
  const sockaddr_un address = AddressOf(socket);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(listener, 16) != 0) {
    Fail("echo at " + socket + ": " + std::strerror(errno));
  }
  std::puts("ready");
  std::fflush(stdout);
  for (;;) {
    const int fd = ::accept(listener, nullptr, nullptr);
    if (fd < 0) Fail(std::string("accept: ") + std::strerror(errno));
    std::array<std::uint64_t, 2> sizes{};
    std::string bytes;
    while (ReceiveExactly(fd, reinterpret_cast<char*>(sizes.data()), sizeof(sizes))) {
      bytes.resize(std::max<std::size_t>(sizes[0], sizeof(sizes)) - sizeof(sizes));
      if (!ReceiveExactly(fd, bytes.data(), bytes.size())) break;
      bytes.resize(sizes[1], 'y');
      SendAll(fd, bytes);
    }
    ::close(fd);
  }
}

}  // namespace quell::bench
