// A coordinator's store in memory. The file outlives the process; a commit may also end in
// "outcome unknown", having happened or not.
#pragma once

#include <map>
#include <set>

#include "coordinator/store/store.h"
#include "core/executor.h"
#include "core/random.h"
#include "tests/support/sim_disk.h"

namespace quell {

// What is durable. Survives the coordinator; tests may read it at any time.
struct StoreFile {
  struct Kept {
    Intent intent;
    WallTime durable_at;
    MonoTime durable_true;   // By the clock of the process that committed it.
    std::set<NodeId> asked;  // All for whom it ever was pending.
    std::map<NodeId, Horizon> pending;
    std::set<NodeId> given_up;  // With a node that left or was forgotten.
    std::map<TaskId, Receipt> receipts;
    std::uint64_t order = 0;  // Of the first commit.
  };

  std::map<NodeId, KnownNode> nodes;
  std::map<IntentId, Kept> intents;
  std::map<TaskId, IntentId> by_task;
  std::set<NodeId> forgotten;
  std::uint64_t next_number = 1;
  SimDisk disk;
  std::size_t unknown_next = 0;       // The next so many commits end as outcome unknown.
  bool unknown_is_durable = true;     // What becomes of those, without randomness.
  unsigned unknown_per_thousand = 0;  // Random ones do; a coin says what becomes of them.

  // The next start of the daemon.
  StoreState Open() const;
};

class MemoryStore final : public Store {
 public:
  // `random` may be null: then the disk always takes its least time.
  MemoryStore(Executor& executor, StoreFile& file, Random* random = nullptr)
      : executor_(executor), file_(file), random_(random), queue_(executor, file.disk, random) {}

  void CommitIntent(Intent intent, std::vector<PendingAt> pending,
                    std::function<void(Result<StoredIntent>)> done) override;
  void Acknowledge(const NodeId& node, const IntentId& intent,
                   const std::vector<Receipt>& receipts) override;
  void ReserveNumbers(std::uint64_t end, std::function<void(Status)> done) override;
  void PutNode(KnownNode node, std::function<void(Status)> done) override;
  void ForgetNode(const NodeId& node, std::function<void(Status)> done) override;

 private:
  enum class Fate { kPlain, kUnknownDurable, kUnknownLost };
  Fate PickFate();
  void Commit(std::function<void()> durable, std::function<void(Status)> done);
  void GiveUp(const NodeId& node);
  StoredIntent Keep(const Intent& intent, const std::vector<PendingAt>& pending);

  Executor& executor_;
  StoreFile& file_;
  Random* random_;
  SimDiskQueue queue_;
};

}  // namespace quell
