// Answers of a node about its tasks, in pages that are written straight from the registry.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/filter.h"
#include "core/request_tasks.h"
#include "core/task_id_allocator.h"
#include "node/journal/journal.h"
#include "node/tasks/node_context.h"
#include "node/tasks/registry.h"
#include "node/tasks/task_lifecycle.h"
#include "transport/node_handler.h"

namespace quell {

// Not thread-safe: on the node's executor.
class TaskQueries {
 public:
  // Lower numbers than `first_number` were given out by earlier starts of the daemon.
  TaskQueries(const NodeContext& context, Journal& journal, Registry& registry,
              TaskIdAllocator& numbers, const TaskLifecycle& lifecycle, std::uint64_t first_number);

  // The live tasks that match, and requests if they are wanted, in ascending order, then the ended
  // ones if they are wanted; a page at a time, each when the one before it was taken; nothing more
  // after `deadline`.
  void List(ListRequest request, MonoTime deadline, std::shared_ptr<ReplyWriter> writer);
  // One task, from the registry or else from the journal. A task that its program may still bring
  // back after this start is not denied: then the answer comes when that time is over, at most
  // limits::kComeBack after the start.
  void Get(std::uint64_t number, std::shared_ptr<ReplyWriter> writer);
  // The request shows as a task until the last of what this returns is gone. Null: it is not shown.
  RequestTasks::Held Begin(const std::optional<RequestTask>& request);
  struct Selection {
    std::vector<std::uint64_t> numbers;       // Ascending.
    bool detailed = true;                     // With description and status.
    bool journal = false;                     // Also those that only the journal remembers.
    std::optional<TaskFilter> requests = {};  // Those that match, after the others.
  };
  // Those that live, or have ended and are remembered; then what `reply` makes of their count.
  void Show(Selection selection, std::function<NodeReply(std::uint64_t shown)> reply,
            std::shared_ptr<ReplyWriter> writer);

 private:
  struct Listing;
  struct Showing;
  void Continue(const std::shared_ptr<Listing>& listing);
  void ContinueWithEnded(const std::shared_ptr<Listing>& listing);
  void ListEnded(const std::shared_ptr<Listing>& listing, const Result<std::vector<Task>>& found);
  // Then it is finished.
  bool IsLate(Listing& listing) const;
  void Continue(const std::shared_ptr<Showing>& showing);
  void LookUp(const std::shared_ptr<Showing>& showing);
  void GetLater(std::uint64_t number, std::shared_ptr<ReplyWriter> writer);
  void ShowFound(const Result<Task>& found, const std::shared_ptr<ReplyWriter>& writer) const;

  // A task of which nothing is known may be one that its program is about to bring back.
  bool MayComeBack(std::uint64_t number) const;

  const NodeContext& context_;
  Journal& journal_;
  Registry& registry_;
  TaskIdAllocator& numbers_;
  const TaskLifecycle& lifecycle_;
  RequestTasks requests_;  // Parts of coordinators' requests.
  const std::uint64_t first_number_;
  const MonoTime come_back_until_;
};

}  // namespace quell
