#include "node/tasks/live_task_writer.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "core/limits.h"

namespace quell {
namespace {

class Reviver {
 public:
  Reviver(NodeState& state, Programs& programs, IntentApplier& applier)
      : state_(state), programs_(programs), applier_(applier) {}

  void Add(LiveTaskRecord kept) {
    Task& task = kept.task;
    // Another boot: its start is on a clock that is gone. The wall clock is good enough to show it.
    if (kept.boot_id != state_.info.boot_id) task.start_boot.reset();
    MonoClock::duration age = state_.wall() - task.start_wall;
    if (task.start_boot) age = state_.boot() - *task.start_boot;
    task.start_mono = state_.now() - std::max(age, MonoClock::duration::zero());
    Session& session = SessionOf(task.owner_uid, kept.lives_by);
    LiveTask& live = state_.registry.Add(std::move(task), std::move(kept.key));
    live.session = &session;
    session.Add(live.task, nullptr);
    live.claimed_start = kept.unchecked;
    // What was applied before this start has found it then, or will never hit it, unless that could
    // not be told yet.
    applier_.OnRegistered(live, kept.unchecked, births_);
  }

  void End() {
    // What made these marks is durable, and would make them again: their programs hear of them as
    // soon as they are back.
    for (const auto& [intent, record] : births_) {
      for (const Tombstone& tombstone : record.tombstones)
        state_.registry.Find(tombstone.number)->may_tell = true;
    }
    applier_.RecordBirths(std::move(births_), [] {});
    for (const auto& [key, session] : sessions_)
      programs_.Settle(*session);
  }

 private:
  // Which tasks came by one session is not kept: those that live by one process share one.
  Session& SessionOf(std::uint32_t uid, const ProcessName& lives_by) {
    const auto [found, fresh] =
        sessions_.try_emplace(std::tuple(uid, lives_by.pid, lives_by.birth), nullptr);
    if (!fresh) return *found->second;
    Session& session = state_.sessions.RestoreTasks(state_.random, uid);
    programs_.Renew(session);
    session.stream_ended = state_.now() + limits::kComeBack;
    if (lives_by.pid != 0) session.LiveBy(programs_.WatchAgain(lives_by, uid));
    found->second = &session;
    return session;
  }

  NodeState& state_;
  Programs& programs_;
  IntentApplier& applier_;
  std::map<std::tuple<std::uint32_t, std::int32_t, std::uint64_t>, Session*> sessions_;
  IntentApplier::Births births_;
};

// Without what its program brings with it, or what the journal has elsewhere.
LiveTaskRecord ToKeep(const LiveTask& live, const std::string& boot_id) {
  LiveTaskRecord kept;
  kept.task.id = live.task.id;
  kept.task.type = live.task.type;
  kept.task.action = live.task.action;
  kept.task.description = live.task.description;
  kept.task.cancellable = live.task.cancellable;
  kept.task.start_wall = live.task.start_wall;
  kept.task.start_boot = live.task.start_boot;
  if (live.task.start_boot) kept.boot_id = boot_id;
  kept.task.ancestors = live.task.ancestors;
  kept.task.headers = live.task.headers;
  kept.task.owner_uid = live.task.owner_uid;
  kept.task.pid = live.task.pid;
  kept.task.on_parent_lost = live.task.on_parent_lost;
  kept.key = live.key;
  kept.lives_by = live.session->ProcessOf(live.task);
  kept.unchecked = live.unchecked;
  return kept;
}

}  // namespace

void LiveTaskWriter::Changed(std::uint64_t number) {
  waiting_.push_back(number);
  WriteLater();
}

void LiveTaskWriter::WriteLater() {
  if (writing_ || timer_ != TimerId::kNone || waiting_.empty()) return;
  timer_ = state_.executor.After(limits::kDiskDelay, state_.lifetime.Guard([this] {
    timer_ = TimerId::kNone;
    Write();
  }));
}

std::vector<LiveTaskRecord> LiveTaskWriter::TakePiece() {
  std::vector<LiveTaskRecord> piece;
  while (!waiting_.empty() && piece.size() < limits::kPageTasks) {
    if (const LiveTask* live = state_.registry.Find(waiting_.front()))
      piece.push_back(ToKeep(*live, state_.info.boot_id));
    waiting_.pop_front();
  }
  return piece;
}

void LiveTaskWriter::Write() {
  std::vector<LiveTaskRecord> piece = TakePiece();
  if (piece.empty()) return;
  writing_ = true;
  std::vector<std::uint64_t> numbers;
  for (const LiveTaskRecord& kept : piece)
    numbers.push_back(kept.task.id.number);
  state_.journal.RecordLive(
      std::move(piece),
      state_.lifetime.Guard([this, numbers = std::move(numbers)](const Status& kept) {
        writing_ = false;
        if (kept) return Write();
        waiting_.insert(waiting_.end(), numbers.begin(), numbers.end());
        WriteLater();
      }));
}

void LiveTaskWriter::Flush() {
  state_.executor.Cancel(timer_);
  timer_ = TimerId::kNone;
  while (!waiting_.empty())
    state_.journal.RecordLive(TakePiece(), [](const Status&) {});
}

void RestoreTasks(std::vector<LiveTaskRecord> kept, NodeState& state, Programs& programs,
                  IntentApplier& applier) {
  Reviver reviver(state, programs, applier);
  for (LiveTaskRecord& one : kept)
    reviver.Add(std::move(one));
  reviver.End();
}

}  // namespace quell
