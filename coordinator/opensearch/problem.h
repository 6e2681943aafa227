// What is wrong with a request, as OpenSearch says it.
#pragma once

#include <optional>
#include <string>

namespace quell::opensearch {

struct Cause {
  std::string type;
  std::string reason;

  friend bool operator==(const Cause&, const Cause&) = default;
};

struct Problem {
  int status = 400;
  std::string type = "illegal_argument_exception";
  std::string reason;
  std::optional<Cause> caused_by;
  bool caused_by_is_root = false;  // Of the server's own kind: then `root_cause` names it.

  friend bool operator==(const Problem&, const Problem&) = default;
};

// {"error":{"root_cause":[...],"type":...,"reason":...[,"caused_by":...]},"status":N}
std::string RenderProblem(const Problem& problem);

}  // namespace quell::opensearch
