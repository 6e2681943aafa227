// The causes of failures, as OpenSearch spells them.
#pragma once

#include <string_view>

#include "core/failure.h"

namespace quell::opensearch {

// The class of the exception that a real server would name: "no_such_node_exception", ...
std::string_view TypeOf(const NodeFailure& failure);

}  // namespace quell::opensearch
