// What the API answers to paths and methods that it does not have.
#pragma once

#include <vector>

#include "coordinator/api/opensearch/request/answer.h"
#include "coordinator/api/opensearch/request/profile.h"

namespace quell::opensearch {

// `allowed`: what the path would take; empty: the path is unknown. In the strict profile a path of
// one segment is an index, of which there is none.
void AnswerUnrouted(const ExchangePtr& exchange, const std::vector<http::Method>& allowed,
                    Profile profile);

}  // namespace quell::opensearch
