// A program that speaks for tasks. A session lives by its open stream, else by the processes that
// its tasks named, else by a lease that each call renews. The table of all sessions is
// node/programs/sessions.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "core/clock.h"
#include "core/executor.h"
#include "core/ids.h"
#include "core/task.h"
#include "node/journal/journal.h"
#include "node/tasks/task_messages.h"

namespace quell {

// A process that a task named.
struct NamedProcess {
  ProcessName name;
  std::shared_ptr<void> watch;
  std::optional<MonoTime> ended;
  std::optional<SessionToken> session;  // Once its task is registered.
};

struct Session {
  SessionToken token;
  std::uint32_t uid = 0;
  std::set<std::uint64_t> tasks;         // Its live ones.
  std::size_t registering = 0;           // Registrations under way hold it.
  std::shared_ptr<CommandSink> sink;     // Its open stream...
  std::shared_ptr<NamedProcess> opener;  // ...and who has opened it; null: not known.
  std::optional<MonoTime> stream_ended;  // It had a stream and has none now.
  MonoTime lease_end;
  TimerId timer = TimerId::kNone;

  // Orphaned: nobody hears of a cancel at once; the work may run on.
  bool detached() const { return sink == nullptr && stream_ended.has_value(); }
  bool idle() const { return tasks.empty() && sink == nullptr && registering == 0; }

  // `process` stands for it, unless one does already that lives.
  void LiveBy(std::shared_ptr<NamedProcess> process);
  // The process whose end would be the loss of `task`; pid 0: none.
  ProcessName ProcessOf(const Task& task) const;
  // A task of it begins or ends. `process`: the one that it names; null if FindProcess() has it.
  void Add(const Task& task, std::shared_ptr<NamedProcess> process);
  void Remove(const Task& task);

  // While it has no stream: when the next of its tasks will be lost, unless somebody calls.
  // nullopt: none will.
  std::optional<MonoTime> NextLoss() const;
  bool IsLost(const Task& task, MonoTime now) const;

  // The process that it watches by this pid, or null.
  std::shared_ptr<NamedProcess> FindProcess(std::int32_t pid) const;

 private:
  struct Watched {
    std::shared_ptr<NamedProcess> process;
    std::size_t tasks = 0;
  };
  std::optional<MonoTime> LossOf(const NamedProcess& process) const;

  std::map<std::int32_t, Watched> processes_;
  std::int32_t pid_ = 0;  // Stands for the tasks that name none: the first that one named.
  std::size_t without_pid_ = 0;
};

}  // namespace quell
