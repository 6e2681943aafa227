// `GET /`: who is there.
#pragma once

#include "coordinator/api/opensearch/cluster/identity.h"
#include "coordinator/api/opensearch/request/answer.h"
#include "coordinator/coordinator.h"

namespace quell::opensearch {

// With all fields that typed clients demand.
void AnswerRoot(const Coordinator& coordinator, const Identity& identity,
                const ExchangePtr& exchange, Profile profile);

}  // namespace quell::opensearch
