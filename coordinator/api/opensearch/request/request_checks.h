// What is wrong with a request before anybody looks at what it asks for.
#pragma once

#include <optional>

#include "coordinator/api/opensearch/request/problem.h"
#include "transport/http/message.h"

namespace quell::opensearch {

// Headers that can be read in one way only: Content-Type, X-Opaque-Id, X-Request-Id, Quell-Profile,
// Quell-Requests.
std::optional<Problem> CheckHeaders(const http::Request& request);

// Of a request that has a route. A body must have a type that is known (Params refuses what is in
// it); the ids must fit into a task.
std::optional<Problem> CheckRequest(const http::Request& request);

}  // namespace quell::opensearch
