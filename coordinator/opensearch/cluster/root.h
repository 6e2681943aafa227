// `GET /`: who is there.
#pragma once

#include "coordinator/coordinator.h"
#include "coordinator/opensearch/answer.h"
#include "coordinator/opensearch/cluster/identity.h"

namespace quell::opensearch {

// With all fields that typed clients demand.
void AnswerRoot(const Coordinator& coordinator, const Identity& identity,
                const ExchangePtr& exchange, Profile profile);

}  // namespace quell::opensearch
