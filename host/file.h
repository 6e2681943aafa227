// File descriptors that close themselves, small files, and errno as an Error.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "core/result.h"

namespace quell {

// Owns one file descriptor, or none (-1). Not thread-safe.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() { Close(); }
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.Release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      Close();
      fd_ = other.Release();
    }
    return *this;
  }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Close();

 private:
  int fd_ = -1;
};

// An Error that says "cannot ACTION PATH: CAUSE", with a remedy where one is known. Codes:
// kPermissionDenied (access, read-only file system), kResourceExhausted (full disk, quota, file
// size limit, open files), kNotFound, kAlreadyExists, kInvalidArgument (the path itself is
// impossible), else kInternal.
Error ErrnoError(int error, std::string_view action, std::string_view path);

// The whole file; more than `max` bytes are kResourceExhausted. Errors as ErrnoError().
Result<std::string> ReadSmallFile(const std::string& path, std::size_t max = 64 * 1024);

// Replaces the file in one step, by way of PATH.new; durable, and readable by its owner only, when
// this returns. After an error the old content is still there. Errors as ErrnoError().
Status WriteFileDurably(const std::string& path, std::string_view content);

// To be called first in main(): whichever of the descriptors 0, 1 and 2 are closed are taken, so
// that no file or socket of this program becomes one of them. A read or write of these fails with
// EBADF as before, and a program that this one executes finds them closed.
void HoldStandardDescriptors();
// A descriptor that can be neither read nor written, closed by exec. None: the limit is met.
FileDescriptor OpenNothing();

// Lets this process open as many files as its hard limit allows, and the processes it starts too.
// Returns the new limit; 0: it is not known.
std::size_t RaiseOpenFileLimit();

// Writes `line` and a newline to standard output in one piece, past all buffers: the machine's
// channel of a daemon. Errors as ErrnoError(): the reader may be gone, the file's disk full.
Status WriteStdoutLine(std::string_view line);

}  // namespace quell
