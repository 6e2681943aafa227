#include "cli/stream_writer.h"

#include <cerrno>
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

}  // namespace quell::cli
