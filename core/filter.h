// Which tasks of a node: applied on the node, before anything is built.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/task.h"

namespace quell {

struct TaskFilter {
  std::vector<std::string> actions;  // Any of these patterns (core/wildcard.h); empty: all.
  std::optional<TaskId> parent;      // Direct children of exactly this task.

  bool Matches(const Task& task) const;

  friend bool operator==(const TaskFilter&, const TaskFilter&) = default;
};

}  // namespace quell
