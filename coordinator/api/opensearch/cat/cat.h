// `GET /_cat` and its tables: for people and for scripts that cut columns.
#pragma once

#include <string>

#include "coordinator/api/opensearch/request/answer.h"
#include "coordinator/api/opensearch/request/profile.h"
#include "coordinator/coordinator.h"

namespace quell::opensearch {

// The list of tables.
void CatIndex(const ExchangePtr& exchange, Profile profile);
// In the documented profile a node that failed is a line "# ..." at the end of the text; in both it
// is counted in the header Quell-Nodes.
void CatTasks(Coordinator& coordinator, const Rendering& rendering, const ExchangePtr& exchange,
              Profile profile);

// The nodes that are alive. What a real server measures and Quell does not is "-". Only this
// coordinator serves HTTP, at `http_address`.
void CatNodes(const Coordinator& coordinator, const std::string& http_address,
              const ExchangePtr& exchange, Profile profile);
// This coordinator.
void CatManager(const Coordinator& coordinator, const ExchangePtr& exchange, Profile profile);
// Changes of the cluster's state that wait, of which there are none.
void CatPendingTasks(const ExchangePtr& exchange, Profile profile);

}  // namespace quell::opensearch
