// `Warning` headers for names that OpenSearch has renamed.
#pragma once

#include <set>
#include <string>
#include <utility>

#include "coordinator/api/opensearch/request/answer.h"
#include "core/limits.h"

namespace quell::opensearch {

// Not thread-safe: on the coordinator's executor.
class Deprecations {
 public:
  // The exchange, or one that adds a `Warning` for each old name in the request to its answer. As
  // a real server does it, each is sent once for each X-Opaque-Id; after
  // limits::kWarningsRemembered of them it begins anew.
  ExchangePtr Watch(ExchangePtr exchange);

 private:
  std::set<std::pair<std::string, std::string>> told_;  // Text and X-Opaque-Id.
};

}  // namespace quell::opensearch
