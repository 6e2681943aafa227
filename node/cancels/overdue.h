// Cancelled tasks that run on: a number that says whether cancelling bites on this host.
#pragma once

#include <cstdint>
#include <deque>

#include "node/state.h"
#include "transport/messages.h"

namespace quell {

// Not thread-safe: on the node's executor. A task counts once it still runs
// limits::kStillRunsAfter after it was marked, or came back with its mark after a restart.
class Overdue {
 public:
  explicit Overdue(NodeState& state) : state_(state) {}

  void Marked(const LiveTask& live);
  // Before the task leaves the registry.
  void Ended(const LiveTask& live);
  const CancelledRunning& counts() const { return counts_; }

 private:
  struct Waiting {
    MonoTime due;
    std::uint64_t number = 0;
  };

  void Arm();
  void OnTimer();

  NodeState& state_;
  CancelledRunning counts_;
  std::deque<Waiting> waiting_;  // Marked lately, in the order of their marks; some have ended.
  bool armed_ = false;
};

}  // namespace quell
