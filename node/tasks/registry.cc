#include "node/tasks/registry.h"

#include <utility>

namespace quell {

LiveTask& Registry::Add(Task task, std::string key) {
  const std::uint64_t number = task.id.number;
  LiveTask& live = live_[number];
  live.task = std::move(task);
  for (const TaskId& ancestor : live.task.ancestors)
    below_[ancestor].insert(number);
  ++by_uid_[live.task.owner_uid];
  live.key = std::move(key);
  if (!live.key.empty()) by_key_[{live.task.owner_uid, live.key}] = number;
  return live;
}

LiveTask* Registry::Find(std::uint64_t number) {
  const auto found = live_.find(number);
  return found == live_.end() ? nullptr : &found->second;
}

const LiveTask* Registry::Find(std::uint64_t number) const {
  const auto found = live_.find(number);
  return found == live_.end() ? nullptr : &found->second;
}

const EndedTask& Registry::End(LiveTask& live) {
  const std::uint64_t number = live.task.id.number;
  for (const TaskId& ancestor : live.task.ancestors) {
    const auto below = below_.find(ancestor);
    if (below == below_.end()) continue;  // A chain that names an ancestor twice.
    below->second.erase(number);
    if (below->second.empty()) below_.erase(below);
  }
  const auto of_uid = by_uid_.find(live.task.owner_uid);
  if (--of_uid->second == 0) by_uid_.erase(of_uid);

  if (ended_order_.size() >= ended_max_) {
    const auto oldest = ended_.find(ended_order_.front());
    if (!oldest->second.key.empty())
      by_key_.erase({oldest->second.task.owner_uid, oldest->second.key});
    ended_.erase(oldest);
    ended_order_.pop_front();
  }
  EndedTask& ended = ended_[number];
  ended.task = std::move(live.task);
  if (live.receipt) ended.receipt = std::move(*live.receipt);
  ended.key = std::move(live.key);
  ended_order_.push_back(number);
  live_.erase(number);
  return ended;
}

const EndedTask* Registry::FindEnded(std::uint64_t number) const {
  const auto found = ended_.find(number);
  return found == ended_.end() ? nullptr : &found->second;
}

EndedTask* Registry::FindEnded(std::uint64_t number) {
  const auto found = ended_.find(number);
  return found == ended_.end() ? nullptr : &found->second;
}

std::uint64_t Registry::FindKey(std::uint32_t uid, const std::string& key) const {
  const auto found = by_key_.find({uid, key});
  return found == by_key_.end() ? 0 : found->second;
}

std::size_t Registry::CountBelow(const TaskId& ancestor) const {
  const auto below = below_.find(ancestor);
  return below == below_.end() ? 0 : below->second.size();
}

std::size_t Registry::CountOf(std::uint32_t uid) const {
  const auto of_uid = by_uid_.find(uid);
  return of_uid == by_uid_.end() ? 0 : of_uid->second;
}

}  // namespace quell
