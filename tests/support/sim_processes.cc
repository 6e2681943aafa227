#include "tests/support/sim_processes.h"

#include <string>
#include <utility>
#include <vector>

namespace quell {

std::int32_t SimProcesses::Spawn(std::uint32_t uid) {
  alive_[next_] = uid;
  return next_++;
}

void SimProcesses::Kill(std::int32_t pid) {
  if (alive_.erase(pid) == 0) return;
  std::vector<std::weak_ptr<Watcher>> told;
  for (auto it = watchers_.begin(); it != watchers_.end();) {
    const std::shared_ptr<Watcher> watcher = it->second.lock();
    if (watcher && watcher->pid != pid) {
      ++it;
      continue;
    }
    if (watcher) told.push_back(watcher);
    it = watchers_.erase(it);
  }
  for (const std::weak_ptr<Watcher>& weak : told) {
    const std::shared_ptr<Watcher> watcher = weak.lock();
    if (!watcher) continue;
    // The handle may be dropped until the turn comes.
    watcher->executor.Post([weak] {
      if (const std::shared_ptr<Watcher> still = weak.lock()) {
        const std::function<void()> exited = std::move(still->exited);
        exited();
      }
    });
  }
}

void SimProcesses::Reuse(std::int32_t pid, std::uint32_t uid) {
  alive_[pid] = uid;
  ++reused_[pid];
}

void SimProcesses::Isolate(std::int32_t peer, std::int32_t inside, std::int32_t outside) {
  isolated_[peer][inside] = outside;
}

Result<std::int32_t> SimProcessWatch::Find(std::int32_t peer, std::int32_t pid) {
  const auto isolated = processes_.isolated_.find(peer);
  if (isolated == processes_.isolated_.end()) return pid;
  const auto found = isolated->second.find(pid);
  if (found != isolated->second.end()) return found->second;
  return Error{ErrorCode::kNotFound, "no process has the pid " + std::to_string(pid)};
}

std::uint64_t SimProcessWatch::BirthOf(std::int32_t pid) {
  return processes_.alive(pid) ? 1 + processes_.reused_[pid] : 0;
}

Result<std::shared_ptr<void>> SimProcessWatch::Watch(std::int32_t pid, std::uint32_t uid,
                                                     std::function<void()> exited) {
  const auto process = processes_.alive_.find(pid);
  if (process == processes_.alive_.end()) {
    return Error{ErrorCode::kNotFound, "no process " + std::to_string(pid)};
  }
  if (uid != 0 && process->second != uid) {
    return Error{ErrorCode::kPermissionDenied,
                 "process " + std::to_string(pid) + " belongs to another user"};
  }
  auto watcher = std::make_shared<SimProcesses::Watcher>(
      SimProcesses::Watcher{pid, executor_, std::move(exited)});
  processes_.watchers_[processes_.next_watcher_++] = watcher;
  return std::shared_ptr<void>(std::move(watcher));
}

}  // namespace quell
