// Which tasks of a node: applied on the node, before anything is built.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/limits.h"
#include "core/task.h"

namespace quell {

struct TaskFilter {
  std::vector<std::string> actions;  // Any of these patterns (core/wildcard.h); empty: all.
  std::optional<TaskId> parent;      // Direct children of exactly this task.

  bool Matches(const Task& task) const;
  // How many tasks it may look at in one turn: limits::kLooksPerTurn, or fewer with many patterns.
  std::size_t LooksPerTurn() const {
    return std::max<std::size_t>(
        1, limits::kLooksPerTurn / (1 + actions.size() / limits::kPatternsPerLook));
  }

  friend bool operator==(const TaskFilter&, const TaskFilter&) = default;
};

}  // namespace quell
