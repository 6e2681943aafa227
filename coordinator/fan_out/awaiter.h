// Waits for tasks that are named by their ids, and reports for each one how it ended, that it still
// runs, or that nobody can say.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "coordinator/coordinator_services.h"
#include "coordinator/fan_out/node_asks.h"
#include "coordinator/gathered.h"
#include "coordinator/members/member_table.h"
#include "coordinator/query.h"
#include "core/lifetime.h"

namespace quell {

// Not thread-safe: everything on the executor. What is handed in must outlive it.
class Awaiter {
 public:
  Awaiter(const CoordinatorServices& services, NodeAsks& asks, const MemberTable& members);

  // As Coordinator::Await(); the query is within its limits. `done` is never called inside the
  // call.
  void Await(AwaitQuery query, TaskSinkFactory sinks,
             std::function<void(Result<std::vector<AwaitedTask>>)> done);

 private:
  struct Operation;
  using Op = std::shared_ptr<Operation>;

  void WaitForEnds(const Op& op);
  void LookAtEach(const Op& op);

  const CoordinatorServices services_;
  NodeAsks& asks_;
  const MemberTable& members_;
  Lifetime lifetime_;
};

}  // namespace quell
