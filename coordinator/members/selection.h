// Node tokens to members: which nodes a request is about, in which order, each once.
#pragma once

#include <string>
#include <vector>

#include "coordinator/members/member_table.h"
#include "coordinator/query.h"

namespace quell {

struct Selected {
  const Member* member = nullptr;  // Null: `token` names nobody.
  std::string token;
};

// Tokens work from left to right, each adds members: an exact id, `_local` and `_cluster_manager`
// (or `_master`: this coordinator), `_all`, an exact name or host (all that bear it), a pattern of
// names or hosts, `NAME:VALUE` patterns of an attribute; `ROLE:true` adds those with the role data,
// ingest, cluster_manager (or master) or coordinating_only, `ROLE:false` takes them away. What is
// there is not added again. Without tokens: all. Errors: kInvalidArgument (a role that is neither
// true nor false; a name to exclude, "-n" or "!n", where unknown tokens fail: only a role takes
// away; more than limits::kNodePatternsMax tokens that look at every member).
Result<std::vector<Selected>> SelectNodes(const NodeSelection& selection,
                                          const MemberTable& members);

}  // namespace quell
