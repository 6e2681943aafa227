#include "node/programs/restore_tasks.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <tuple>
#include <utility>

#include "core/limits.h"

namespace quell {
namespace {

class Restorer {
 public:
  Restorer(const NodeContext& context, Registry& registry, TaskLifecycle& lifecycle,
           Sessions& sessions, Programs& programs, IntentApplier& applier)
      : context_(context),
        registry_(registry),
        lifecycle_(lifecycle),
        sessions_(sessions),
        programs_(programs),
        applier_(applier) {}

  void Add(LiveTaskRecord record) {
    Task& task = record.task;
    // Another boot: its start is on a clock that is gone. The wall clock is good enough to show it.
    if (record.boot_id != context_.info.boot_id) task.start_boot.reset();
    MonoClock::duration age = context_.wall() - task.start_wall;
    if (task.start_boot) age = context_.boot() - *task.start_boot;
    task.start_mono = context_.now() - std::max(age, MonoClock::duration::zero());
    Session& session = SessionOf(task.owner_uid, record.lives_by);
    const bool unchecked = record.unchecked;
    LiveTask& live =
        lifecycle_.Add(std::move(task), std::move(record.key), session, nullptr, unchecked);
    // What was applied before this start has found it then, or will never hit it, unless that could
    // not be told yet.
    applier_.OnRegistered(live, unchecked, births_);
  }

  void End() {
    // What made these marks is durable, and would make them again: their programs hear of them as
    // soon as they are back.
    for (const auto& [intent, applied] : births_) {
      for (const Tombstone& tombstone : applied.tombstones)
        registry_.Find(tombstone.number)->may_tell = true;
    }
    applier_.RecordBirths(std::move(births_), [] {});
    for (const auto& [key, session] : by_process_)
      programs_.Settle(*session);
  }

 private:
  // Which tasks came by one session is not kept: those that live by one process share one.
  Session& SessionOf(std::uint32_t uid, const ProcessName& lives_by) {
    const auto [found, fresh] =
        by_process_.try_emplace(std::tuple(uid, lives_by.pid, lives_by.birth), nullptr);
    if (!fresh) return *found->second;
    Session& session = sessions_.Restore(uid);
    programs_.Renew(session);
    session.stream_ended = context_.now() + limits::kComeBack;
    if (lives_by.pid != 0) session.LiveBy(programs_.WatchAgain(lives_by, uid));
    found->second = &session;
    return session;
  }

  const NodeContext& context_;
  Registry& registry_;
  TaskLifecycle& lifecycle_;
  Sessions& sessions_;
  Programs& programs_;
  IntentApplier& applier_;
  std::map<std::tuple<std::uint32_t, std::int32_t, std::uint64_t>, Session*> by_process_;
  IntentApplier::Births births_;
};

}  // namespace

void RestoreTasks(std::vector<LiveTaskRecord> records, const NodeContext& context,
                  Registry& registry, TaskLifecycle& lifecycle, Sessions& sessions,
                  Programs& programs, IntentApplier& applier) {
  Restorer restorer(context, registry, lifecycle, sessions, programs, applier);
  for (LiveTaskRecord& record : records)
    restorer.Add(std::move(record));
  restorer.End();
}

}  // namespace quell
