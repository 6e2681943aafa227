// `GET /_cat` and `GET /_cat/tasks`: tables for people and for scripts that cut columns.
#pragma once

#include "coordinator/coordinator.h"
#include "coordinator/opensearch/answer.h"
#include "coordinator/opensearch/profile.h"

namespace quell::opensearch {

void CatIndex(const ExchangePtr& exchange, Profile profile);
// In the documented profile a node that failed is a line "# ..." at the end of the text; in both it
// is counted in the header Quell-Nodes.
void CatTasks(Coordinator& coordinator, const ExchangePtr& exchange, Profile profile);

}  // namespace quell::opensearch
