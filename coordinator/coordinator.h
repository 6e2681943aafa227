// The coordinator's decisions: who is a member, whom a request asks, what was promised to whom. A
// plain class on one executor, driven by values; runs unchanged on the simulated network.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/coordinator_services.h"
#include "coordinator/gathered.h"
#include "coordinator/query.h"
#include "coordinator/store/store.h"
#include "core/executor.h"
#include "core/host_load.h"
#include "core/node_info.h"
#include "core/principal.h"
#include "transport/membership.h"

namespace quell {

struct CoordinatorOptions {
  NodeInfo self;  // Its own place as a member; hosts the tasks of its own requests.
  // How busy its host is. On the executor: it must not wait. May be empty.
  std::function<HostLoad()> host_load = {};
  // Told of a node that joins with a restored data directory. May be empty.
  std::function<void(const NodeInfo&)> restored = {};
  // Told of tasks that a cancel has spared, because nobody can tell whether they began before it.
  // May be empty.
  std::function<void(const NodeId&, const IntentAck&)> spared = {};
};

// Not thread-safe: everything on the executor. The services must outlive it. Callbacks run on the
// executor, exactly once.
class Coordinator final : public MembershipHandler {
 public:
  Coordinator(CoordinatorOptions options, const CoordinatorServices& services,
              StoreState recovered);
  ~Coordinator() override;
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  // `timeout` is each node's deadline, at most limits::kNodeDeadlineMax, or kWaitMax for a wait.
  // The answer comes by then, whatever the nodes do. Errors: kInvalidArgument (selection; `after`
  // is of a node that is not selected), kResourceExhausted (too many requests in flight).
  void List(ListQuery query, MonoClock::duration timeout, TaskSinkFactory sinks,
            std::function<void(Result<Gathered>)> done);

  // Errors: kNotFound (nobody has that node part, or its node does not know the number),
  // kUnavailable and kDeadlineExceeded (the node is silent: it may well exist),
  // kFailedPrecondition (a wait for a request to this coordinator). A wait that runs out is no
  // error: the task has not ended.
  void Get(GetQuery query, MonoClock::duration timeout, TaskSinkFactory sinks,
           std::function<void(Result<GetAnswer>)> done);

  // Waits until each of the tasks has ended or nobody can say, or until query.wait is over. The
  // answer has each id exactly once, in the order of the query, and comes at the latest
  // limits::kWaitMargin + limits::kNodeDeadline after the wait. Errors: kInvalidArgument (no id, or
  // too many), kResourceExhausted (as List).
  void Await(AwaitQuery query, TaskSinkFactory sinks,
             std::function<void(Result<std::vector<AwaitedTask>>)> done);

  // The one function from which a 200 of a cancel can come: it has a value only after the commit
  // (or where there is nothing to commit: then no slot answered). Errors: as List, and
  // kOutcomeUnknown, kResourceExhausted, kInternal from the store.
  void Cancel(CancelQuery query, const Principal& who, MonoClock::duration timeout,
              TaskSinkFactory sinks, std::function<void(Result<Gathered>)> done);

  std::vector<MemberStatus> Members() const;
  // Of those that are selected; tokens that name nobody are left out. Errors: kInvalidArgument.
  Result<std::vector<MemberStatus>> Members(const NodeSelection& selection) const;
  // Changes whenever a member comes, goes or begins a new life.
  struct MembersVersion {
    std::uint64_t number = 0;  // Grows, within this life of the coordinator.
    std::string id;            // Of this number in this life.
  };
  MembersVersion members_version() const;
  // Is this the id of a member (not of one that has left)?
  bool Knows(std::string_view node) const;
  const NodeInfo& self() const;
  Executor& executor();
  // limits::kFanOutsMax lists and looks are in flight, or kWaitsMax of those that wait, or
  // kCancelsMax cancels: the next one of its sort would be refused.
  bool AtCapacity(bool wait = false) const;
  bool CancelsAtCapacity() const;
  // Its tasks and the intents pending for it are given up. A node that comes back all the same
  // joins as a new one; what was given up stays so. Errors: kNotFound, kFailedPrecondition (it is
  // alive: let it leave, or stop it first), and the store's.
  void Forget(const NodeId& node, std::function<void(Result<Forgotten>)> done);
  // Answered by now + timeout, with what lives on the node then. A node on which something lives
  // does not leave: that is no error, its answer is not `left`. Errors: kNotFound,
  // kFailedPrecondition (this coordinator), kUnavailable and kDeadlineExceeded (it is away),
  // kResourceExhausted, kOutcomeUnknown (it leaves, and has not been heard of since), kCancelled.
  void Drain(DrainQuery query, MonoClock::duration timeout, TaskSinkFactory sinks,
             std::function<void(Result<DrainAnswer>)> done);

  void OnJoin(JoinRequest request, const Principal& who,
              std::function<void(Result<JoinReply>)> reply) override;
  void OnHeartbeat(HeartbeatRequest request, const Principal& who,
                   std::function<void(Result<HeartbeatReply>)> reply) override;
  void OnLeave(LeaveRequest request, const Principal& who,
               std::function<void(Status)> reply) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quell
