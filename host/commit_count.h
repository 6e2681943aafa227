// How many commits a database has had, in a small file beside it. SQLite ends its log without a
// word at the first frame that is not whole, so only somebody else can say that commits are
// missing.
#pragma once

#include <cstdint>
#include <string>

#include "core/result.h"
#include "host/file.h"

namespace quell {

// Not thread-safe.
class CommitCount {
 public:
  // Errors: kNotFound, kInternal (the file is damaged), and those of ErrnoError().
  static Result<CommitCount> Open(const std::string& path);
  // Replaces it, durably. Errors as ErrnoError().
  static Result<CommitCount> Make(const std::string& path, std::uint64_t count);

  std::uint64_t count() const { return count_; }
  // After the commit, and not synced: after a power cut it may be late, and is never ahead. An
  // error makes it late too.
  void Write(std::uint64_t count);

 private:
  CommitCount(FileDescriptor fd, std::uint64_t count) : fd_(std::move(fd)), count_(count) {}

  FileDescriptor fd_;
  std::uint64_t count_ = 0;
};

// Which file a path leads to. Not thread-safe.
class FileIdentity {
 public:
  explicit FileIdentity(std::string path) : path_(std::move(path)) { (void)Unchanged(); }
  // False: the path leads elsewhere than it did when it first led to a file.
  bool Unchanged();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;  // 0: there was none yet.
};

}  // namespace quell
