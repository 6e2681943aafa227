#include "core/request_tasks.h"

#include <utility>

namespace quell {

// On the table for as long as it lives.
struct RequestTasks::Entry {
  ~Entry() { table->erase(task.id.number); }

  std::shared_ptr<Table> table;
  Task task;
};

RequestTasks::Held RequestTasks::Begin(const NodeId& node, TaskIdAllocator& numbers,
                                       RequestTask request, const Clock& clock) {
  const std::optional<std::uint64_t> number = numbers.TryTake();
  if (!number) return nullptr;
  const auto entry = std::make_shared<Entry>();
  entry->table = table_;
  Task& task = entry->task;
  task.id = {node, *number};
  task.type = std::move(request.type);
  task.action = std::move(request.action);
  task.description = std::move(request.description);
  task.cancellable = false;
  task.start_wall = clock.Wall();
  task.start_mono = clock.Now();
  if (request.parent) task.ancestors.push_back(*request.parent);
  task.headers = std::move(request.headers);
  table_->emplace(*number, &task);
  return {entry, &task};
}

const Task* RequestTasks::Find(std::uint64_t number) const {
  const auto found = table_->find(number);
  return found == table_->end() ? nullptr : found->second;
}

bool RequestTasks::Scan(std::uint64_t after, std::uint64_t before,
                        const std::function<bool(const Task&)>& see) const {
  for (auto next = table_->upper_bound(after); next != table_->end() && next->first < before;
       ++next) {
    if (!see(*next->second)) return false;
  }
  return true;
}

}  // namespace quell
