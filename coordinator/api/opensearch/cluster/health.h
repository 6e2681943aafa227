// `_cluster/health`: are all nodes there?
#pragma once

#include "coordinator/api/opensearch/cluster/identity.h"
#include "coordinator/api/opensearch/request/answer.h"
#include "coordinator/coordinator.h"

namespace quell::opensearch {

// Green: every known node is alive. Yellow: one is silent, so answers have failures. There are no
// shards, and so no red. Waits for `wait_for_status` and `wait_for_nodes` at most `timeout`, 30 s
// unless told and limits::kNodeDeadlineMax at most: then 408 with `timed_out`.
void AnswerHealth(Coordinator& coordinator, const Identity& identity, const ExchangePtr& exchange,
                  Profile profile);

}  // namespace quell::opensearch
