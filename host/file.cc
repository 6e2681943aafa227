#include "host/file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

namespace quell {
namespace {

struct Cause {
  ErrorCode code;
  std::string_view remedy;
  ErrorCause kind = ErrorCause::kNone;
};

Cause CauseOf(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
      return {ErrorCode::kPermissionDenied,
              "run as the user who owns it, or choose a path that you may use"};
    case EROFS:
      return {ErrorCode::kPermissionDenied, "choose a path on a file system that can be written"};
    case ENOSPC:
    case EDQUOT:
      return {ErrorCode::kResourceExhausted, "free some space there", ErrorCause::kStorage};
    case EFBIG:
      return {ErrorCode::kResourceExhausted, "raise the limit of file size (ulimit -f)",
              ErrorCause::kStorage};
    case EMFILE:
      return {ErrorCode::kResourceExhausted, "raise the limit of open files (ulimit -n)"};
    case ENFILE:
    case ENOMEM:
      return {ErrorCode::kResourceExhausted, ""};
    case ENOENT:
    case ESRCH:
      return {ErrorCode::kNotFound, ""};
    case EEXIST:
      return {ErrorCode::kAlreadyExists, ""};
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
    case ELOOP:
      return {ErrorCode::kInvalidArgument, "choose another path"};
    default:
      return {ErrorCode::kInternal, ""};
  }
}

Status WriteAll(int fd, std::string_view content, std::string_view path) {
  while (!content.empty()) {
    const ssize_t wrote = ::write(fd, content.data(), content.size());
    if (wrote < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) {  // A pipe that does not block: its reader is slow.
        pollfd file{fd, POLLOUT, 0};
        ::poll(&file, 1, -1);
        continue;
      }
      return ErrnoError(errno, "write", path);
    }
    content.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

// A new name is durable only once its directory is.
Status SyncDirectoryOf(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return ErrnoError(errno, "sync", directory);
  return {};
}

}  // namespace

void FileDescriptor::Close() {
  if (fd_ >= 0) ::close(Release());
}

Error ErrnoError(int error, std::string_view action, std::string_view path) {
  const Cause cause = CauseOf(error);
  std::string message = "cannot ";
  message += action;
  message += ' ';
  message += path;
  message += ": ";
  message += std::strerror(error);  // NOLINT: glibc's is thread-safe.
  if (!cause.remedy.empty()) {
    message += "; ";
    message += cause.remedy;
  }
  return {cause.code, std::move(message), cause.kind};
}

Result<std::string> ReadSmallFile(const std::string& path, std::size_t max) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoError(errno, "open", path);
  std::string content;
  char block[4096];
  for (;;) {
    const ssize_t got = ::read(fd.get(), block, sizeof(block));
    if (got == 0) return content;
    if (got < 0) {
      if (errno == EINTR) continue;
      return ErrnoError(errno, "read", path);
    }
    content.append(block, static_cast<std::size_t>(got));
    if (content.size() > max) {
      return Error{ErrorCode::kResourceExhausted,
                   path + " is larger than " + std::to_string(max) + " bytes"};
    }
  }
}

Status WriteFileDurably(const std::string& path, std::string_view content) {
  const std::string next = path + ".new";
  FileDescriptor fd(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd) return ErrnoError(errno, "create", next);
  Status written = WriteAll(fd.get(), content, next);
  if (written && ::fsync(fd.get()) != 0) written = ErrnoError(errno, "sync", next);
  fd.Close();
  if (written && ::rename(next.c_str(), path.c_str()) != 0) {
    written = ErrnoError(errno, "replace", path);
  }
  if (!written) {
    ::unlink(next.c_str());
    return written;
  }
  return SyncDirectoryOf(path);
}

FileDescriptor OpenNothing() {
  // The one file that is there on every system, /dev or not.
  return FileDescriptor(::open("/", O_PATH | O_CLOEXEC));
}

void HoldStandardDescriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    // The lowest number that is free: `fd`, since those below it are taken.
    if (::fcntl(fd, F_GETFD) < 0 && OpenNothing().Release() != fd) return;
  }
}

std::size_t RaiseOpenFileLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlimit before = limit;
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before.rlim_cur;
}

Status WriteStdoutLine(std::string_view line) {
  std::string text(line);
  text += '\n';
  std::fflush(stdout);
  return WriteAll(STDOUT_FILENO, text, "standard output");
}

}  // namespace quell
