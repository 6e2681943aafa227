// Coordinators that wait for tasks to end: no thread is blocked, nothing is looked at again and
// again. The end of a task wakes those who wait for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/limits.h"
#include "core/task_id_allocator.h"
#include "node/tasks/node_context.h"
#include "node/tasks/registry.h"
#include "node/tasks/task_events.h"
#include "node/tasks/task_queries.h"
#include "transport/node_handler.h"

namespace quell {

// Not thread-safe: on the node's executor.
class AwaitTable final : private TaskObserver {
 public:
  AwaitTable(const NodeContext& context, Registry& registry, const TaskIdAllocator& numbers,
             TaskQueries& queries, TaskEvents& events,
             std::size_t awaited_max = limits::kAwaitedMax);

  // Answers when the tasks have ended, or after request.limit, at `deadline` at the latest, with
  // all of them as they are then. Errors: kResourceExhausted (limits::kWaitsPerNodeMax or
  // kAwaitedMax is met). A caller that goes away is forgotten at once.
  void Await(AwaitRequest request, MonoTime deadline, std::shared_ptr<ReplyWriter> writer);

  // All waits end as kUnavailable: the node is stopping. Nothing waits from then on.
  void Close();

 private:
  struct Wait;
  using WaitPtr = std::shared_ptr<Wait>;

  void Collect(const WaitPtr& wait);
  bool CollectMatching(const WaitPtr& wait);
  bool CollectNumbers(const WaitPtr& wait);
  void Add(const WaitPtr& wait, std::uint64_t number);
  void OnTaskEnded(const LiveTask& live) override;
  void Answer(const WaitPtr& wait);
  void Fail(const WaitPtr& wait, Error error);
  // It waits no more. Its entries are given back in pieces.
  void Close(const WaitPtr& wait);
  void GiveBack(const WaitPtr& wait);

  const NodeContext& context_;
  Registry& registry_;
  const TaskIdAllocator& numbers_;
  TaskQueries& queries_;
  const std::size_t awaited_max_;
  std::map<std::uint64_t, WaitPtr> open_;  // By their order.
  std::uint64_t next_ = 1;
  // Who waits for which task. Looked up, never walked.
  std::unordered_map<std::uint64_t, std::vector<WaitPtr>> by_task_;
  std::size_t entries_ = 0;  // Of by_task_, all together.
  bool closed_ = false;
};

}  // namespace quell
