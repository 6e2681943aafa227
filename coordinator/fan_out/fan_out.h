// Asks many nodes at once and gathers what they say: each slot is set exactly once, and all of them
// by the deadline, whatever the nodes and the transport do.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "coordinator/fan_out/node_asks.h"
#include "coordinator/gathered.h"
#include "coordinator/members/standing.h"
#include "core/executor.h"

namespace quell {

// One slot before the asking.
struct FanOutSlot {
  Slot slot;                           // Answered or failed already if nothing is asked.
  std::optional<NodeRequest> request;  // For slot.node.
  Standing standing = {};              // Of slot.node.
  AskKind kind = AskKind::kRead;       // An AwaitRequest is a kWait in any case.
};

// To be called on the executor; `done` runs there, exactly once, never inside the call, with the
// slots in the same order. A slot that is still open at `deadline` fails then; what comes later, or
// twice, is dropped. An answer of the wrong kind, one that counts other tasks than it brought, or
// brings another node's, fails its slot. A node that is stopped is not asked, and one that does not
// respond is asked by few: the others fail at once, or within limits::kUnansweredAfter; see
// node_asks.h. A slot that failed has no sink. Node answers are taken on
// the threads that bring them; `action` is named in failures and must be static. What it returns
// gives up all slots that are still open: they fail at once, and their nodes are told.
std::function<void()> FanOut(Executor& executor, NodeAsks& nodes, std::string_view action,
                             std::vector<FanOutSlot> slots, MonoTime deadline,
                             std::function<void(std::vector<Slot>)> done);

}  // namespace quell
