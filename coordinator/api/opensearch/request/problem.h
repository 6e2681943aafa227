// What is wrong with a request, as OpenSearch says it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/task.h"

namespace quell::opensearch {

struct Cause {
  std::string type;
  std::string reason;

  friend bool operator==(const Cause&, const Cause&) = default;
};

// How the body says it.
enum class ProblemForm : std::uint8_t {
  kWhole,     // {"error":{"root_cause":[...],...},"status":N}
  kText,      // {"error":REASON,"status":N}
  kTextOnly,  // {"error":REASON}
};

struct Problem {
  int status = 400;
  std::string type = "illegal_argument_exception";
  std::string reason;
  std::optional<Cause> caused_by;
  bool caused_by_is_root = false;  // Of the server's own kind: then `root_cause` names it.
  std::vector<Header> details;     // What more is known, after the reason.
  ProblemForm form = ProblemForm::kWhole;

  friend bool operator==(const Problem&, const Problem&) = default;
};

// With `trace` each error has its `stack_trace`: the chain of its causes. There are no frames,
// since errors are values here.
std::string RenderProblem(const Problem& problem, bool trace = false);

}  // namespace quell::opensearch
