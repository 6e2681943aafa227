// What a crash of the node must not take from a live task, and how the next life goes on with it.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "node/cancels/intent_applier.h"
#include "node/programs/programs.h"
#include "node/state.h"

namespace quell {

// Writes down what lives, behind: a task that ends within limits::kDiskDelay costs nothing, and
// what is registered less than that before a crash is not known afterwards, unless its program
// brings it back. Not thread-safe: on the node's executor.
class LiveTaskWriter {
 public:
  explicit LiveTaskWriter(NodeState& state) : state_(state) {}

  // The live task is new, or lives by another process than before.
  void Changed(std::uint64_t number);
  // All that is not written yet goes to the journal now.
  void Flush();

 private:
  void WriteLater();
  // One piece, and when it is durable the next one.
  void Write();
  std::vector<LiveTaskRecord> TakePiece();

  NodeState& state_;
  std::deque<std::uint64_t> waiting_;
  TimerId timer_ = TimerId::kNone;  // Unless a piece is on its way.
  bool writing_ = false;
};

// All are live again, as orphans: by their processes, or by a lease, until their programs take them
// up. Those whose process has ended meanwhile are lost, limits::kComeBack later: somebody else may
// be about to say how they went. On the node's executor, before anybody can speak to the node.
void RestoreTasks(std::vector<LiveTaskRecord> kept, NodeState& state, Programs& programs,
                  IntentApplier& applier);

}  // namespace quell
