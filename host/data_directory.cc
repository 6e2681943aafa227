#include "host/data_directory.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace quell {
namespace {

constexpr char kLockName[] = "lock";
constexpr char kNodeIdName[] = "node-id";

bool IsDirectory(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

// Its missing parents too.
Status MakeDirectory(const std::string& path) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0700) == 0) continue;
    const int error = errno;
    if (IsDirectory(part)) continue;
    if (error == EEXIST || error == ENOTDIR) {
      return Error{ErrorCode::kInvalidArgument, part + " is not a directory; give another --data"};
    }
    return ErrnoError(error, "create the data directory", part);
  }
  return {};
}

// Takes `rights` of everybody but the owner away.
void Close(const std::string& path, mode_t rights, std::vector<std::string>& closed) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || (info.st_mode & rights) == 0) return;
  const mode_t mode = info.st_mode & 07777U & ~rights;
  const bool done = ::chmod(path.c_str(), mode) == 0;
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(),
                done ? " had the mode %04o and has %04o now" : " has the mode %04o",
                static_cast<unsigned>(info.st_mode & 07777U), static_cast<unsigned>(mode));
  std::string line = path + text.data();
  if (!done) {
    line += ", is open to other users, and cannot be closed to them: ";
    line += std::strerror(errno);  // NOLINT: glibc's is thread-safe.
  }
  closed.push_back(std::move(line));
}

// Keys, descriptions and reasons are nobody else's business, and who can read a database can lock
// it.
std::vector<std::string> CloseToOthers(const std::string& directory, bool passable) {
  std::vector<std::string> closed;
  Close(directory, passable ? 0066 : 0077, closed);
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.symlink_status(error).type() == std::filesystem::file_type::regular) {
      Close(entry.path().string(), 0077, closed);
    }
  }
  return closed;
}

// "(pid 42)", if the holder has written it.
std::string HolderOf(const std::string& lock_path) {
  auto pid = ReadSmallFile(lock_path);
  if (!pid) return {};
  while (!pid->empty() && pid->back() == '\n')
    pid->pop_back();
  return pid->empty() ? std::string() : " (pid " + *pid + ")";
}

Result<FileDescriptor> Lock(const std::string& directory) {
  const std::string path = directory + '/' + kLockName;
  FileDescriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return ErrnoError(errno, "open", path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return ErrnoError(errno, "lock", path);
    return Error{ErrorCode::kAlreadyExists, directory + " belongs to a running daemon" +
                                                HolderOf(path) +
                                                ": stop it, or give another --data"};
  }
  const std::string pid = std::to_string(::getpid()) + '\n';
  if (::ftruncate(fd.get(), 0) != 0 ||
      ::pwrite(fd.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return ErrnoError(errno, "write", path);
  }
  return fd;
}

Result<NodeId> ReadOrMakeNodeId(const std::string& directory, Random& random) {
  const std::string path = directory + '/' + kNodeIdName;
  auto text = ReadSmallFile(path);
  if (!text) {
    if (text.error().code != ErrorCode::kNotFound) return text.error();
    const NodeId id = NodeId::Make(random);
    if (Status written = WriteFileDurably(path, id.ToString() + '\n'); !written) {
      return written.error();
    }
    return id;
  }
  if (text->ends_with('\n')) text->pop_back();
  const auto id = NodeId::Parse(*text);
  if (!id || id->is_null()) {
    return Error{ErrorCode::kInternal,
                 path +
                     " is damaged: it holds no node id (22 characters of URL-safe base64); "
                     "restore it from a backup, or give a new --data to start as a new node"};
  }
  return *id;
}

}  // namespace

Result<DataDirectory> DataDirectory::Open(const std::string& path, Random& random, bool passable) {
  if (path.empty()) {
    return Error{ErrorCode::kInvalidArgument, "the data directory has no name: give --data DIR"};
  }
  if (Status made = MakeDirectory(path); !made) return made.error();
  Result<FileDescriptor> lock = Lock(path);
  if (!lock) return lock.error();
  const Result<NodeId> id = ReadOrMakeNodeId(path, random);
  if (!id) return id.error();
  return DataDirectory(path, std::move(*lock), *id, CloseToOthers(path, passable));
}

std::string DataDirectory::File(std::string_view name) const {
  return path_ + '/' + std::string(name);
}

}  // namespace quell
