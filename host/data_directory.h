// Where a daemon keeps what it must not forget. One living daemon a directory; whoever opens the
// directory is the node whose id lies in it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/ids.h"
#include "core/random.h"
#include "core/result.h"
#include "host/file.h"

namespace quell {

// Holds the lock until it is destroyed, or its process ends in whatever way.
class DataDirectory {
 public:
  // Makes the directory (and its missing parents; access for the owner only), closes what is there
  // already and others may read or write, takes its lock, and reads the node id, or makes it,
  // durably, at the first start. Each error names the path and the remedy: kAlreadyExists (it
  // belongs to a running daemon), kPermissionDenied, kResourceExhausted (full disk),
  // kInvalidArgument (not a directory), kInternal (the file with the node id is damaged).
  // `passable`: a socket lies in it, so that others who may pass through it still may.
  static Result<DataDirectory> Open(const std::string& path, Random& random, bool passable = false);

  DataDirectory(DataDirectory&&) noexcept = default;
  DataDirectory& operator=(DataDirectory&&) noexcept = default;

  const std::string& path() const { return path_; }
  // The path of a file in it.
  std::string File(std::string_view name) const;
  const NodeId& node_id() const { return node_id_; }
  // What was open to others: a sentence each, for the log.
  const std::vector<std::string>& closed() const { return closed_; }

 private:
  DataDirectory(std::string path, FileDescriptor lock, const NodeId& node_id,
                std::vector<std::string> closed)
      : path_(std::move(path)),
        lock_(std::move(lock)),
        node_id_(node_id),
        closed_(std::move(closed)) {}

  std::string path_;
  FileDescriptor lock_;
  NodeId node_id_;
  std::vector<std::string> closed_;
};

}  // namespace quell
