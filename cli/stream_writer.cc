#include "cli/stream_writer.h"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace quell::cli {

void StreamWriter::Write(std::string_view bytes) {
  while (error_ == 0 && !bytes.empty()) {
    const ssize_t wrote = ::write(fd_, bytes.data(), bytes.size());
    if (wrote >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(wrote));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd file{fd_, POLLOUT, 0};
      if (::poll(&file, 1, -1) < 0 && errno != EINTR) error_ = errno;
    } else if (errno != EINTR) {
      error_ = errno;
    }
  }
}

void StreamWriter::Close() {
  // EINTR: on Linux the descriptor is closed all the same.
  if (::close(fd_) != 0 && errno != EINTR && error_ == 0) error_ = errno;
}

void FillStandardDescriptors() {
  // In this order each open() takes the lowest free number. A descriptor for reading only makes
  // each write() fail with EBADF, as the closed one would.
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    if (::open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) < 0) return;
  }
}

}  // namespace quell::cli
