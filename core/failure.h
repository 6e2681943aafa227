// Failures are data: an answer that misses a node names it, with the cause. They are no Errors.
#pragma once

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

}  // namespace quell
