// The tasks of this host: those that live, and the last ones that ended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/limits.h"
#include "core/receipt.h"
#include "core/task.h"

namespace quell {

struct Session;

struct LiveTask {
  Task task;
  Session* session = nullptr;
  std::unique_ptr<Receipt> receipt;  // As soon as it is cancelled.
  bool may_tell = false;             // Its cancel is journaled: the program may hear of it.
  bool claimed_start = false;        // Its program named its start: it may have registered late.
  // A filter that was applied before may hit it: that cannot be told yet.
  bool unchecked = false;
  bool overdue = false;  // Cancelled, and counted as one that runs on (Overdue).
  std::string key;       // Of its registration; empty: none.
};

struct EndedTask {
  Task task;
  std::optional<Receipt> receipt;  // If it was cancelled.
  std::string key;
  bool durable = true;  // False: its program said so, and the journal has not taken it yet.
};

// Not thread-safe. References to a live task are valid until it ends; to an ended one, until the
// next one ends.
class Registry {
 public:
  explicit Registry(std::size_t ended_max = limits::kEndedKept) : ended_max_(ended_max) {}

  // No live task has its number; no task that is known here has its key.
  LiveTask& Add(Task task, std::string key = {});
  LiveTask* Find(std::uint64_t number);
  const LiveTask* Find(std::uint64_t number) const;
  // The task is terminal. Forgets the oldest of the ended ones if there are too many.
  const EndedTask& End(LiveTask& live);
  const EndedTask* FindEnded(std::uint64_t number) const;
  EndedTask* FindEnded(std::uint64_t number);
  // The task, live or ended, that this user has registered with `key`; 0: none.
  std::uint64_t FindKey(std::uint32_t uid, const std::string& key) const;

  // Visits live tasks in ascending order of their numbers, from the first above `after`, until
  // `visit` returns false. False: it did. `visit` must not add or end tasks.
  template <typename Visit>
  bool Scan(std::uint64_t after, Visit visit);
  // The same for those that have `ancestor` anywhere in their chain.
  template <typename Visit>
  bool ScanBelow(const TaskId& ancestor, std::uint64_t after, Visit visit);
  std::size_t CountBelow(const TaskId& ancestor) const;

  std::size_t size() const { return live_.size(); }
  std::size_t CountOf(std::uint32_t uid) const;

 private:
  const std::size_t ended_max_;
  std::map<std::uint64_t, LiveTask> live_;
  std::unordered_map<TaskId, std::set<std::uint64_t>> below_;  // Looked up, never walked.
  std::unordered_map<std::uint32_t, std::size_t> by_uid_;      // As above.
  std::unordered_map<std::uint64_t, EndedTask> ended_;         // As above.
  std::deque<std::uint64_t> ended_order_;
  std::map<std::pair<std::uint32_t, std::string>, std::uint64_t> by_key_;
};

template <typename Visit>
bool Registry::Scan(std::uint64_t after, Visit visit) {
  for (auto at = live_.upper_bound(after); at != live_.end(); ++at) {
    if (!visit(at->second)) return false;
  }
  return true;
}

template <typename Visit>
bool Registry::ScanBelow(const TaskId& ancestor, std::uint64_t after, Visit visit) {
  const auto below = below_.find(ancestor);
  if (below == below_.end()) return true;
  for (auto at = below->second.upper_bound(after); at != below->second.end(); ++at) {
    if (!visit(live_.find(*at)->second)) return false;
  }
  return true;
}

}  // namespace quell
