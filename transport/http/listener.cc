#include "transport/http/listener.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace quell::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

Error ListenError(const std::string& where, const error_code& error) {
  if (error == asio::error::address_in_use) {
    return {ErrorCode::kAlreadyExists,
            where + " is taken by another process: choose another one, or end that process"};
  }
  if (error == asio::error::access_denied || error.value() == EPERM) {
    return {ErrorCode::kPermissionDenied, "may not listen on " + where + ": " + error.message()};
  }
  return {ErrorCode::kInvalidArgument, "cannot listen on " + where + ": " + error.message()};
}

// Closed in the destructor.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

// Two servers that start at once on one path must not both find a stale file and replace it, so the
// look and the bind happen under a lock on the directory. A directory that cannot be opened is not
// locked. False: somebody else holds the lock.
bool Lock(const Fd& directory) {
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    if (directory.get() < 0 || ::flock(directory.get(), LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK) return true;
    ::poll(nullptr, 0, 10);
  }
  return false;
}

enum class Holder { kNobody, kServer, kOtherFile };

Holder WhoHolds(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return Holder::kNobody;
  if (!S_ISSOCK(info.st_mode)) return Holder::kOtherFile;
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return Holder::kServer;
  }
  // Anything but a refusal (a full backlog, no permission) may be a living server.
  return errno == ECONNREFUSED ? Holder::kNobody : Holder::kServer;
}

}  // namespace

Result<asio::ip::tcp::acceptor> OpenTcp(asio::io_context& context, std::string host,
                                        std::uint16_t port) {
  const std::string where = host + ":" + std::to_string(port);
  if (host == "localhost") host = "127.0.0.1";
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  error_code error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (error || !address.is_loopback()) {
    return Error{ErrorCode::kPermissionDenied,
                 "may not listen on " + where +
                     ": without authentication only loopback is allowed. Use 127.0.0.1, [::1] or "
                     "localhost, and reach it from other machines through ssh -L"};
  }
  const asio::ip::tcp::endpoint endpoint(address, port);
  asio::ip::tcp::acceptor acceptor(context);
  acceptor.open(endpoint.protocol(), error);
  // On Linux this lets a restarted server have its port back while old connections linger, and
  // still refuses a port that somebody listens on.
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return ListenError(where, error);
  ::fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
  return acceptor;
}

Result<asio::local::stream_protocol::acceptor> OpenUnix(asio::io_context& context,
                                                        const std::string& path) {
  constexpr std::size_t kPathMax = sizeof(sockaddr_un::sun_path) - 1;
  if (path.empty() || path.size() > kPathMax || path.find('\0') != std::string::npos) {
    return Error{ErrorCode::kInvalidArgument,
                 "the socket path [" + path + "] has " + std::to_string(path.size()) +
                     " bytes, and a unix socket takes 1 to " + std::to_string(kPathMax) +
                     ": choose a shorter one, such as /run/quell/node.sock"};
  }
  std::string folder = std::filesystem::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  const Fd directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::string where = "the socket [" + path + "]";
  if (!Lock(directory)) {
    return Error{
        ErrorCode::kAlreadyExists,
        "the directory [" + folder + "] is locked: another process is about to listen there"};
  }
  switch (WhoHolds(path)) {
    case Holder::kServer:
      return ListenError(where, asio::error::address_in_use);
    case Holder::kOtherFile:
      return Error{ErrorCode::kAlreadyExists,
                   "[" + path + "] is there and is no socket: remove it, or choose another path"};
    case Holder::kNobody:
      ::unlink(path.c_str());
  }
  error_code error;
  asio::local::stream_protocol::acceptor acceptor(context);
  acceptor.open({}, error);
  if (!error) acceptor.bind(path, error);
  // Nobody can connect before listen(), so the mode is right from the first connection on.
  if (!error && ::chmod(path.c_str(), 0660) != 0) {
    error = error_code(errno, boost::system::system_category());
  }
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return ListenError(where, error);
  ::fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
  return acceptor;
}

}  // namespace quell::http
