// Nodes come, show that they live, stop, leave and are forgotten: what Membership decides, carried
// out against store, nodes and pending intents.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "coordinator/cancels/cancel_service.h"
#include "coordinator/cancels/handoff_receiver.h"
#include "coordinator/cancels/pending_intents.h"
#include "coordinator/coordinator_services.h"
#include "coordinator/gathered.h"
#include "coordinator/members/member_table.h"
#include "core/lifetime.h"
#include "transport/membership.h"

namespace quell {

// Not thread-safe: everything on the executor. All that is handed in must outlive it. Its calls are
// those of Coordinator.
class MembershipService {
 public:
  // Connects to the nodes that are known already. `restored` (may be empty): as CoordinatorOptions.
  MembershipService(const CoordinatorServices& services, NodeAsks& asks, MemberTable& members,
                    PendingIntents& pending, CancelService& cancels,
                    std::function<void(const NodeInfo&)> restored);

  void OnJoin(JoinRequest request, std::function<void(Result<JoinReply>)> reply);
  void OnHeartbeat(HeartbeatRequest request, std::function<void(Result<HeartbeatReply>)> reply);
  void OnLeave(LeaveRequest request, std::function<void(Status)> reply);
  void Forget(const NodeId& node, std::function<void(Result<Forgotten>)> done);
  // `done` runs once the node has left, with true; with false at `deadline`.
  void AwaitLeft(const NodeId& node, MonoTime deadline, std::function<void(bool)> done);

 private:
  using JoinDone = std::function<void(Result<JoinReply>)>;
  struct Waiter {
    std::function<void(bool)> done;
    TimerId timer = TimerId::kNone;
  };
  using WaiterPtr = std::shared_ptr<Waiter>;

  void AdmitOnceDurable(JoinRequest request, JoinDone reply);
  void AdmitUnlessKnownLives(JoinRequest request, JoinDone reply);
  void AdmitNow(const JoinRequest& request, const JoinDone& reply);
  const Member& Admit(const JoinRequest& request);
  void Connect(const NodeInfo& node);
  void Disconnect(const NodeId& node);
  void Stopped(const Member& member);
  void Left(const NodeId& node);
  void SendJoinReply(const NodeId& node, const JoinDone& reply);

  const std::function<void(const NodeInfo&)> restored_;
  HandoffReceiver handoff_;
  const CoordinatorServices services_;
  NodeAsks& asks_;
  MemberTable& members_;
  PendingIntents& pending_;
  CancelService& cancels_;
  // Nodes about which the store or the node itself is being asked. Meanwhile other changes of the
  // same node are refused: its daemon repeats them.
  std::set<NodeId> changing_;
  // Nodes that have left, as far as is known: the store may have them as members yet, with what is
  // pending for them.
  std::set<NodeId> left_unsure_;
  std::map<NodeId, std::vector<WaiterPtr>> await_left_;
  Lifetime lifetime_;
};

}  // namespace quell
