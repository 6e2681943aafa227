// Which tasks began before which intent: decided by what this node has ordered itself, and by
// clocks that never step; never by a wall clock. See docs/adr/0009-what-began-before-a-cancel.md.
#pragma once

#include <cstdint>

#include "core/intent.h"
#include "core/task_id_allocator.h"
#include "node/cancels/coordinator_clock.h"
#include "node/cancels/lives.h"
#include "node/journal/journal.h"
#include "node/tasks/node_context.h"
#include "node/tasks/registry.h"

namespace quell {

enum class Order : std::uint8_t { kBefore, kAfter, kDoubtful };

// Which way an intent has come.
enum class Way : std::uint8_t {
  kPushed,      // At once when it was committed.
  kHandedOver,  // With the answer to a join or heartbeat.
};

// Not thread-safe: on the node's executor.
class IntentOrder {
 public:
  IntentOrder(const NodeContext& context, const Registry& registry, const TaskIdAllocator& numbers,
              const Lives& lives, const CoordinatorClock& coordinator_clock)
      : context_(context),
        registry_(registry),
        numbers_(numbers),
        lives_(lives),
        coordinator_clock_(coordinator_clock) {}

  // The intent has come for the first time, now.
  Arrival ArrivalOf(const Intent& intent) const;
  // The node was there: the intent was pushed to it in the life that it was committed against.
  bool WasHere(const Intent& intent, Way way) const;

  // Did the task begin before the intent? `here`: as WasHere(); then what is in doubt by the clocks
  // is decided by the intent's arrival.
  Order Of(const LiveTask& live, const Intent& intent, const Arrival& arrival, bool here) const;
  // The same for an intent on the task's own id. An id names one task for ever, so what named it
  // came later than the task, unless another copy of this data has given it out too.
  Order OfTarget(const LiveTask& live, const Intent& intent, const Arrival& arrival,
                 bool here) const;
  // The intent was committed against another copy of this data, which may have given out the number
  // to another task.
  bool MayMeanAnother(std::uint64_t number, const Intent& intent) const;

  // The clocks can tell nothing about the intent now, and may be able to soon: when the
  // coordinator's clock is known.
  bool MayTellSoon(const Intent& intent) const;
  // It needs the coordinator's clock, which will be there soon.
  bool MustWait(const Intent& intent, const Arrival& arrival, bool here) const;

 private:
  const NodeContext& context_;
  const Registry& registry_;
  const TaskIdAllocator& numbers_;
  const Lives& lives_;
  const CoordinatorClock& coordinator_clock_;
};

}  // namespace quell
