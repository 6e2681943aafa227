// The one table from our errors to HTTP: status and OpenSearch's type.
#pragma once

#include <string_view>

#include "coordinator/api/opensearch/request/problem.h"
#include "core/error.h"

namespace quell::opensearch {

// Who met a limit: the same code means "too much at once" (429) of the coordinator or a node, and
// "no room" (507) of the store.
enum class ErrorSource { kService, kStore };

struct ErrorRow {
  int status;
  std::string_view type;
};

ErrorRow RowFor(ErrorCode code, ErrorSource whose);
Problem ToProblem(const Error& error, ErrorSource whose);

}  // namespace quell::opensearch
