// A node that is to run empty: it takes no new tasks, and may leave the fleet once nothing lives.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "node/cancels/handoff_sender.h"
#include "node/programs/registrar.h"
#include "node/tasks/node_context.h"
#include "node/tasks/registry.h"
#include "node/tasks/task_queries.h"

namespace quell {

// Not thread-safe: on the node's executor. What it decides lasts until the daemon ends.
class Drain {
 public:
  // `leave` is called once, when nothing lives and the node was told to leave then.
  Drain(const NodeContext& context, Registry& registry, TaskQueries& queries, Registrar& registrar,
        const HandoffSender& handoff, std::function<void()> leave)
      : context_(context),
        registry_(registry),
        queries_(queries),
        registrar_(registrar),
        handoff_(handoff),
        leave_(std::move(leave)) {}

  void OnRequest(const DrainRequest& request, std::shared_ptr<ReplyWriter> writer);

 private:
  const NodeContext& context_;
  Registry& registry_;
  TaskQueries& queries_;
  Registrar& registrar_;
  const HandoffSender& handoff_;
  const std::function<void()> leave_;
};

}  // namespace quell
