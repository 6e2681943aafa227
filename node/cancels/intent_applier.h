// Carries intents out: tombstones, marks on the target and on everything below it, the journal,
// then the programs and the acknowledgement. Together with what it says about tasks that are being
// registered, it is one critical section: each turn of the executor leaves no unmarked task whose
// ancestor has a tombstone, except for those that the rest of a running job will reach.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "core/task_id_allocator.h"
#include "node/cancels/intent_order.h"
#include "node/cancels/tombstones.h"
#include "node/journal/journal.h"
#include "node/tasks/node_context.h"
#include "node/tasks/registry.h"
#include "node/tasks/task_events.h"
#include "node/tasks/task_lifecycle.h"
#include "transport/messages.h"

namespace quell {

// Not thread-safe: on the node's executor.
class IntentApplier final : private TaskObserver {
 public:
  struct Applied {
    IntentAck ack;
    // The tasks that the intent hit itself, or found cancelled already, and that lived then.
    std::vector<std::uint64_t> hits;
  };
  using Done = std::function<void(Result<Applied>)>;

  // Told of tasks that an intent has spared, because nobody can tell whether they began before it.
  using Spared = std::function<void(const Intent&, const std::vector<TaskId>&)>;

  IntentApplier(const NodeContext& context, Journal& journal, Registry& registry,
                const TaskIdAllocator& numbers, Tombstones& tombstones, const IntentOrder& order,
                TaskLifecycle& lifecycle, Spared spared, const JournalState& recovered);
  ~IntentApplier();

  // Idempotent. `done` runs once, possibly inside the call, when the journal has the intent and the
  // programs were told. Of an intent that is known already the hits are found for a push alone.
  // Errors: kUnavailable (no coordinator's clock to compare with yet: nothing was done), the
  // journal's (the programs were told all the same). The intent must come again.
  void Apply(Intent intent, Way way, Done done);
  // One that is born here, on a task of this node; `owed`: as Journal has it.
  void ApplyOwn(Intent intent, bool handoff, Done done);

  // Marks that registrations have brought about, by intent; they want to be journaled.
  using Births = std::map<IntentId, AppliedIntent>;
  // The task has just been added. If it, or an ancestor, is cancelled here, or an applied filter
  // hits it (only if it may have begun `earlier` than now), it is marked, and everything below it
  // too.
  void OnRegistered(LiveTask& live, bool earlier, Births& births);
  // What OnRegistered() costs, in changes of limits::kChangesPerTurn.
  std::size_t CostOfRegistering(bool earlier) const;
  // Journals them; `done` runs once, possibly inside the call, when the programs may be told, also
  // if the journal fails.
  void RecordBirths(Births births, std::function<void()> done);
  // There is a coordinator's clock to compare with: tasks that registered before are looked at.
  void OnClockReady();

 private:
  // Its tombstone may be forgotten from now on.
  void OnTaskEnded(const LiveTask& live) override;

  struct Job;
  struct Known {
    bool durable = false;
    std::shared_ptr<Job> job;              // It is being applied.
    std::set<std::uint64_t> marked;        // Tombstones under it that are durable.
    std::vector<std::uint64_t> unwritten;  // Tombstones that the journal could not take.
    bool may_go = false;                   // It is in known_order_.
  };

  void Begin(const std::shared_ptr<Job>& job);
  void Continue(const std::shared_ptr<Job>& job);
  void ContinueSoon(const std::shared_ptr<Job>& job);
  void BeginMarking(const Job& job);
  bool Scan(Job& job);
  void ScanTarget(Job& job, const TaskId& target);
  void NameSpared(const Job& job) const;
  bool Visit(Job& job, LiveTask& live);
  bool Cascade(Job& job);
  void Record(const std::shared_ptr<Job>& job);
  void OnRecorded(const std::shared_ptr<Job>& job, const Status& status);
  void Release(const std::shared_ptr<Job>& job, const Status& status);
  void ReleaseOne(std::uint64_t number, const Intent& intent, bool durable);
  void End(const std::shared_ptr<Job>& job, const Status& status);

  // Returns whether the task is one to be listed.
  bool Hit(Job& job, LiveTask& live);
  void Mark(Job& job, std::uint64_t number, LiveTask* live, bool inherited);
  void Write(Job& job, const Tombstone& tombstone);
  bool IsStronger(const Intent& intent) const;

  // False: it must be asked again when the coordinator's clock is known.
  bool CatchByFilter(LiveTask& live, Births& births);
  void HitBorn(LiveTask& live, const Intent& intent, Births& births);
  void MarkBorn(LiveTask& live, Tombstone tombstone, const Intent& intent, Births& births);
  void RecordBirth(const IntentId& id, AppliedIntent record, std::function<void()> done);
  Intent IntentOf(const Tombstone& tombstone) const;
  const AppliedFilter* FindFilter(const IntentId& id) const;

  IntentAck AckOf(const IntentId& id) const;
  void SetDurable(const IntentId& id, const std::vector<std::uint64_t>& written);
  void LetGo(const IntentId& id, Known& known);
  void ForgetTombstones();

  const NodeContext& context_;
  Journal& journal_;
  Registry& registry_;
  const TaskIdAllocator& numbers_;
  Tombstones& tombstones_;
  const IntentOrder& order_;
  TaskLifecycle& lifecycle_;
  const Spared spared_;
  std::unordered_map<IntentId, Known> known_;  // Looked up, never walked.
  std::deque<IntentId> known_order_;           // Those that may be forgotten.
  std::deque<AppliedFilter> filters_;          // Catch tasks that register late; oldest first.
  std::deque<std::uint64_t> unchecked_;        // Registered before the clock was ready.
  bool forgetting_ = false;                    // A turn of ForgetTombstones() is to come.
};

}  // namespace quell
