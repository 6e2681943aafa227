// The processes of one simulated host, and the node's watch over them.
#pragma once

#include <map>
#include <memory>

#include "core/executor.h"
#include "node/programs/process_watch.h"

namespace quell {

// The process table; outlives the node daemon.
class SimProcesses {
 public:
  // Starts a process; numbers grow from 1000.
  std::int32_t Spawn(std::uint32_t uid);
  // Ends it: whoever watches it hears of that.
  void Kill(std::int32_t pid);
  // Another process gets the pid of one that has ended.
  void Reuse(std::int32_t pid, std::uint32_t uid);
  // The program `peer` is in a pid namespace of its own: what it calls `inside` is `outside`. What
  // else it names cannot be found.
  void Isolate(std::int32_t peer, std::int32_t inside, std::int32_t outside);
  bool alive(std::int32_t pid) const { return alive_.count(pid) > 0; }

 private:
  friend class SimProcessWatch;
  struct Watcher {
    std::int32_t pid;
    Executor& executor;
    std::function<void()> exited;
  };

  std::int32_t next_ = 1000;
  std::map<std::int32_t, std::uint32_t> alive_;                            // Pid to uid.
  std::map<std::int32_t, std::uint64_t> reused_;                           // Pid to how often.
  std::map<std::int32_t, std::map<std::int32_t, std::int32_t>> isolated_;  // By peer.
  std::map<std::uint64_t, std::weak_ptr<Watcher>> watchers_;
  std::uint64_t next_watcher_ = 1;
};

class SimProcessWatch final : public ProcessWatch {
 public:
  SimProcessWatch(Executor& executor, SimProcesses& processes)
      : executor_(executor), processes_(processes) {}
  Result<std::int32_t> Find(std::int32_t peer, std::int32_t pid) override;
  Result<std::shared_ptr<void>> Watch(std::int32_t pid, std::uint32_t uid,
                                      std::function<void()> exited) override;
  std::uint64_t BirthOf(std::int32_t pid) override;

 private:
  Executor& executor_;
  SimProcesses& processes_;
};

}  // namespace quell
