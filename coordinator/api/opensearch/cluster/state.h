// `_cluster/state` in its small forms, and `_cluster/pending_tasks`.
#pragma once

#include "coordinator/api/opensearch/cluster/identity.h"
#include "coordinator/api/opensearch/request/answer.h"
#include "coordinator/coordinator.h"

namespace quell::opensearch {

// The names, the manager (this coordinator) and the nodes that are alive, as the metrics in the
// path want them. There are no indices, so nothing is said about any.
void AnswerState(const Coordinator& coordinator, const Identity& identity,
                 const ExchangePtr& exchange, Profile profile);

// No change of a cluster's state waits here: always empty.
void AnswerPendingTasks(const ExchangePtr& exchange, Profile profile);

}  // namespace quell::opensearch
