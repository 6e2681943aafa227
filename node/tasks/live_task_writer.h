// Writes down which tasks live, so that a crash of the node does not lose them.
// node/programs/restore_tasks.h goes on with them in the next life.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "core/executor.h"
#include "node/journal/journal.h"
#include "node/tasks/node_context.h"
#include "node/tasks/registry.h"

namespace quell {

// Written behind: a task that ends within limits::kDiskDelay costs nothing, and
// what is registered less than that before a crash is not known afterwards, unless its program
// brings it back. Not thread-safe: on the node's executor.
class LiveTaskWriter {
 public:
  LiveTaskWriter(const NodeContext& context, Journal& journal, const Registry& registry)
      : context_(context), journal_(journal), registry_(registry) {}

  // The live task is new, or lives by another process than before.
  void Changed(std::uint64_t number);
  // All that is not written yet goes to the journal now.
  void Flush();

 private:
  void WriteLater();
  // One piece, and when it is durable the next one.
  void Write();
  std::vector<LiveTaskRecord> TakePiece();

  const NodeContext& context_;
  Journal& journal_;
  const Registry& registry_;
  std::deque<std::uint64_t> waiting_;
  TimerId timer_ = TimerId::kNone;  // Unless a piece is on its way.
  bool writing_ = false;
};

}  // namespace quell
