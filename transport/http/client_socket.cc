#include "transport/http/client_socket.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

namespace quell::http {
namespace {

std::chrono::nanoseconds MonotonicNow() {
  timespec now{};
  // lint: allow(clock): poll() measures this clock, and nothing here is simulated
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

Error NotConnected(const Address& address, std::string_view why) {
  return {ErrorCode::kUnavailable, "cannot connect to [" + address.text + "]: " + std::string(why)};
}

Error Broken(std::string_view why) {
  return {ErrorCode::kOutcomeUnknown, std::string(why)};
}

// 0: ready, else an errno; ETIMEDOUT at the deadline.
int Wait(int fd, short events, Deadline deadline) {
  for (;;) {
    pollfd poll{fd, events, 0};
    const int ready = ::poll(&poll, 1, deadline.PollTimeout());
    if (ready > 0) return 0;
    if (ready == 0) return ETIMEDOUT;
    if (errno != EINTR) return errno;
  }
}

// 0: connected, else an errno.
int ConnectFd(int fd, const sockaddr* address, socklen_t size, Deadline deadline) {
  if (::connect(fd, address, size) == 0) return 0;
  if (errno != EINPROGRESS && errno != EINTR) return errno;
  if (const int error = Wait(fd, POLLOUT, deadline); error != 0) return error;
  int error = 0;
  socklen_t length = sizeof(error);
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  return error;
}

}  // namespace

Deadline Deadline::After(std::chrono::milliseconds from_now) {
  Deadline deadline;
  deadline.at_ = MonotonicNow() + from_now;
  return deadline;
}

int Deadline::PollTimeout() const {
  if (at_ == std::chrono::nanoseconds::max()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - MonotonicNow()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
}

Result<std::unique_ptr<ClientSocket>> ClientSocket::Connect(const Address& address,
                                                            Deadline deadline) {
  return address.socket_path.empty() ? ConnectTcp(address, deadline)
                                     : ConnectUnix(address, deadline);
}

Result<std::unique_ptr<ClientSocket>> ClientSocket::ConnectUnix(const Address& address,
                                                                Deadline deadline) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  constexpr std::size_t kPathMax = sizeof(name.sun_path) - 1;
  if (address.socket_path.size() > kPathMax) {
    return Error{ErrorCode::kInvalidArgument, "the socket path [" + address.socket_path + "] has " +
                                                  std::to_string(address.socket_path.size()) +
                                                  " bytes, and a unix socket takes " +
                                                  std::to_string(kPathMax)};
  }
  address.socket_path.copy(name.sun_path, kPathMax);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return NotConnected(address, std::strerror(errno));
  std::unique_ptr<ClientSocket> socket(new ClientSocket(fd));
  for (;;) {
    const int error =
        ConnectFd(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name), deadline);
    if (error == 0) return socket;
    // The listener's backlog is full, and nothing tells when it is not any more.
    if (error != EAGAIN || deadline.PollTimeout() == 0) {
      return NotConnected(address, std::strerror(error));
    }
    ::poll(nullptr, 0, 5);
  }
}

Result<std::unique_ptr<ClientSocket>> ClientSocket::ConnectTcp(const Address& address,
                                                               Deadline deadline) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failure = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found);
  if (failure != 0) return NotConnected(address, ::gai_strerror(failure));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, &::freeaddrinfo);
  int error = 0;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    const int fd = ::socket(entry->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
      error = errno;
      continue;
    }
    std::unique_ptr<ClientSocket> socket(new ClientSocket(fd));
    error = ConnectFd(fd, entry->ai_addr, entry->ai_addrlen, deadline);
    if (error != 0) continue;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return socket;
  }
  return NotConnected(address, std::strerror(error));
}

ClientSocket::~ClientSocket() {
  ::close(fd_);
}

Status ClientSocket::Send(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      const int error = Wait(fd_, POLLOUT, deadline);
      if (error == ETIMEDOUT) return Broken("the request could not be sent in time");
      if (error != 0) return Broken(std::strerror(error));
    } else if (errno != EINTR) {
      return Broken(std::string("the connection broke: ") + std::strerror(errno));
    }
  }
  return {};
}

Result<std::size_t> ClientSocket::Receive(char* to, std::size_t size, Deadline deadline) {
  for (;;) {
    const ssize_t received = ::recv(fd_, to, size, 0);
    if (received >= 0) return static_cast<std::size_t>(received);
    if (errno == EAGAIN) {
      const int error = Wait(fd_, POLLIN, deadline);
      if (error == ETIMEDOUT) return Broken("no answer in time");
      if (error != 0) return Broken(std::strerror(error));
    } else if (errno != EINTR) {
      return Broken(std::string("the connection broke: ") + std::strerror(errno));
    }
  }
}

void ClientSocket::Shutdown() {
  ::shutdown(fd_, SHUT_RDWR);
}

}  // namespace quell::http
