// The identity that the coordinator reports to clients of OpenSearch.
#pragma once

#include <string>

namespace quell::opensearch {

// By default the plain truth; for tools that insist on another distribution or version it can be
// told otherwise.
struct Identity {
  std::string cluster_name = "quell";
  std::string version;  // "0.1.0"
  std::string distribution = "quell";
  std::string tagline = "Asked, delivered and stopped are three things";
};

}  // namespace quell::opensearch
