// A list that is too large to be held, as a stream: node after node, part after part, at the pace
// of the reader.
#pragma once

#include <chrono>

#include "coordinator/api/opensearch/request/answer.h"
#include "coordinator/api/opensearch/tasks/grouping.h"
#include "coordinator/coordinator.h"

namespace quell::opensearch {

struct StreamedList {
  Grouping grouping = Grouping::kNodes;   // Or kNone.
  ListQuery query;                        // That brought `first`.
  std::chrono::nanoseconds timeout;       // Each node's deadline, for each of its parts.
  TaskSinkFactory sinks;                  // Of TasksObjects; with kNone of RenderedTasks.
  std::shared_ptr<http::HeldBytes> held;  // What the sinks book; null: they do not.
};

// At least one reply in `first` says that there is more.
bool NeedsStream(const Gathered& first);

// Answers 200 with what `first` holds and with what the nodes bring when they are asked for the
// rest; never holds more than one part besides. If others hold too much it tries for a part again,
// for limits::kHeldWait; then the node has failed. `node_failures` stands last. A node that fails
// midway is there, and in the documented profile its part is marked "incomplete": true. Ends
// silently if the client goes. On the executor; the coordinator must outlive the exchange.
void StreamList(Coordinator& coordinator, const ExchangePtr& exchange, const Style& style,
                StreamedList list, Gathered first);

}  // namespace quell::opensearch
