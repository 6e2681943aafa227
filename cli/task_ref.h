// Task ids as people write them: NODE:NUMBER, where NODE is a node's id or its name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/coordinator_client.h"
#include "core/result.h"

namespace quell::cli {

struct TaskRef {
  std::string node;  // Id or name.
  std::string number;
  bool is_id = false;  // `node` is spelled as a node id: nothing has to be looked up.

  // Errors: kInvalidArgument, with the form wanted. The number is the text behind the last colon.
  static Result<TaskRef> Parse(std::string_view text);
};

// The id as coordinators take it. Errors: kNotFound (no node has that name; it names those there
// are), kInvalidArgument (several have it: the candidates).
Result<std::string> Resolve(const TaskRef& ref, const std::vector<NodeEntry>& nodes);

// The same for a node alone: its id.
Result<std::string> ResolveNode(const std::string& node, const std::vector<NodeEntry>& nodes);

// All of `texts`; asks for the nodes at most once, and only if a name is among them.
Result<std::vector<std::string>> ResolveAll(const std::vector<std::string>& texts,
                                            const CoordinatorClient& client);

// No task has this parent: is there a task `id` at all? Says so on standard error if not. Returns
// kOk if there is, or if nobody can say, kNoSuchTask if there is none.
int CheckParent(const CoordinatorClient& client, const std::string& id);

}  // namespace quell::cli
