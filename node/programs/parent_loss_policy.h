// What becomes of tasks whose parent, on this node, is lost: each said so when it registered.
#pragma once

#include <cstdint>
#include <vector>

#include "core/random.h"
#include "node/cancels/handoff_sender.h"
#include "node/cancels/intent_applier.h"
#include "node/tasks/node_context.h"
#include "node/tasks/registry.h"

namespace quell {

// Not thread-safe: on the node's executor.
class ParentLossPolicy {
 public:
  ParentLossPolicy(const NodeContext& context, Random& random, Registry& registry,
                   IntentApplier& applier, HandoffSender& handoff)
      : context_(context),
        random_(random),
        registry_(registry),
        applier_(applier),
        handoff_(handoff) {}

  // The task has just ended as lost. Those of its children that asked for it are cancelled, with
  // everything below them, by an intent that is this node's own.
  void OnLost(const TaskId& parent) { Continue(parent, 0); }
  // The task has just been registered. `parent_lost`: when its registration began, that was so.
  void OnRegistered(const LiveTask& live, bool parent_lost);

 private:
  // With the children above the number `after`.
  void Continue(const TaskId& parent, std::uint64_t after);
  void Cancel(const TaskId& child, const TaskId& parent);

  const NodeContext& context_;
  Random& random_;
  Registry& registry_;
  IntentApplier& applier_;
  HandoffSender& handoff_;
};

}  // namespace quell
