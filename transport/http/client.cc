#include "transport/http/client.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "transport/http/ascii.h"
#include "transport/http/client_socket.h"
#include "transport/http/response_reader.h"

namespace quell::http {
namespace {

constexpr std::size_t kBodyMax = 1024 * 1024 * 1024;
constexpr std::size_t kLineMax = 1024 * 1024;
constexpr std::size_t kReadSize = 64 * 1024;

// Nullopt: it can be sent. What is sent must be one request, whatever the caller was given.
std::optional<Error> CheckRequest(const ClientRequest& request) {
  const auto visible = [](char c) { return c > ' ' && c < 0x7f; };
  if (request.target.empty() || request.target.front() != '/' ||
      !std::all_of(request.target.begin(), request.target.end(), visible)) {
    return Error{ErrorCode::kInvalidArgument,
                 "the path [" + request.target + "] is not a percent-encoded path"};
  }
  for (const Header& header : request.headers) {
    if (header.name.empty() || !std::all_of(header.name.begin(), header.name.end(), IsTokenChar) ||
        header.value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return Error{ErrorCode::kInvalidArgument, "the header [" + header.name + "] is malformed"};
    }
  }
  return std::nullopt;
}

std::string Render(const Address& address, const ClientRequest& request) {
  std::string out(ToString(request.method));
  out.append(" ").append(request.target).append(" HTTP/1.1\r\nHost: ");
  if (!address.socket_path.empty()) {
    out += "localhost";
  } else if (address.host.find(':') != std::string::npos) {
    out.append("[").append(address.host).append("]:").append(address.port);
  } else {
    out.append(address.host).append(":").append(address.port);
  }
  out += "\r\n";
  for (const Header& header : request.headers) {
    out.append(header.name).append(": ").append(header.value).append("\r\n");
  }
  if (!request.body.empty() || request.method == Method::kPost) {
    out.append("Content-Length: ").append(std::to_string(request.body.size())).append("\r\n");
  }
  out.append("Connection: close\r\n\r\n").append(request.body);
  return out;
}

// One receive into the reader. False: the answer is complete.
Result<bool> ReadSome(ClientSocket& socket, ResponseReader& reader, Deadline deadline) {
  if (reader.complete()) return false;
  char buffer[kReadSize];
  const Result<std::size_t> bytes = socket.Receive(buffer, sizeof(buffer), deadline);
  if (!bytes) return bytes.error();
  if (*bytes == 0) {
    if (const Status whole = reader.End(); !whole) return whole.error();
  } else if (const Result<std::size_t> used = reader.Feed({buffer, *bytes}); !used) {
    return used.error();
  }
  return !reader.complete();
}

Result<std::unique_ptr<ClientSocket>> SendRequest(const Address& address,
                                                  const ClientRequest& request, Deadline deadline) {
  if (auto wrong = CheckRequest(request)) return *std::move(wrong);
  Result<std::unique_ptr<ClientSocket>> socket = ClientSocket::Connect(address, deadline);
  if (!socket) return socket;
  // A server that refuses a request may answer and stop reading before all of it is sent; so what
  // failed is told by reading.
  (void)(*socket)->Send(Render(address, request), deadline);
  return socket;
}

// "[http://...] : why".
Error Named(const Address& address, Error error) {
  error.message = "[" + address.text + "]: " + error.message;
  return error;
}

class SocketLineStream : public LineStream {
 public:
  SocketLineStream(std::unique_ptr<ClientSocket> socket, ResponseReader reader)
      : socket_(std::move(socket)), reader_(std::move(reader)) {}

  std::optional<std::string> ReadLine() override {
    std::string& text = reader_.response().body;
    std::size_t searched = start_;
    for (;;) {
      if (closed_) return std::nullopt;
      const std::size_t end = text.find('\n', searched);
      if (end != std::string::npos) {
        std::string line = text.substr(start_, end - start_);
        start_ = end + 1;
        if (!line.empty() && line.back() == '\r') line.pop_back();
        return line;
      }
      text.erase(0, std::exchange(start_, 0));
      searched = text.size();
      if (text.size() > kLineMax) return std::nullopt;
      const Result<bool> more = ReadSome(*socket_, reader_, Deadline::Never());
      if (!more) return std::nullopt;  // Half a line that the break has torn off is none.
      if (!*more && text.find('\n', searched) == std::string::npos) {
        if (text.empty()) return std::nullopt;
        return std::exchange(text, {});
      }
    }
  }

  void Close() override {
    closed_ = true;
    socket_->Shutdown();
  }

 private:
  const std::unique_ptr<ClientSocket> socket_;
  ResponseReader reader_;
  std::size_t start_ = 0;  // Of the next line in the reader's body.
  std::atomic<bool> closed_{false};
};

}  // namespace

Result<Response> Fetch(const Address& address, const ClientRequest& request,
                       std::chrono::milliseconds timeout) {
  return Fetch(address, request, FetchLimits{timeout, timeout});
}

Result<Response> Fetch(const Address& address, const ClientRequest& request,
                       const FetchLimits& limits) {
  const Deadline head = Deadline::After(limits.head);
  const Deadline whole = Deadline::After(limits.whole);
  const Result<std::unique_ptr<ClientSocket>> socket = SendRequest(address, request, head);
  if (!socket) return socket.error();
  ResponseReader reader(request.method == Method::kHead, kBodyMax);
  for (;;) {
    const Result<bool> more = ReadSome(**socket, reader, reader.has_head() ? whole : head);
    if (!more) return Named(address, more.error());
    if (!*more) return std::move(reader.response());
  }
}

Result<std::unique_ptr<LineStream>> LineStream::Open(const Address& address,
                                                     const ClientRequest& request,
                                                     std::chrono::milliseconds timeout,
                                                     Response* refused) {
  const Deadline deadline = Deadline::After(timeout);
  Result<std::unique_ptr<ClientSocket>> socket = SendRequest(address, request, deadline);
  if (!socket) return socket.error();
  ResponseReader reader(false, kLineMax + kReadSize);
  const auto wanted = [&reader] {
    return reader.has_head() && (reader.response().status == 200 || reader.complete());
  };
  while (!wanted()) {
    const Result<bool> more = ReadSome(**socket, reader, deadline);
    if (!more) return Named(address, more.error());
  }
  if (reader.response().status != 200) {
    if (refused != nullptr) *refused = reader.response();
    return Named(address, {ErrorCode::kFailedPrecondition,
                           "status " + std::to_string(reader.response().status) + ": " +
                               reader.response().body});
  }
  return std::unique_ptr<LineStream>(
      std::make_unique<SocketLineStream>(std::move(*socket), std::move(reader)));
}

}  // namespace quell::http
