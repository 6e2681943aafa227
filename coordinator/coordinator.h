// The coordinator's decisions: who is a member, whom a request asks, what was promised to whom. A
// plain class on one executor, driven by values; runs unchanged on the simulated network.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "coordinator/fan_out/request_context.h"
#include "coordinator/members/standing.h"
#include "coordinator/store/store.h"
#include "core/executor.h"
#include "core/failure.h"
#include "core/host_load.h"
#include "core/node_info.h"
#include "core/principal.h"
#include "core/random.h"
#include "core/request_tasks.h"
#include "transport/membership.h"
#include "transport/node_client.h"

namespace quell {

// Takes one node's tasks. Called on whatever thread received them, one call at a time.
class TaskSink {
 public:
  virtual ~TaskSink() = default;
  virtual void OnTasks(std::span<const TaskView> page) = 0;
};
// Makes the sink for one slot, on the executor, before the node is asked.
using TaskSinkFactory = std::function<std::shared_ptr<TaskSink>(const NodeInfo&)>;

// One selected node in an answer: it answered, or it failed. A node that failed midway has failed,
// and what its sink got must not be shown.
struct Slot {
  std::optional<NodeInfo> node;  // None: a token or an id that names nobody.
  std::optional<NodeFailure> failure;
  std::shared_ptr<TaskSink> sink;  // What answered, rendered.
  std::optional<NodeReply> reply;  // If it answered.
  // Of its tasks those that cannot be read; the last one may stand for several.
  std::vector<TaskFailure> task_failures = {};
};

// Every selected node exactly once, in the order of selection.
struct Gathered {
  std::vector<Slot> slots;
  std::optional<IntentId> intent;  // Of a cancel that committed one.
  // Spared by that cancel: nobody can tell whether they began before it.
  std::vector<TaskId> doubtful = {};
  std::uint64_t running = 0;  // Tasks that were waited for, and had not ended by then.
  bool known = false;         // The store had this cancel already: who asked first, and why, stays.
  std::size_t selected() const { return slots.size(); }
  std::size_t failed() const;
  bool misses_tasks() const;  // Some slot has task_failures.
};

// Which nodes: tokens as OpenSearch's `nodes` takes them (selection.h); none: all that are known.
struct NodeSelection {
  std::vector<std::string> tokens;
  // A token without '*' that names nobody: a failed slot (true, "documented") or nothing
  // ("strict").
  bool unknown_token_fails = true;
};

// How many tasks a list may bring; what a node has beyond its share its ListReply calls `more`.
struct ListShare {
  std::size_t total =
      0;  // Of all nodes, in even shares, but limits::kListShareMin at least; 0: any.
  std::size_t each = 0;  // Of one node at most; 0: any.
};

// With `wait` an answer comes when the tasks have ended, or when the timeout runs out with what is
// known then; it shows them as they are at that moment. A caller who leaves ends the wait.
struct ListQuery {
  NodeSelection nodes;
  TaskFilter filter;
  bool detailed = false;
  // Only what comes after this task, in the order of the selected nodes and of their numbers.
  std::optional<TaskId> after = std::nullopt;
  ListShare share = {};
  // Then `after` and `share` have no effect: all that is waited for comes.
  bool wait = false;
  std::shared_ptr<RequestContext> context = nullptr;
  // Those that have ended within this time too, as far as their nodes remember them.
  std::optional<WallClock::duration> ended_within = {};
  // This request as a task of the coordinator, which names its action. Then requests are listed
  // too: this one, its parts, and those of others. None: it is not shown, and shows none.
  std::optional<RequestTask> as_task = {};
};

// A request to this coordinator is a task too; it is not waited for, and once it has been answered
// nobody remembers it.
struct GetQuery {
  TaskIdText id;
  bool wait = false;
  std::shared_ptr<RequestContext> context = nullptr;
  std::optional<RequestTask> as_task = {};  // As in ListQuery.
};

struct GetAnswer {
  NodeInfo node;
  bool ended = false;
  std::optional<Receipt> receipt;
  std::shared_ptr<TaskSink> sink;  // Got one page of one task.
};

// Tasks by id, each on its own: how did it end, or does it still run?
struct AwaitQuery {
  std::vector<TaskIdText> ids;  // At most limits::kAwaitIdsMax.
  MonoClock::duration wait{0};  // At most limits::kWaitMax; 0: as they are now.
  std::shared_ptr<RequestContext> context = nullptr;
};

// One task of the answer. Where `unknown` is set nobody can say whether the task runs; that is
// never the same as "has ended".
struct AwaitedTask {
  TaskIdText id;
  // kNotFound: its node is not a member (it was forgotten, or has left), or has no record of it.
  // kUnavailable, kDeadlineExceeded, kResourceExhausted, kInternal: the node did not answer.
  // kFailedPrecondition: a request to this coordinator.
  std::optional<Error> unknown;
  std::string node_name;           // Empty: not a member.
  bool ended = false;              // With how it ended in what the sink got.
  std::optional<Receipt> receipt;  // If it was cancelled.
  std::shared_ptr<TaskSink> sink;  // Got one page of one task; null where `unknown` is set.
};

struct CancelQuery {
  std::variant<TaskIdText, NodeSelection> where;  // One task, or a filter over nodes.
  TaskFilter filter;                              // With a NodeSelection.
  std::string reason;
  std::chrono::milliseconds grace{0};  // 0: limits::kGraceDefault.
  bool wait = false;                   // Descendants on the same node too.
  // By id: a task that has ended is said to have ended ("documented"), or is as good as one that
  // never was ("strict").
  bool tell_ended = false;
  std::shared_ptr<RequestContext> context = nullptr;
  std::optional<RequestTask> as_task = {};  // As in ListQuery.
};

struct MemberStatus {
  NodeInfo info;
  bool is_self = false;
  bool restored = false;          // This life began on a restored copy of its data.
  bool alive = false;             // A heartbeat within limits::kSilentAfter.
  Standing standing;              // The same in full.
  std::optional<MonoTime> heard;  // In this life of the coordinator.
  std::size_t pending = 0;        // Intents it has not acknowledged.
  std::optional<CancelledRunning> cancelled_running;  // As its last heartbeat told.
  HostLoad host_load;                                 // Likewise; the coordinator's own as it is.
  std::optional<std::uint64_t> live_tasks;            // As its last heartbeat told.
  bool draining = false;                              // Likewise: it takes no new tasks.
};

// A node takes no new tasks, or leaves the fleet.
struct DrainQuery {
  enum class What : std::uint8_t { kDrain, kTakeAgain, kLeave };
  NodeId node;
  What what = What::kDrain;
  bool wait = false;  // Until nothing lives on it.
  std::shared_ptr<RequestContext> context = nullptr;
};

struct DrainAnswer {
  NodeInfo node;
  bool draining = false;
  bool left = false;               // It is not a member any more.
  std::uint64_t live = 0;          // Tasks that live there, or are being registered.
  std::shared_ptr<TaskSink> sink;  // Got the first limits::kDrainShown of them.
};

// What is given up with a node.
struct Forgotten {
  NodeInfo node;
  std::size_t pending = 0;                  // Cancels that it has not acknowledged.
  std::optional<std::uint64_t> live_tasks;  // As its last heartbeat told; unknown from now on.
};

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

struct CoordinatorServices {
  Executor& executor;
  Random& random;
  Store& store;
  NodeClient& nodes;
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
