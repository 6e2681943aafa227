// An intent: somebody with a name asked, at a time, for a reason, that work be stopped. Durable
// before the caller gets his 200; never withdrawn. It only ever grows stronger.
#pragma once

#include <chrono>
#include <string>
#include <variant>

#include "core/clock.h"
#include "core/filter.h"
#include "core/ids.h"

namespace quell {

struct Intent {
  IntentId id;
  // One task; or all that match on the nodes the intent is pending for, if they began before
  // `requested_at`.
  std::variant<TaskId, TaskFilter> target;
  WallTime requested_at;  // By the coordinator's clock; freezes a filter.
  std::string by;         // The principal's name.
  std::string reason;     // May be empty.
  bool cascade = true;    // Descendants too.
  std::chrono::milliseconds grace{
      0};  // From delivery to force, where the node or the wrapper can force.

  const TaskId* task() const { return std::get_if<TaskId>(&target); }
  const TaskFilter* filter() const { return std::get_if<TaskFilter>(&target); }

  friend bool operator==(const Intent&, const Intent&) = default;
};

// A second intent on the same target can only strengthen the first, which keeps id, time and names:
// cascade turns on, grace shrinks. Returns whether anything changed.
bool Strengthen(Intent& kept, const Intent& second);

}  // namespace quell
