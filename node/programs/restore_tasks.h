// How a start of the daemon goes on with the tasks that lived before it: what LiveTaskWriter wrote.
#pragma once

#include <vector>

#include "node/cancels/intent_applier.h"
#include "node/journal/journal.h"
#include "node/programs/programs.h"
#include "node/programs/sessions.h"
#include "node/tasks/node_context.h"
#include "node/tasks/registry.h"
#include "node/tasks/task_lifecycle.h"

namespace quell {

// All are live again, as detached: by their processes, or by a lease, until their programs take
// them up. Those whose process has ended meanwhile are lost, limits::kComeBack later: somebody else
// may be about to say how they went. On the node's executor, before anybody can speak to the node.
void RestoreTasks(std::vector<LiveTaskRecord> records, const NodeContext& context,
                  Registry& registry, TaskLifecycle& lifecycle, Sessions& sessions,
                  Programs& programs, IntentApplier& applier);

}  // namespace quell
