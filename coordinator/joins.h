// Nodes come, show that they live, leave and are forgotten: what Membership decides, carried out
// against store, nodes and pending intents.
#pragma once

#include <functional>
#include <set>

#include "coordinator/cancel.h"
#include "coordinator/coordinator.h"
#include "coordinator/intents.h"
#include "coordinator/lifetime.h"
#include "coordinator/membership.h"
#include "coordinator/owed.h"
#include "transport/membership.h"

namespace quell {

// Not thread-safe: everything on the executor. All that is handed in must outlive it. Its calls are
// those of Coordinator.
class Joins {
 public:
  // Connects to the nodes that are known already. `restored` (may be empty): as CoordinatorOptions.
  Joins(const CoordinatorServices& services, Membership& members, PendingIntents& pending,
        Canceller& canceller, std::function<void(const NodeInfo&)> restored);

  void OnJoin(JoinRequest request, std::function<void(Result<JoinReply>)> reply);
  void OnHeartbeat(HeartbeatRequest request, std::function<void(Result<HeartbeatReply>)> reply);
  void OnLeave(LeaveRequest request, std::function<void(Status)> reply);
  void Forget(const NodeId& node, std::function<void(Status)> done);

 private:
  using JoinDone = std::function<void(Result<JoinReply>)>;

  void AdmitOnceDurable(JoinRequest request, JoinDone reply);
  void AdmitUnlessKnownLives(JoinRequest request, JoinDone reply);
  void AdmitNow(const JoinRequest& request, const JoinDone& reply);
  const Member& Admit(const JoinRequest& request);
  void Welcome(const NodeId& node, const JoinDone& reply);

  const std::function<void(const NodeInfo&)> restored_;
  OwedIntents owed_;
  const CoordinatorServices services_;
  Membership& members_;
  PendingIntents& pending_;
  Canceller& canceller_;
  // Nodes about which the store or the node itself is being asked. Meanwhile other changes of the
  // same node are refused: its daemon repeats them.
  std::set<NodeId> changing_;
  Lifetime lifetime_;
};

}  // namespace quell
