// Tasks by descent: each parent directly followed by its children, over all nodes of an answer.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "core/ids.h"
#include "core/task.h"

namespace quell::opensearch {

// What of a task decides where it stands.
struct TreeKey {
  TaskId id;
  std::optional<TaskId> parent;
  WallTime start;
};

struct Placed {
  std::size_t index = 0;  // Into the input.
  std::size_t depth = 0;  // 0: nobody's child in this answer.
};

// Every task exactly once; siblings by start, then by id. A task whose parent is not among them is
// at the top, and so is what descends from itself or lies deeper than limits::kAncestorsMax.
std::vector<Placed> DepthFirst(const std::vector<TreeKey>& tasks);

}  // namespace quell::opensearch
