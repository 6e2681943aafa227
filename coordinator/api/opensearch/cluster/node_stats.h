// `_nodes/stats` with its sub-forms: `/_nodes/NODES/stats`, `/_nodes/stats/METRICS`,
// `/_nodes/NODES/stats/METRICS`.
#pragma once

#include "coordinator/api/opensearch/cluster/identity.h"
#include "coordinator/api/opensearch/request/answer.h"
#include "coordinator/coordinator.h"

namespace quell::opensearch {

// Of the selected nodes those that are alive, as their last heartbeat told; the others are
// failures. Of the metrics a real server has, Quell measures `task_cancellation`: how many of the
// node's cancelled tasks still run. All of them count as `search_task`; there are no others.
void AnswerNodeStats(Coordinator& coordinator, const Identity& identity,
                     const ExchangePtr& exchange, Profile profile);

}  // namespace quell::opensearch
