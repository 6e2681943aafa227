// What becomes of tasks whose parent, on this node, is lost: each said so when it registered.
#pragma once

#include <cstdint>
#include <vector>

#include "node/apply.h"
#include "node/owed.h"
#include "node/state.h"

namespace quell {

// Not thread-safe: on the node's executor.
class Orphans {
 public:
  Orphans(NodeState& state, Applier& applier, Owed& owed)
      : state_(state), applier_(applier), owed_(owed) {}

  // The task has just ended as lost. Those of its children that asked for it are cancelled, with
  // everything below them, by an intent that is this node's own.
  void OnLost(const TaskId& parent) { GoOn(parent, 0); }
  // The task has just been registered. `parent_lost`: when its registration began, that was so.
  void OnRegistered(const LiveTask& live, bool parent_lost);

 private:
  // With the children above the number `after`.
  void GoOn(const TaskId& parent, std::uint64_t after);
  void Cancel(const TaskId& child, const TaskId& parent);

  NodeState& state_;
  Applier& applier_;
  Owed& owed_;
};

}  // namespace quell
