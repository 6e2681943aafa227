// Lets a node run empty, and leave: asks it to take no new tasks, waits for those that live, and
// for its goodbye.
#pragma once

#include <functional>
#include <memory>

#include "coordinator/coordinator.h"
#include "coordinator/joins.h"
#include "coordinator/lifetime.h"
#include "coordinator/membership.h"
#include "coordinator/node_asks.h"

namespace quell {

// Not thread-safe: everything on the executor. All that is handed in must outlive it.
class Drains {
 public:
  Drains(const CoordinatorServices& services, NodeAsks& asks, const Membership& members,
         Joins& joins)
      : services_(services), asks_(asks), members_(members), joins_(joins) {}

  // As Coordinator::Drain().
  void Drain(DrainQuery query, MonoClock::duration timeout, TaskSinkFactory sinks,
             std::function<void(Result<DrainAnswer>)> done);

 private:
  struct Operation;
  using Op = std::shared_ptr<Operation>;

  void Ask(const Op& op);
  void Take(const Op& op, Slot slot);
  void Await(const Op& op);
  static void Fail(const Op& op, const NodeFailure& failure);
  // Null: the node is not a member any more.
  const Member* Find(const Op& op) const;

  const CoordinatorServices services_;
  NodeAsks& asks_;
  const Membership& members_;
  Joins& joins_;
  Lifetime lifetime_;
};

}  // namespace quell
