// Failures are data: an answer that misses a node names it, with the cause. They are no Errors.
#pragma once

#include <cstdint>
#include <string>

#include "core/error.h"
#include "core/ids.h"

namespace quell {

// Why a selected node is not part of an answer. Rendered as OpenSearch's failed_node_exception.
struct NodeFailure {
  std::string node;        // The id, or what the client wrote, if nobody has it.
  std::string cause_type;  // In OpenSearch's spelling: "no_such_node_exception", ...
  std::string cause_reason;

  friend bool operator==(const NodeFailure&, const NodeFailure&) = default;
};

// A task that its node reported in a form that could not be read: it alone is missing from the
// answer. Rendered as OpenSearch's task_failures.
struct TaskFailure {
  NodeId node;
  std::uint64_t number = 0;  // As the node told it; 0: it told none that a task can have.
  std::string reason;

  friend bool operator==(const TaskFailure&, const TaskFailure&) = default;
};

}  // namespace quell
