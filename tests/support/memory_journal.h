// A node's journal in memory. The file outlives the process: what was committed survives a crash,
// what was only written behind may be lost.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "core/executor.h"
#include "core/random.h"
#include "node/journal/journal.h"
#include "tests/support/sim_disk.h"

namespace quell {

// What is durable. Survives the node; tests may read it at any time.
struct JournalFile {
  Incarnation incarnation = Incarnation::kNone;
  std::uint64_t next_number = 1;
  std::uint64_t forgotten_below = 0;
  std::map<IntentId, AppliedIntent> applied;
  std::vector<IntentId> applied_order;  // Oldest first.
  std::map<std::uint64_t, Tombstone>
      tombstones;  // By task number; the first mark stays, and grows.
  std::map<std::pair<std::uint64_t, IntentId>, Receipt> receipts;
  std::map<std::uint64_t, Task> ended;
  std::map<std::uint64_t, LiveTaskRecord> live;
  std::vector<Life> lives;
  SimDisk disk;

  // The next start of the daemon: raises the incarnation and names a life, durably.
  JournalState Open(Random& random);
};

class MemoryJournal final : public Journal {
 public:
  // `random` may be null: then the disk always takes its least time.
  MemoryJournal(Executor& executor, JournalFile& file, Random* random = nullptr)
      : file_(file), queue_(executor, file.disk, random) {}

  void ReserveNumbers(std::uint64_t end, Done done) override;
  void RecordApplied(AppliedIntent applied, Done done) override;
  void RecordReceipt(const Receipt& receipt) override;
  void ForgetTombstones(std::vector<std::uint64_t> numbers) override;
  void RecordHandedOver(const IntentId& intent) override;
  void RecordJoined(std::uint64_t next_number) override;
  void RecordLive(std::vector<LiveTaskRecord> tasks, Done done) override;
  void RecordEnded(std::vector<Task> tasks, Done done) override;
  void FindEnded(std::uint64_t number, std::function<void(Result<Task>)> done) override;
  void ListEnded(WallTime since, std::uint64_t after,
                 std::function<void(Result<std::vector<Task>>)> done) override;

 private:
  // Makes what stands in ended_behind_ durable.
  void KeepEnded(const std::vector<std::uint64_t>& numbers);

  JournalFile& file_;
  SimDiskQueue queue_;
  std::map<std::uint64_t, Task> ended_behind_;  // Read back before it is durable.
};

}  // namespace quell
