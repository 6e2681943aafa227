// What comes back: every selected node, with its tasks or with the cause of its failure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "coordinator/members/standing.h"
#include "core/failure.h"
#include "core/host_load.h"
#include "core/ids.h"
#include "core/node_info.h"
#include "core/receipt.h"
#include "transport/messages.h"

namespace quell {

// Takes one node's tasks. Called on whatever thread received them, one call at a time.
class TaskSink {
 public:
  virtual ~TaskSink() = default;
  virtual void OnTasks(std::span<const TaskView> page) = 0;
};
// Makes the sink for one slot, on the executor, before the node is asked.
using TaskSinkFactory = std::function<std::shared_ptr<TaskSink>(const NodeInfo&)>;
// A sink that came back, as what its factory made. Throws std::bad_cast if it made something else:
// a fault of the caller's that no input can bring about.
template <typename Sink>
Sink& SinkAs(TaskSink& sink) {
  return dynamic_cast<Sink&>(sink);
}
template <typename Sink>
const Sink& SinkAs(const TaskSink& sink) {
  return dynamic_cast<const Sink&>(sink);
}

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

struct GetAnswer {
  NodeInfo node;
  bool ended = false;
  std::optional<Receipt> receipt;
  std::shared_ptr<TaskSink> sink;  // Got one page of one task.
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

struct MemberStatus {
  NodeInfo info;
  bool is_self = false;
  bool restored = false;          // This life began on a restored copy of its data.
  bool alive = false;             // A heartbeat within limits::kSilentAfter.
  Standing standing;              // The same in full.
  std::optional<MonoTime> heard;  // In this life of the coordinator.
  std::size_t pending = 0;        // Intents it has not acknowledged.
  std::optional<CancelledRunning> cancelled_running;  // As its last heartbeat told.
  HostLoad host_load;                                 // As above; the coordinator's own as it is.
  std::optional<std::uint64_t> live_tasks;            // As its last heartbeat told.
  bool draining = false;                              // As above: it takes no new tasks.
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

}  // namespace quell
