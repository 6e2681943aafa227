// An intent: somebody with a name asked, at a time, for a reason, that work be stopped. Durable
// before the caller gets his 200; never withdrawn. It only ever grows stronger.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>

#include "core/clock.h"
#include "core/filter.h"
#include "core/ids.h"

namespace quell {

// What a coordinator knew of a node when it committed an intent: all tasks that the node had given
// numbers below `next_number` by then, in `life` or before it, began before the intent.
struct Horizon {
  LifeId life;  // Null: nothing is known.
  std::uint64_t next_number = 0;

  friend bool operator==(const Horizon&, const Horizon&) = default;
};

struct Intent {
  IntentId id;
  // One task; or all that match on the nodes the intent is pending for. Neither hits what began
  // after the intent; see docs/adr/0009-what-began-before-a-cancel.md.
  std::variant<TaskId, TaskFilter> target;
  WallTime requested_at;  // By the coordinator's clock; for people.
  BootMoment moment;      // On the coordinator's host. Unknown: it comes from an older one.
  Horizon horizon;        // Of the node that it is sent to.
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
// cascade turns on, grace shrinks. It is as if it were asked for now: its moment is the second's.
// Returns whether it is stronger.
bool Strengthen(Intent& kept, const Intent& second);

}  // namespace quell
