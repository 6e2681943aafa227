// How a cancel travels: check, commit, push, acknowledge. From the commit on the intent is pending
// for its nodes until they have journaled it, whatever became of the caller.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "coordinator/cancels/pending_intents.h"
#include "coordinator/coordinator_services.h"
#include "coordinator/fan_out/node_asks.h"
#include "coordinator/fan_out/places.h"
#include "coordinator/gathered.h"
#include "coordinator/members/member_table.h"
#include "coordinator/query.h"
#include "core/lifetime.h"
#include "core/principal.h"

namespace quell {

// Not thread-safe: everything on the executor. All that is handed in must outlive it.
class CancelService {
 public:
  // `requests`: the coordinator's own tasks. `spared` (may be empty): as CoordinatorOptions.
  CancelService(const CoordinatorServices& services, NodeAsks& asks, const MemberTable& members,
                PendingIntents& pending, const RequestTasks& requests, Places& places,
                std::function<void(const NodeId&, const IntentAck&)> spared);

  // As Coordinator::Cancel(); query.as_task is the part on each node by which it waits. `done` is
  // never called inside the call, and at the latest at now + timeout. Of a wait, half of that and
  // at most limits::kNodeDeadline is for the cancel; then it gives its place back and takes one of
  // those that wait. If there is none it does not wait: the tasks are said to run on.
  void Cancel(CancelQuery query, std::shared_ptr<Places::Held> place, const Principal& who,
              MonoClock::duration timeout, TaskSinkFactory sinks,
              std::function<void(Result<Gathered>)> done);

  // Acknowledgements that came with a heartbeat.
  void TakeAcks(const NodeId& node, const std::vector<IntentAck>& acks);

 private:
  struct Operation;
  using Op = std::shared_ptr<Operation>;

  void CancelTask(const Op& op, const TaskIdText& id);
  void Decide(const Op& op, Slot checked);
  void CancelMatching(const Op& op, const NodeSelection& where);
  PendingAt PendingAtTarget(const Op& op) const;
  void Commit(const Op& op, std::vector<PendingAt> pending);
  void Push(const Op& op, StoredIntent stored);
  void Finish(const Op& op, std::vector<Slot> slots);
  void Await(const Op& op, std::vector<Slot> slots);
  void DoNotAwait(const Op& op, std::vector<Slot> slots);
  void Conclude(const Op& op, std::vector<Slot> slots);
  void Answer(const Op& op, Result<Gathered> answer);
  void TakeAck(const NodeId& node, IntentAck ack, const PendingIntents::Revision* sent);

  const CoordinatorServices services_;
  NodeAsks& asks_;
  const MemberTable& members_;
  PendingIntents& pending_;
  const RequestTasks& requests_;
  Places& places_;
  const std::function<void(const NodeId&, const IntentAck&)> spared_;
  Lifetime lifetime_;
};

}  // namespace quell
