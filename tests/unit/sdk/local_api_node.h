// A node behind its real local API, on a thread of its own: what the library's tests speak to.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/ids.h"
#include "tests/support/seen_task.h"

namespace quell {

// Thread-safe. All that is named here waits until the node has done it.
class LocalApiNode {
 public:
  explicit LocalApiNode(std::string path);
  ~LocalApiNode();
  LocalApiNode(const LocalApiNode&) = delete;
  LocalApiNode& operator=(const LocalApiNode&) = delete;

  // The daemon goes, and one that knows nothing of its tasks but their numbers comes.
  void Stop();
  void Start();

  // Whether its disk takes anything.
  void SetDiskFull(bool full);

  std::vector<SeenTask> List();
  void Cancel(const TaskId& task, const std::string& reason);
  void CancelAll();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quell
