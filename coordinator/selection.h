// Node tokens to members: which nodes a request is about, in which order, each once.
#pragma once

#include <string>
#include <vector>

#include "coordinator/coordinator.h"
#include "coordinator/membership.h"

namespace quell {

struct Selected {
  const Member* member = nullptr;  // Null: `token` names nobody.
  std::string token;
};

// Tokens add members from left to right: an exact id, `_local` (this coordinator), `_all`, an exact
// name (all that bear it), a pattern of names. What was added before is not added again. Without
// tokens: all. Errors: kInvalidArgument (a filter by role or attribute, more than
// limits::kNodePatternsMax patterns).
Result<std::vector<Selected>> SelectNodes(const NodeSelection& selection,
                                          const Membership& members);

}  // namespace quell
