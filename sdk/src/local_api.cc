#include "local_api.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <utility>

#include "descriptors.h"
#include "json.h"

namespace quell::sdk {
namespace {

constexpr std::size_t kHeadMax = 16 * 1024;
constexpr std::size_t kBodyMax = 8 * 1024 * 1024;

// Waits until `events` or the deadline.
bool Wait(int fd, short events, Deadline deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd item{fd, events, 0};
    const int ready =
        poll(&item, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000)));
    if (ready > 0) return true;
    if (ready == 0 && left.count() <= 60'000) return false;
    if (ready < 0 && errno != EINTR) return false;
  }
}

// Reads until the blank line; what follows it stays in `rest`.
bool ReadHead(Socket& socket, std::string& head, std::string& rest, Deadline deadline) {
  std::string bytes;
  for (;;) {
    const std::size_t end = bytes.find("\r\n\r\n");
    if (end != std::string::npos) {
      head = bytes.substr(0, end + 2);
      rest = bytes.substr(end + 4);
      return true;
    }
    if (bytes.size() > kHeadMax || !socket.Receive(bytes, deadline)) return false;
  }
}

int StatusOf(std::string_view head) {
  int status = 0;
  if (head.size() < 12 || !head.starts_with("HTTP/1.")) return 0;
  std::from_chars(head.data() + 9, head.data() + 12, status);
  return status;
}

// The value of a field, its name in any case; empty if there is none.
std::string_view Field(std::string_view head, std::string_view name) {
  std::size_t at = head.find("\r\n");
  while (at != std::string_view::npos) {
    const std::string_view line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    if (line.size() > name.size() && line[name.size()] == ':' &&
        strncasecmp(line.data(), name.data(), name.size()) == 0) {
      std::string_view value = line.substr(name.size() + 1);
      while (!value.empty() && value.front() == ' ')
        value.remove_prefix(1);
      return value;
    }
    at = head.find("\r\n", at + 2);
  }
  return {};
}

// What follows a head; `rest` is what has arrived of it. nullopt: too late, too long, or no HTTP.
std::optional<Reply> ReadBody(Socket& socket, std::string_view head, std::string rest,
                              Deadline deadline) {
  Reply reply{StatusOf(head), std::move(rest), Field(head, "Connection") != "close"};
  const std::string_view length_text = Field(head, "Content-Length");
  std::size_t length = 0;
  std::from_chars(length_text.data(), length_text.data() + length_text.size(), length);
  if (reply.status == 0 || length_text.empty() || length > kBodyMax) return std::nullopt;
  while (reply.body.size() < length) {
    if (!socket.Receive(reply.body, deadline)) return std::nullopt;
  }
  reply.body.resize(length);
  return reply;
}

std::optional<Reply> ReadReply(Socket& socket, Deadline deadline) {
  std::string head;
  std::string rest;
  if (!ReadHead(socket, head, rest, deadline)) return std::nullopt;
  return ReadBody(socket, head, std::move(rest), deadline);
}

}  // namespace

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    Close();
    fd_ = other.fd_;
    other.fd_ = -1;
  }
  return *this;
}

void Socket::Close() {
  CloseDescriptor(std::exchange(fd_, -1));
}

Socket Socket::Connect(const std::string& path, Deadline deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) return {};
  std::memcpy(address.sun_path, path.data(), path.size());
  Socket socket(OpenDescriptor(
      [] { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }));
  if (!socket) return {};
  for (;;) {
    if (::connect(socket.fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0)
      return socket;
    if (errno == EINTR) continue;
    // EAGAIN: the listener's queue is full. A unix socket cannot be polled for that, so try again.
    if (errno != EAGAIN || std::chrono::steady_clock::now() >= deadline) return {};
    poll(nullptr, 0, 5);
  }
}

bool Socket::SendAll(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!Wait(fd_, POLLOUT, deadline)) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

bool Socket::Receive(std::string& into, Deadline deadline) {
  char buffer[16 * 1024];
  for (;;) {
    const ssize_t got = ::recv(fd_, buffer, sizeof(buffer), 0);
    if (got > 0) {
      into.append(buffer, static_cast<std::size_t>(got));
      return true;
    }
    if (got == 0) return false;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!Wait(fd_, POLLIN, deadline)) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
}

std::optional<Reply> LocalApi::Post(const std::string& target, const std::string& session,
                                    const std::string& body, Deadline deadline) {
  std::string request =
      "POST " + target + " HTTP/1.1\r\nHost: quell\r\nContent-Type: application/json\r\n";
  if (!session.empty()) request += "Quell-Session: " + session + "\r\n";
  request += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;

  // A kept connection that the node has closed meanwhile is made anew, once: nothing was taken
  // then.
  if (socket_) {
    char byte = 0;
    const ssize_t got = ::recv(socket_.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) socket_.Close();
  }
  if (!socket_) socket_ = Socket::Connect(path_, deadline);
  if (!socket_) return std::nullopt;

  std::optional<Reply> reply;
  if (socket_.SendAll(request, deadline)) reply = ReadReply(socket_, deadline);
  if (!reply || !reply->kept) socket_.Close();
  return reply;
}

CommandStream::Opened CommandStream::Open(const std::string& path, const std::string& session,
                                          Deadline deadline) {
  Close();
  socket_ = Socket::Connect(path, deadline);
  std::string head;
  if (!socket_ ||
      !socket_.SendAll("GET /v1/sessions/" + session +
                           "/commands HTTP/1.1\r\nHost: quell\r\nQuell-Session: " + session +
                           "\r\n\r\n",
                       deadline) ||
      !ReadHead(socket_, head, raw_, deadline)) {
    Close();
    return Opened::kOver;
  }
  if (StatusOf(head) != 200) {
    const std::optional<Reply> reply = ReadBody(socket_, head, raw_, deadline);
    Close();
    const bool known = reply && ParseRefusal(reply->body).type != "session_not_found";
    return known ? Opened::kRefused : Opened::kOver;
  }
  if (Field(head, "Transfer-Encoding") == "chunked" && Unchunk()) return Opened::kYes;
  Close();
  return Opened::kOver;
}

void CommandStream::Close() {
  socket_.Close();
  raw_.clear();
  text_.clear();
  left_ = 0;
  ended_ = false;
}

bool CommandStream::Pump() {
  char buffer[16 * 1024];
  for (;;) {
    const ssize_t got = ::recv(socket_.fd(), buffer, sizeof(buffer), MSG_DONTWAIT);
    if (got > 0) {
      raw_.append(buffer, static_cast<std::size_t>(got));
      if (raw_.size() > kBodyMax) return false;
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    const bool alive = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    return Unchunk() && alive && !ended_;
  }
}

bool CommandStream::Unchunk() {
  while (!raw_.empty()) {
    if (left_ == 0) {
      const std::size_t end = raw_.find("\r\n");
      if (end == std::string::npos) return raw_.size() < 64;
      std::uint64_t size = 0;
      const auto parsed = std::from_chars(raw_.data(), raw_.data() + end, size, 16);
      if (parsed.ec != std::errc() || size > kBodyMax) return false;
      raw_.erase(0, end + 2);
      if (size == 0) {
        ended_ = true;
        return true;
      }
      left_ = size + 2;
    }
    const std::size_t take = std::min<std::size_t>(raw_.size(), static_cast<std::size_t>(left_));
    const std::size_t content =
        left_ > 2 ? std::min<std::size_t>(take, static_cast<std::size_t>(left_ - 2)) : 0;
    text_.append(raw_, 0, content);
    raw_.erase(0, take);
    left_ -= take;
  }
  return true;
}

std::optional<std::string> CommandStream::NextLine() {
  const std::size_t end = text_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string line = text_.substr(0, end);
  text_.erase(0, end + 1);
  return line;
}

}  // namespace quell::sdk
