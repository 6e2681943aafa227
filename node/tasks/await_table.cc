#include "node/tasks/await_table.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/limits.h"

namespace quell {
namespace {

using TaskNumbers = std::vector<std::uint64_t>;

Error TooMany(std::size_t most, std::string_view what) {
  return {ErrorCode::kResourceExhausted,
          std::to_string(most) + std::string(what) + " on this node already: come back later"};
}

}  // namespace

struct AwaitTable::Wait {
  std::uint64_t order = 0;
  AwaitRequest request;
  std::shared_ptr<ReplyWriter> writer;
  RequestTasks::Held own;   // This request, if it is shown.
  TaskNumbers shown;        // In the answer; ascending.
  TaskNumbers awaited;      // Those with an entry, or that have ended since.
  std::size_t running = 0;  // Of awaited: not ended.
  bool open = true;
  TimerId timer = TimerId::kNone;
  // While it looks for the tasks.
  bool collected = false;
  std::size_t next = 0;      // Of the wanted numbers.
  std::uint64_t cursor = 0;  // The last task that was looked at.
  std::uint64_t end = 0;     // What begins later is not waited for.
};

AwaitTable::AwaitTable(const NodeContext& context, Registry& registry,
                       const TaskIdAllocator& numbers, TaskQueries& queries, TaskEvents& events,
                       std::size_t awaited_max)
    : TaskObserver(events),
      context_(context),
      registry_(registry),
      numbers_(numbers),
      queries_(queries),
      awaited_max_(awaited_max) {}

void AwaitTable::Await(AwaitRequest request, MonoTime deadline,
                       std::shared_ptr<ReplyWriter> writer) {
  if (closed_) return writer->Finish(Error{ErrorCode::kUnavailable, "the node is stopping"});
  if (open_.size() >= limits::kWaitsPerNodeMax) {
    return writer->Finish(TooMany(limits::kWaitsPerNodeMax, " requests wait for tasks to end"));
  }
  const auto wait = std::make_shared<Wait>();
  wait->order = next_++;
  wait->request = std::move(request);
  wait->writer = std::move(writer);
  wait->end = numbers_.next();
  wait->own = queries_.Begin(wait->request.as_task);
  open_.emplace(wait->order, wait);
  const auto end = context_.lifetime.Guard([this, weak = std::weak_ptr<Wait>(wait)] {
    if (const WaitPtr left = weak.lock()) Close(left);
  });
  wait->writer->OnGone(end);
  wait->timer =
      context_.executor.At(std::min(deadline, context_.now() + wait->request.limit),
                           context_.lifetime.Guard([this, weak = std::weak_ptr<Wait>(wait)] {
                             if (const WaitPtr late = weak.lock()) Answer(late);
                           }));
  if (auto* numbers = std::get_if<TaskNumbers>(&wait->request.which)) {
    std::sort(numbers->begin(), numbers->end());
    numbers->erase(std::unique(numbers->begin(), numbers->end()), numbers->end());
    wait->shown = *numbers;
  }
  Collect(wait);
}

void AwaitTable::Collect(const WaitPtr& wait) {
  if (!wait->open) return;
  wait->collected = std::holds_alternative<TaskNumbers>(wait->request.which)
                        ? CollectNumbers(wait)
                        : CollectMatching(wait);
  if (entries_ > awaited_max_) {
    return Fail(wait, TooMany(awaited_max_, " tasks are waited for"));
  }
  if (!wait->collected) {
    context_.executor.Post(context_.lifetime.Guard([this, wait] { Collect(wait); }));
  } else if (wait->running == 0) {
    Answer(wait);
  }
}

// True: that was all.
bool AwaitTable::CollectMatching(const WaitPtr& wait) {
  const TaskFilter& filter = std::get<TaskFilter>(wait->request.which);
  std::size_t looks = filter.LooksPerTurn();
  const auto look = [&](const LiveTask& live) {
    const std::uint64_t number = live.task.id.number;
    wait->cursor = std::min(number, wait->end);
    if (number >= wait->end) return false;
    if (filter.Matches(live.task)) {
      wait->shown.push_back(number);
      Add(wait, number);
    }
    return --looks > 0;
  };
  const bool all = filter.parent ? registry_.ScanBelow(*filter.parent, wait->cursor, look)
                                 : registry_.Scan(wait->cursor, look);
  return all || wait->cursor == wait->end;
}

bool AwaitTable::CollectNumbers(const WaitPtr& wait) {
  const TaskNumbers& numbers = std::get<TaskNumbers>(wait->request.which);
  std::size_t looks = limits::kLooksPerTurn;
  const auto look = [&](const LiveTask& live) {
    wait->cursor = live.task.id.number;
    Add(wait, live.task.id.number);
    return --looks > 0;
  };
  for (; wait->next < numbers.size(); ++wait->next) {
    const std::uint64_t number = numbers[wait->next];
    if (wait->cursor == 0) {
      if (looks == 0) return false;
      --looks;
      if (registry_.Find(number) != nullptr) Add(wait, number);
    }
    if (!wait->request.descendants) continue;
    if (looks == 0 || !registry_.ScanBelow(context_.IdOf(number), wait->cursor, look)) {
      return false;
    }
    wait->cursor = 0;
  }
  return true;
}

void AwaitTable::Add(const WaitPtr& wait, std::uint64_t number) {
  std::vector<WaitPtr>& waiting = by_task_[number];
  if (std::find(waiting.begin(), waiting.end(), wait) != waiting.end()) return;
  waiting.push_back(wait);
  wait->awaited.push_back(number);
  ++wait->running;
  ++entries_;
}

void AwaitTable::OnTaskEnded(const LiveTask& live) {
  const auto found = by_task_.extract(live.task.id.number);
  if (found.empty()) return;
  entries_ -= found.mapped().size();
  for (const WaitPtr& wait : found.mapped()) {
    if (--wait->running > 0 || !wait->collected || !wait->open) continue;
    // The one who ends tasks may have more to end: the answer is no part of that.
    context_.executor.Post(context_.lifetime.Guard([this, wait] { Answer(wait); }));
  }
}

void AwaitTable::Answer(const WaitPtr& wait) {
  if (!wait->open) return;
  Close(wait);
  const std::uint64_t running = wait->running;
  TaskQueries::Selection selection{std::move(wait->shown), wait->request.detailed, true};
  if (wait->request.as_task && std::holds_alternative<TaskFilter>(wait->request.which)) {
    selection.requests = std::get<TaskFilter>(wait->request.which);
  }
  queries_.Show(
      std::move(selection),
      [running, own = std::move(wait->own)](std::uint64_t shown) {
        return AwaitReply{shown, running};
      },
      std::move(wait->writer));
}

void AwaitTable::Fail(const WaitPtr& wait, Error error) {
  Close(wait);
  wait->writer->Finish(std::move(error));
}

void AwaitTable::Close(const WaitPtr& wait) {
  if (!std::exchange(wait->open, false)) return;
  context_.executor.Cancel(wait->timer);
  open_.erase(wait->order);
  GiveBack(wait);
}

void AwaitTable::GiveBack(const WaitPtr& wait) {
  for (std::size_t looks = limits::kLooksPerTurn; !wait->awaited.empty(); --looks) {
    if (looks == 0) {
      return context_.executor.Post(context_.lifetime.Guard([this, wait] { GiveBack(wait); }));
    }
    const std::uint64_t number = wait->awaited.back();
    wait->awaited.pop_back();
    const auto found = by_task_.find(number);
    if (found == by_task_.end()) continue;  // It has ended.
    entries_ -= std::erase(found->second, wait);
    if (found->second.empty()) by_task_.erase(found);
  }
}

void AwaitTable::Close() {
  closed_ = true;
  while (!open_.empty()) {
    const WaitPtr wait = open_.begin()->second;
    Fail(wait, {ErrorCode::kUnavailable, "the node is stopping"});
  }
}

}  // namespace quell
