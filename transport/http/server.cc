#include "transport/http/server.h"

#include <array>
#include <fcntl.h>
#include <list>
#include <optional>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "core/turn_watch.h"
#include "transport/http/answer.h"
#include "transport/http/connection.h"
#include "transport/http/listener.h"

namespace quell::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Tcp = asio::ip::tcp;
using Unix = asio::local::stream_protocol;

// So many connections above the limit are told so; more are closed without a word.
constexpr std::size_t kRefusedMax = 64;
constexpr std::chrono::milliseconds kAcceptPause{100};  // When there are no file descriptors left.

// Which file a path is, so that a successor's socket is not removed.
struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  friend bool operator==(const FileId&, const FileId&) = default;
};
FileId IdOf(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 ? FileId{info.st_dev, info.st_ino} : FileId{};
}

// Nullopt: the peer has gone already.
std::optional<Principal> Prepare(Tcp::socket& socket) {
  error_code error;
  const Tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) return std::nullopt;
  socket.set_option(Tcp::no_delay(true), error);
  socket.set_option(asio::socket_base::keep_alive(true), error);
  Principal principal;
  principal.transport = peer.address().is_loopback() ? Principal::Transport::kLoopback
                                                     : Principal::Transport::kRemote;
  const std::string address = peer.address().to_string();
  principal.address =
      (peer.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(peer.port());
  return principal;
}

std::optional<Principal> Prepare(Unix::socket& socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return std::nullopt;
  }
  Principal principal;
  principal.transport = Principal::Transport::kUnixSocket;
  principal.uid = peer.uid;
  principal.pid = peer.pid;
  principal.address = "unix";
  return principal;
}

}  // namespace

class Server::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& context, const Router& router, ServerLimits limits)
      : state_(std::make_shared<ServerState>(context, router, std::move(limits))),
        grace_timer_(context) {}
  ~Impl() {
    if (spare_ >= 0) ::close(spare_);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  asio::io_context& context() { return state_->context; }

  template <typename Acceptor>
  void Listen(Acceptor acceptor, const RequestRules& rules, std::string path) {
    auto shared = std::make_shared<Acceptor>(std::move(acceptor));
    const FileId file = IdOf(path);
    listeners_.push_back([shared, path = std::move(path), file] {
      error_code ignored;
      shared->close(ignored);
      if (!path.empty() && IdOf(path) == file) ::unlink(path.c_str());
    });
    Accept(shared, rules);
  }

  const ServerState& state() const { return *state_; }

  void Stop(std::chrono::milliseconds grace, std::function<void()> done) {
    done_.push_back(std::move(done));
    CloseListeners();
    state_->stopping = true;
    state_->on_last_end = [this] { Finish(); };
    for (const auto& connection : std::list(state_->connections))
      connection->CloseIfIdle();
    if (state_->connections.empty()) Finish();
    if (done_.empty()) return;
    grace_timer_.expires_after(grace);
    grace_timer_.async_wait([self = shared_from_this()](const error_code& error) {
      if (error) return;
      for (const auto& connection : std::list(self->state_->connections))
        connection->Cut();
    });
  }

  void Destroy() {
    CloseListeners();
    grace_timer_.cancel();
    done_.clear();
    state_->on_last_end = nullptr;
    for (const auto& connection : std::list(state_->connections))
      connection->Discard();
  }

 private:
  template <typename Acceptor>
  void Accept(std::shared_ptr<Acceptor> acceptor, const RequestRules& rules) {
    acceptor->async_accept(
        [self = shared_from_this(), acceptor, &rules](const error_code& error, auto socket) {
          const Turn turn("a new connection");
          if (!acceptor->is_open()) return;
          if (!error) {
            self->Take(std::move(socket), rules);
          } else if (error == asio::error::no_descriptors || error.value() == ENFILE) {
            if (!IsPending(*acceptor)) return self->AcceptWhenPending(acceptor, rules);
            if (!self->FindDescriptor(*acceptor)) return self->AcceptLater(acceptor, rules);
          } else if (error == asio::error::no_buffer_space || error == asio::error::no_memory) {
            self->AcceptLater(acceptor, rules);
            return;
          }
          self->Accept(acceptor, rules);
        });
  }

  // Without a descriptor the kernel refuses to accept also when there is nobody to be accepted.
  template <typename Acceptor>
  static bool IsPending(Acceptor& acceptor) {
    pollfd pending{acceptor.native_handle(), POLLIN, 0};
    return ::poll(&pending, 1, 0) > 0;
  }
  template <typename Acceptor>
  void AcceptWhenPending(std::shared_ptr<Acceptor> acceptor, const RequestRules& rules) {
    acceptor->async_wait(asio::socket_base::wait_read,
                         [self = shared_from_this(), acceptor, &rules](const error_code&) {
                           if (acceptor->is_open()) self->Accept(acceptor, rules);
                         });
  }

  // There is no file descriptor left. The connection that waits longest gives its own; else the
  // one that is kept for this moment serves to take the new one, and to tell it. False: not even
  // that.
  template <typename Acceptor>
  bool FindDescriptor(Acceptor& acceptor) {
    if (state_->limits.no_descriptors) state_->limits.no_descriptors();
    if (state_->MakeRoom()) return true;
    if (spare_ < 0) return false;
    ::close(std::exchange(spare_, -1));
    const int refused = ::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_CLOEXEC);
    if (refused >= 0) TellThereIsNone(refused);
    if (refused >= 0) ::close(refused);
    spare_ = OpenSpare();
    return refused >= 0;
  }

  // As much of it as fits: nobody waits for a client that is refused.
  void TellThereIsNone(int fd) const {
    Response response;
    response.status = 503;
    response.headers.push_back({"Retry-After", "1"});
    response.body = state_->router.RenderError(
        503, ErrorType(503),
        "this process has all the files open that it may: come back later, or raise its limit of "
        "open files");
    const std::string answer =
        RenderHead(response, {response.body.size(), false, true}) + response.body;
    static_cast<void>(::send(fd, answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
    // What has arrived is read, or closing would reset the connection before it is told.
    ::shutdown(fd, SHUT_WR);
    std::array<char, 4096> unread;
    static_cast<void>(::recv(fd, unread.data(), unread.size(), MSG_DONTWAIT));
  }

  static int OpenSpare() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

  // Connections wait in the backlog meanwhile; trying again at once would only burn the CPU.
  template <typename Acceptor>
  void AcceptLater(std::shared_ptr<Acceptor> acceptor, const RequestRules& rules) {
    auto pause = std::make_shared<asio::steady_timer>(context(), kAcceptPause);
    pause->async_wait([self = shared_from_this(), pause, acceptor, &rules](const error_code&) {
      if (acceptor->is_open()) self->Accept(acceptor, rules);
    });
  }

  template <typename Socket>
  void Take(Socket socket, const RequestRules& rules) {
    const std::size_t descriptors = state_->limits.descriptors_max;
    if (descriptors > 0 && static_cast<std::size_t>(socket.native_handle()) >= descriptors) {
      if (state_->limits.no_descriptors) state_->limits.no_descriptors();
      if (!state_->MakeRoom()) return TellThereIsNone(socket.native_handle());
    }
    const std::size_t limit = state_->limits.connections_max;
    const std::size_t most = limit + state_->limits.connections_reserve;
    if (state_->connections.size() >= limit) state_->MakeRoom();
    const std::size_t open = state_->connections.size();
    if (open >= most + kRefusedMax) return;
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
    error_code error;
    socket.non_blocking(true, error);
    std::optional<Principal> principal = Prepare(socket);
    if (error || !principal) return;
    auto connection = std::make_shared<Connection>(state_, StreamSocket(std::move(socket)),
                                                   std::move(*principal), rules);
    if (open < most) {
      connection->Start(open >= limit);
    } else {
      connection->StartRefusing({503, "this server has " + std::to_string(limit) +
                                          " connections, which is its limit: come back later"});
    }
  }

  void CloseListeners() {
    for (const auto& close : std::exchange(listeners_, {}))
      close();
  }

  void Finish() {
    grace_timer_.cancel();
    for (auto& done : std::exchange(done_, {}))
      asio::post(context(), std::move(done));
  }

  const std::shared_ptr<ServerState> state_;
  std::vector<std::function<void()>> listeners_;  // Each closes its listener.
  std::vector<std::function<void()>> done_;       // Of Stop().
  asio::steady_timer grace_timer_;
  int spare_ = OpenSpare();  // -1: there was none.
};

Server::Server(asio::io_context& context, const Router& router, ServerLimits limits)
    : impl_(std::make_shared<Impl>(context, router, std::move(limits))) {}

Server::~Server() {
  impl_->Destroy();
}

Result<std::uint16_t> Server::ListenTcp(const std::string& host, std::uint16_t port) {
  Result<Tcp::acceptor> acceptor = OpenTcp(impl_->context(), host, port);
  if (!acceptor) return acceptor.error();
  error_code error;
  const std::uint16_t bound = acceptor->local_endpoint(error).port();
  impl_->Listen(std::move(*acceptor), impl_->state().tcp_rules, {});
  return bound;
}

Status Server::ListenUnix(const std::string& path) {
  Result<Unix::acceptor> acceptor = OpenUnix(impl_->context(), path);
  if (!acceptor) return acceptor.error();
  impl_->Listen(std::move(*acceptor), impl_->state().unix_rules, path);
  return {};
}

void Server::Stop(std::chrono::milliseconds grace, std::function<void()> done) {
  impl_->Stop(grace, std::move(done));
}

}  // namespace quell::http
