// What is asked of the coordinator.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "coordinator/fan_out/request_context.h"
#include "core/clock.h"
#include "core/filter.h"
#include "core/ids.h"
#include "core/request_tasks.h"

namespace quell {

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
  // Ended tasks too, if they ended within this time and their nodes still remember them.
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

// Tasks by id, each on its own: how did it end, or does it still run?
struct AwaitQuery {
  std::vector<TaskIdText> ids;  // At most limits::kAwaitIdsMax.
  MonoClock::duration wait{0};  // At most limits::kWaitMax; 0: as they are now.
  std::shared_ptr<RequestContext> context = nullptr;
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

// A node takes no new tasks, or leaves the fleet.
struct DrainQuery {
  enum class What : std::uint8_t { kDrain, kTakeAgain, kLeave };
  NodeId node;
  What what = What::kDrain;
  bool wait = false;  // Until nothing lives on it.
  std::shared_ptr<RequestContext> context = nullptr;
};

}  // namespace quell
