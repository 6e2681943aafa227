// What every part of one node uses: who the node is, its executor with the clocks, and the lifetime
// that guards callbacks.
#pragma once

#include <cstdint>
#include <utility>

#include "core/clock.h"
#include "core/executor.h"
#include "core/ids.h"
#include "core/lifetime.h"
#include "core/node_info.h"

namespace quell {

// Outlives the parts that refer to it.
struct NodeContext {
  NodeContext(NodeInfo node_info, Executor& its_executor)
      : info(std::move(node_info)), executor(its_executor) {}

  MonoTime now() const { return executor.clock().Now(); }
  WallTime wall() const { return executor.clock().Wall(); }
  BootTime boot() const { return executor.clock().Boot(); }
  BootMoment boot_moment() const { return {info.boot_id, boot()}; }
  TaskId IdOf(std::uint64_t number) const { return {info.id, number}; }
  // The number of a task that is this node's own; 0: it is another's.
  std::uint64_t OwnNumber(const TaskId& id) const { return id.node == info.id ? id.number : 0; }

  const NodeInfo info;  // With the incarnation and the life of this start.
  Executor& executor;
  const Lifetime lifetime = {};
};

}  // namespace quell
