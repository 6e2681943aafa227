// Cancelled tasks that run on: a number that says whether cancelling bites on this host.
#pragma once

#include <cstdint>
#include <deque>

#include "node/tasks/node_context.h"
#include "node/tasks/registry.h"
#include "node/tasks/task_events.h"
#include "transport/messages.h"

namespace quell {

// Not thread-safe: on the node's executor. A task counts once it still runs
// limits::kStillRunsAfter after it was marked, or came back with its mark after a restart.
class Overdue final : private TaskObserver {
 public:
  Overdue(const NodeContext& context, Registry& registry, TaskEvents& events)
      : TaskObserver(events), context_(context), registry_(registry) {}

  const CancelledRunning& counts() const { return counts_; }

 private:
  struct Waiting {
    MonoTime due;
    std::uint64_t number = 0;
  };

  void OnTaskCancelled(const LiveTask& live) override;
  void OnTaskEnded(const LiveTask& live) override;
  void Arm();
  void OnTimer();

  const NodeContext& context_;
  Registry& registry_;
  CancelledRunning counts_;
  std::deque<Waiting> waiting_;  // Marked lately, in the order of their marks; some have ended.
  bool armed_ = false;
};

}  // namespace quell
