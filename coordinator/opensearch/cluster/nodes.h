// `_nodes` with its sub-forms: `/_nodes/NODES`, `/_nodes/METRICS`, `/_nodes/NODES/METRICS`.
#pragma once

#include <string>

#include "coordinator/coordinator.h"
#include "coordinator/opensearch/answer.h"
#include "coordinator/opensearch/cluster/identity.h"

namespace quell::opensearch {

// Of the selected nodes those that are alive; the others are failures. The metrics `http` and
// `transport` are known. Clients that sniff ask for `http` and then talk to all that are listed: so
// whoever names it gets only nodes that serve HTTP, which is this coordinator, at `http_address`.
void AnswerNodes(const Coordinator& coordinator, const Identity& identity,
                 const std::string& http_address, const ExchangePtr& exchange, Profile profile);

}  // namespace quell::opensearch
