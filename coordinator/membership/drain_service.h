// Lets a node run empty, and leave: asks it to take no new tasks, waits for those that live, and
// for its goodbye.
#pragma once

#include <functional>
#include <memory>

#include "coordinator/coordinator_services.h"
#include "coordinator/fan_out/node_asks.h"
#include "coordinator/gathered.h"
#include "coordinator/members/member_table.h"
#include "coordinator/membership/membership_service.h"
#include "coordinator/query.h"
#include "core/lifetime.h"

namespace quell {

// Not thread-safe: everything on the executor. All that is handed in must outlive it.
class DrainService {
 public:
  DrainService(const CoordinatorServices& services, NodeAsks& asks, const MemberTable& members,
               MembershipService& membership)
      : services_(services), asks_(asks), members_(members), membership_(membership) {}

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
  const MemberTable& members_;
  MembershipService& membership_;
  Lifetime lifetime_;
};

}  // namespace quell
