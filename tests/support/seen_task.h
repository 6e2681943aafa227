// A task as a list has shown it: a TaskView that owns its texts.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/task.h"

namespace quell {

struct SeenTask {
  TaskId id;
  std::string type;
  std::string action;
  std::string description;
  std::string status_json;
  TaskState state = TaskState::kRunning;
  bool cancellable = true;
  bool detached = false;
  bool cancelled = false;
  WallTime cancelled_at;
  std::string cancelled_by;
  std::string cancel_reason;
  WallTime start_wall;
  std::chrono::nanoseconds running{0};
  std::optional<TaskId> parent;
  std::vector<Header> headers;
  std::uint32_t owner_uid = 0;
  std::int32_t pid = 0;
  OnParentLost on_parent_lost = OnParentLost::kKeep;
  std::optional<WallTime> last_check;
  ResourceUse resources;

  SeenTask() = default;
  explicit SeenTask(const TaskView& view);
  // Views into this object.
  TaskView View() const;
};

}  // namespace quell
