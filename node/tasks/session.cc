#include "node/tasks/session.h"

#include <algorithm>
#include <utility>

#include "core/limits.h"

namespace quell {

void Session::Add(const Task& task, std::shared_ptr<NamedProcess> process) {
  tasks.insert(task.id.number);
  if (task.pid == 0) {
    ++without_pid_;
    return;
  }
  LiveBy(process != nullptr ? std::move(process) : FindProcess(task.pid));
  ++processes_[task.pid].tasks;
}

void Session::LiveBy(std::shared_ptr<NamedProcess> process) {
  process->session = token;
  const std::int32_t pid = process->name.pid;
  processes_[pid].process = std::move(process);
  const auto main = processes_.find(pid_);
  if (main == processes_.end() || main->second.process->ended) pid_ = pid;
}

ProcessName Session::ProcessOf(const Task& task) const {
  const auto process = FindProcess(task.pid != 0 ? task.pid : pid_);
  return process != nullptr ? process->name : ProcessName{};
}

void Session::Remove(const Task& task) {
  tasks.erase(task.id.number);
  if (task.pid == 0) {
    --without_pid_;
    return;
  }
  const auto watched = processes_.find(task.pid);
  if (--watched->second.tasks == 0 && task.pid != pid_) processes_.erase(watched);
}

std::shared_ptr<NamedProcess> Session::FindProcess(std::int32_t pid) const {
  const auto watched = processes_.find(pid);
  return watched == processes_.end() ? nullptr : watched->second.process;
}

// Its end is no loss yet: whoever registered the task may be about to say how it went.
std::optional<MonoTime> Session::LossOf(const NamedProcess& process) const {
  if (!process.ended) return std::nullopt;
  return std::max(*process.ended, stream_ended.value_or(*process.ended)) + limits::kLostAfter;
}

std::optional<MonoTime> Session::NextLoss() const {
  if (sink != nullptr) return std::nullopt;
  std::optional<MonoTime> next;
  const auto consider = [&next](std::optional<MonoTime> moment) {
    if (moment && (!next || *moment < *next)) next = moment;
  };
  for (const auto& [pid, watched] : processes_) {
    const std::size_t leaning = watched.tasks + (pid == pid_ ? without_pid_ : 0);
    if (leaning > 0) consider(LossOf(*watched.process));
  }
  if (pid_ == 0 && without_pid_ > 0) consider(lease_end);
  return next;
}

bool Session::IsLost(const Task& task, MonoTime now) const {
  if (sink != nullptr) return false;
  const std::int32_t pid = task.pid != 0 ? task.pid : pid_;
  const auto watched = processes_.find(pid);
  const std::optional<MonoTime> loss =
      watched == processes_.end() ? lease_end : LossOf(*watched->second.process);
  return loss && *loss <= now;
}

}  // namespace quell
