#include "tests/support/memory_journal.h"

#include <algorithm>

#include "core/limits.h"

namespace quell {
namespace {

void Merge(JournalFile& file, AppliedIntent added) {
  for (const Tombstone& tombstone : added.tombstones) {
    const auto [kept, fresh] = file.tombstones.emplace(tombstone.number, tombstone);
    if (fresh) continue;
    // A mark stays as it was; only what makes it stronger is taken over.
    kept->second.cascade = kept->second.cascade || tombstone.cascade;
    kept->second.mark.grace = std::min(kept->second.mark.grace, tombstone.mark.grace);
  }
  for (const Receipt& receipt : added.receipts) {
    file.receipts[{receipt.task.number, receipt.intent}] = receipt;
  }
  const IntentId id = added.intent.id;
  const auto [kept, fresh] = file.applied.emplace(id, added);
  if (fresh) {
    file.applied_order.push_back(id);
    return;
  }
  // What is left of an intent after a restart may record it again: the first one is the whole one.
  Strengthen(kept->second.intent, added.intent);
  for (Tombstone& tombstone : added.tombstones) {
    auto& all = kept->second.tombstones;
    const bool known = std::any_of(all.begin(), all.end(), [&tombstone](const Tombstone& other) {
      return other.number == tombstone.number;
    });
    if (!known) all.push_back(std::move(tombstone));
  }
  for (Receipt& receipt : added.receipts) {
    auto& all = kept->second.receipts;
    const auto same = std::find_if(all.begin(), all.end(), [&receipt](const Receipt& other) {
      return other.task == receipt.task;
    });
    if (same == all.end()) {
      all.push_back(std::move(receipt));
    } else {
      *same = std::move(receipt);
    }
  }
}

}  // namespace

JournalState JournalFile::Open(Random& random) {
  incarnation = Incarnation{static_cast<std::uint64_t>(incarnation) + 1};
  lives.push_back({LifeId::Make(random), next_number, {}});
  if (lives.size() > limits::kLivesKept) lives.erase(lives.begin());
  JournalState state;
  state.incarnation = incarnation;
  state.lives = lives;
  state.next_number = next_number;
  state.forgotten_below = forgotten_below;
  for (const IntentId& id : applied_order) {
    state.applied.push_back(id);
    const Intent& intent = applied.at(id).intent;
    if (intent.filter() != nullptr) state.filters.push_back({intent, applied.at(id).arrival});
    if (applied.at(id).handoff) state.handoff.push_back(intent);
  }
  for (const auto& [number, tombstone] : tombstones) {
    state.tombstones.push_back(tombstone);
    const auto receipt = receipts.find({number, tombstone.mark.intent});
    if (receipt != receipts.end()) state.receipts.push_back(receipt->second);
  }
  for (const auto& [number, kept] : live)
    state.live.push_back(kept);
  return state;
}

void MemoryJournal::ReserveNumbers(std::uint64_t end, Done done) {
  queue_.Commit([this, end] { file_.next_number = std::max(file_.next_number, end); },
                std::move(done));
}

void MemoryJournal::RecordApplied(AppliedIntent applied, Done done) {
  queue_.Commit([this, applied = std::move(applied)] { Merge(file_, applied); }, std::move(done));
}

void MemoryJournal::RecordReceipt(const Receipt& receipt) {
  queue_.Behind([this, receipt] {
    file_.receipts[{receipt.task.number, receipt.intent}] = receipt;
  });
}

void MemoryJournal::ForgetTombstones(std::vector<std::uint64_t> numbers) {
  queue_.Behind([this, numbers = std::move(numbers)] {
    for (const std::uint64_t number : numbers) {
      const auto gone = file_.tombstones.extract(number);
      if (gone) file_.receipts.erase({number, gone.mapped().mark.intent});
      file_.forgotten_below = std::max(file_.forgotten_below, number + 1);
    }
  });
}

void MemoryJournal::RecordHandedOver(const IntentId& intent) {
  queue_.Behind([this, intent] { file_.applied.at(intent).handoff = false; });
}

void MemoryJournal::RecordJoined(std::uint64_t next_number) {
  queue_.Behind([this, next_number] {
    if (!file_.lives.back().joined_number) file_.lives.back().joined_number = next_number;
  });
}

void MemoryJournal::RecordLive(std::vector<LiveTaskRecord> tasks, Done done) {
  queue_.Commit(
      [this, tasks = std::move(tasks)] {
        for (const LiveTaskRecord& kept : tasks)
          file_.live.insert_or_assign(kept.task.id.number, kept);
      },
      std::move(done));
}

void MemoryJournal::RecordEnded(std::vector<Task> tasks, Done done) {
  std::vector<std::uint64_t> numbers;
  for (Task& task : tasks) {
    const std::uint64_t number = task.id.number;
    numbers.push_back(number);
    ended_behind_.insert_or_assign(number, std::move(task));
  }
  if (!done) return queue_.Behind([this, numbers] { KeepEnded(numbers); });
  queue_.Commit([this, numbers] { KeepEnded(numbers); },
                [this, numbers, done = std::move(done)](const Status& status) {
                  if (!status) queue_.Behind([this, numbers] { KeepEnded(numbers); });
                  done(status);
                });
}

void MemoryJournal::KeepEnded(const std::vector<std::uint64_t>& numbers) {
  for (const std::uint64_t number : numbers) {
    auto behind = ended_behind_.extract(number);
    if (!behind) continue;
    file_.ended[number] = std::move(behind.mapped());
    file_.live.erase(number);
  }
}

void MemoryJournal::FindEnded(std::uint64_t number, std::function<void(Result<Task>)> done) {
  queue_.Read([this, number, done = std::move(done)] {
    const auto behind = ended_behind_.find(number);
    if (behind != ended_behind_.end()) return done(behind->second);
    const auto durable = file_.ended.find(number);
    if (durable != file_.ended.end()) return done(durable->second);
    done(Error{ErrorCode::kNotFound, "no ended task " + std::to_string(number)});
  });
}

void MemoryJournal::ListEnded(WallTime since, std::uint64_t after,
                              std::function<void(Result<std::vector<Task>>)> done) {
  queue_.Read([this, since, after, done = std::move(done)] {
    std::map<std::uint64_t, Task> all = file_.ended;
    for (const auto& [number, task] : ended_behind_)
      all.insert_or_assign(number, task);
    std::vector<Task> tasks;
    for (auto at = all.upper_bound(after); at != all.end(); ++at) {
      if (tasks.size() == limits::kPageTasks) break;
      if (at->second.end_wall >= since) tasks.push_back(at->second);
    }
    done(std::move(tasks));
  });
}

}  // namespace quell
