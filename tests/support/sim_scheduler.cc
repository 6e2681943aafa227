#include "tests/support/sim_scheduler.h"

#include <algorithm>
#include <vector>

#include "tests/support/sim_executor.h"

namespace quell {

TimerId SimScheduler::At(MonoTime when, SimExecutor* owner, Work work) {
  const TimerId id{next_id_++};
  Insert(when, Event{owner, id, std::move(work)});
  return id;
}

void SimScheduler::Insert(MonoTime when, Event event) {
  const Key key{std::max(when, now_), next_order_++};
  keys_.emplace(static_cast<std::uint64_t>(event.id), key);
  queue_.emplace(key, std::move(event));
}

void SimScheduler::Cancel(TimerId id) {
  const auto place = keys_.find(static_cast<std::uint64_t>(id));
  if (place == keys_.end()) return;
  // The work may own what cancels it: it is destroyed only after the tables are right again.
  auto node = queue_.extract(place->second);
  keys_.erase(place);
}

void SimScheduler::Drop(const SimExecutor* owner) {
  std::vector<Work> doomed;
  for (auto it = queue_.begin(); it != queue_.end();) {
    if (it->second.owner != owner) {
      ++it;
      continue;
    }
    doomed.push_back(std::move(it->second.work));
    keys_.erase(static_cast<std::uint64_t>(it->second.id));
    it = queue_.erase(it);
  }
}

std::size_t SimScheduler::Pending(const SimExecutor* owner) const {
  std::size_t count = 0;
  for (const auto& [key, event] : queue_)
    count += event.owner == owner ? 1 : 0;
  return count;
}

void SimScheduler::Advance(MonoClock::duration duration) {
  const MonoTime end = now_ + duration;
  while (!queue_.empty() && queue_.begin()->first.when <= end)
    RunFirst();
  now_ = end;
}

bool SimScheduler::RunUntil(const std::function<bool()>& done, MonoClock::duration limit) {
  const MonoTime end = now_ + limit;
  while (!done()) {
    if (queue_.empty() || queue_.begin()->first.when > end) {
      now_ = end;
      return done();
    }
    RunFirst();
  }
  return true;
}

void SimScheduler::RunFirst() {
  auto node = queue_.extract(queue_.begin());
  now_ = node.key().when;
  Event& event = node.mapped();
  keys_.erase(static_cast<std::uint64_t>(event.id));
  if (event.owner != nullptr && event.owner->Hold(event.id, event.work)) return;
  ++events_run_;
  Mix(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
  Mix(static_cast<std::uint64_t>(event.id));
  event.work();
}

void SimScheduler::Trace(std::string_view line) {
  for (const char c : line)
    Mix(static_cast<unsigned char>(c));
  if (trace_sink_) trace_sink_(now_, line);
}

void SimScheduler::Mix(std::uint64_t value) {
  hash_ = (hash_ ^ value) * 1099511628211ULL;
}

}  // namespace quell
