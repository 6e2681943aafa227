// `_nodes` with its sub-forms: `/_nodes/NODES`, `/_nodes/METRICS`, `/_nodes/NODES/METRICS`.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "coordinator/api/opensearch/cluster/identity.h"
#include "coordinator/api/opensearch/request/answer.h"
#include "coordinator/coordinator.h"
#include "transport/http/json_writer.h"

namespace quell::opensearch {

// Of the selected nodes those that are alive; the others are failures. The metrics `http` and
// `transport` are known. Clients that sniff ask for `http` and then talk to all that are listed: so
// whoever names it gets only nodes that serve HTTP, which is this coordinator, at `http_address`.
void AnswerNodes(const Coordinator& coordinator, const Identity& identity,
                 const std::string& http_address, const ExchangePtr& exchange, Profile profile);

// {"_nodes":{counts, failures},"cluster_name":...,"nodes":{...}}. `render` writes the key and the
// object of a node that is alive; the others are failures.
void SendNodes(const ExchangePtr& exchange, const Style& style, const Identity& identity,
               const std::vector<MemberStatus>& members,
               const std::function<void(http::JsonWriter&, const MemberStatus&)>& render);

}  // namespace quell::opensearch
