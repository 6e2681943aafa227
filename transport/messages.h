// What a coordinator asks of a node and what a node says to a coordinator, as values. Requests and
// replies are idempotent: a message may be lost, doubled or reordered without harm.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/clock.h"
#include "core/filter.h"
#include "core/host_load.h"
#include "core/ids.h"
#include "core/intent.h"
#include "core/node_info.h"
#include "core/receipt.h"
#include "core/request_tasks.h"

namespace quell {

// ---- Coordinator to node
// -------------------------------------------------------------------------

// The live tasks that match, in ascending order of their numbers, as pages. Numbers only grow: who
// asks again after the last one that it got misses no task and sees none twice.
struct ListRequest {
  TaskFilter filter;
  bool detailed = false;    // Description and status too.
  std::uint64_t after = 0;  // Only tasks with a higher number.
  std::uint64_t limit = 0;  // At most so many tasks, and about kListPartBytes; 0: all.
  // After them, in ascending order too, those that ended at this moment or later, by the node's
  // clock, as far as it remembers them. `after` and `limit` speak of
  // the live ones. None: those alone.
  std::optional<WallTime> ended_since = {};
  // This request's part on the node as a task: then requests are listed too. None: they are not.
  std::optional<RequestTask> as_task = {};
};

// One task, live or ended. The task itself comes as a page of one.
struct GetRequest {
  std::uint64_t number = 0;
};

// Intents to be applied and journaled. The tasks that an intent hit itself (not their descendants)
// come as pages; an intent on one task shows it also if it was cancelled before.
struct ApplyRequest {
  std::vector<Intent> intents;
};

// Are you there, and in which life?
struct ProbeRequest {};

// Answered when the tasks have ended, or after `limit` with what is known then: a wait that runs
// out is no error. They come as pages, in ascending order of their numbers, as they are at the
// answer.
struct AwaitRequest {
  // By number: live ones, and ended ones that somebody remembers; at most limits::kTasksPerNodeMax,
  // in any order. By filter: those that live and match when the node looks.
  std::variant<std::vector<std::uint64_t>, TaskFilter> which;
  bool descendants = false;  // What lives below the numbers is waited for too; it does not come.
  bool detailed = false;     // Description and status too.
  std::chrono::microseconds limit{0};  // At most limits::kWaitMax; from its arrival on.
  // As in ListRequest. Requests are never waited for; by a filter they come when the wait is over.
  std::optional<RequestTask> as_task = {};
};

// Take no new tasks from now on, or take them again. Until the daemon is started anew.
struct DrainRequest {
  bool off = false;    // Take them again.
  bool leave = false;  // If nothing lives: leave the fleet, and end the daemon.
};

using NodeRequest =
    std::variant<ListRequest, GetRequest, ApplyRequest, ProbeRequest, AwaitRequest, DrainRequest>;

struct ListReply {
  std::uint64_t count = 0;  // Tasks in all pages.
  bool more = false;        // A limit was met before the last task was looked at.
};

// A GetRequest for a number that never was issued, or was forgotten, is answered by kNotFound.
struct GetReply {
  bool ended = false;
  std::optional<Receipt> receipt;  // If it was cancelled.
  LifeId life = {};                // Of the node. Null: an older one.
};

// The node has journaled the intent; nothing can make it forget.
struct IntentAck {
  IntentId intent;
  std::vector<Receipt> receipts;  // One for each task marked under it, descendants included.
  std::vector<TaskId> doubtful;   // Spared: whether they began before it cannot be told.

  friend bool operator==(const IntentAck&, const IntentAck&) = default;
};

struct ApplyReply {
  std::vector<IntentAck> acks;
};

struct ProbeReply {
  NodeId node;
  Incarnation incarnation = Incarnation::kNone;
};

struct AwaitReply {
  std::uint64_t count = 0;    // Tasks in all pages.
  std::uint64_t running = 0;  // Waited for, and not ended when the wait was over.
};

// At most limits::kDrainShown of the tasks that live come as pages, those with the lowest numbers.
struct DrainReply {
  std::uint64_t live = 0;  // Tasks that live, or are being registered; cancels that are owed.
  bool draining = false;
  bool leaving = false;  // Nothing lives: a LeaveRequest follows, until it is answered.
};

using NodeReply = std::variant<ListReply, GetReply, ApplyReply, ProbeReply, AwaitReply, DrainReply>;

// ---- Node to coordinator
// -------------------------------------------------------------------------

struct JoinRequest {
  NodeInfo node;
  std::uint64_t next_number = 0;  // The lowest number it may still give out.
  // On the same data directory, the last one first; at most limits::kLivesKept.
  std::vector<LifeId> former_lives = {};
};

struct JoinReply {
  NodeId coordinator;
  std::string coordinator_name;
  std::uint64_t next_number = 0;  // Give out no number below this (a data directory was restored).
  std::vector<Intent> pending;    // At most limits::kIntentsPerReply; the rest with the heartbeats.
  BootMoment clock;               // Of the coordinator's host, as it answered.
  WallTime wall;                  // As above; for older nodes.
};

// The tasks of a node that were cancelled and still ran limits::kStillRunsAfter later.
struct CancelledRunning {
  std::uint64_t now = 0;    // Those that have not ended yet.
  std::uint64_t total = 0;  // All since the node started, each once.

  friend bool operator==(const CancelledRunning&, const CancelledRunning&) = default;
};

struct HeartbeatRequest {
  NodeId node;
  Incarnation incarnation = Incarnation::kNone;
  std::uint64_t next_number = 0;
  std::vector<IntentAck>
      acks;  // Of intents that came with a join or heartbeat; repeated until answered.
  std::optional<CancelledRunning> cancelled_running =
      {};  // None: an older node, which does not count.
  // Cancels that were born at the node, on tasks of its own: it has journaled and carried them out.
  // Repeated until answered; at most limits::kIntentsPerReply.
  std::vector<Intent> handoff = {};
  HostLoad host_load = {};
  LifeId life = {};                              // Null: an older node.
  std::optional<std::uint64_t> live_tasks = {};  // None: an older node, which does not say.
  bool draining = false;                         // It takes no new tasks.
};

struct HeartbeatReply {
  bool rejoin = false;  // The coordinator does not know this life of the node: join again.
  std::vector<Intent> pending;
  BootMoment clock;                    // Of the coordinator's host, as it answered.
  WallTime wall;                       // As above; for older nodes.
  std::vector<IntentId> settled = {};  // Of those owed: the store has them.
};

// The daemon stops: from now on the node is away. Or the node leaves the fleet.
struct LeaveRequest {
  NodeId node;
  Incarnation incarnation = Incarnation::kNone;
  bool for_good = false;  // It leaves: nothing lives on it.
};

}  // namespace quell
