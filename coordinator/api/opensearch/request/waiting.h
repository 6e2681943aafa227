// `wait_for_completion` and `timeout`: how they are read, and what an answer says of a wait.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "coordinator/api/opensearch/request/answer.h"
#include "coordinator/api/opensearch/request/params.h"
#include "coordinator/api/opensearch/request/problem.h"
#include "coordinator/coordinator.h"
#include "coordinator/fan_out/request_context.h"

namespace quell::opensearch {

struct Wait {
  bool wanted = false;
  bool told = false;  // A timeout was given.
  // Until the answer comes: of each node, or of the whole wait. Unless told limits::kNodeDeadline,
  // or kWaitDefault for a wait.
  std::chrono::nanoseconds timeout{0};
};

// `timeout` is at most limits::kNodeDeadlineMax, or kWaitMax for a wait; more is refused, and so is
// 0 and less. In the strict profile more is that, and 0 and less is as good as no time, since a
// real server takes any.
Wait ReadWait(Params& params, Profile profile);
// Without `timeout`, which then is unknown: a wait has no limit but kWaitMax.
Wait ReadWaitOnly(Params& params);
// Without `wait_for_completion`, which then is unknown.
Wait ReadTimeoutOnly(Params& params, Profile profile);

// Leaves when the client of `exchange` does. Null if nothing is waited for: what is asked of nodes
// ends soon by itself.
std::shared_ptr<RequestContext> ContextOf(const ExchangePtr& exchange, const Wait& wait);

// As a real server does it: a node on which the wait ran out is a failure, and its tasks are lost;
// a get is an error.
void FailWhatRanOut(Gathered& gathered, const Wait& wait);
Problem RanOut(const TaskIdText& id);

// "Quell-Wait: running=2", if there was one.
void AddWaitHeader(std::vector<Header>& headers, const Wait& wait, std::uint64_t running);

}  // namespace quell::opensearch
