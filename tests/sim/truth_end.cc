// What must have come true in the end, once everything is healed.
#include <algorithm>

#include "core/limits.h"
#include "tests/sim/truth.h"

namespace quell::sim {

using namespace std::chrono_literals;

void Truth::JudgeTheEnd(const std::function<bool(const TrueTask&)>& still_runs) {
  for (const auto& [number, request] : requests_) {
    const std::string what = "request " + std::to_string(number);
    if (request.nothing_done && !request.reason.empty() && StoredFor(request.reason) != nullptr) {
      world_.Violation(what + " was said to have done nothing, and its intent is in the store");
    }
    if (request.answers == 0 && request.life == coordinator_.life()) {
      world_.Violation(what + " was never answered");
    }
    if (request.promised) JudgePromise(request, still_runs);
  }
  for (const auto& host : nodes_)
    JudgeOwed(*host);
  for (const auto& [id, task] : tasks_) {
    if (!still_runs(task)) continue;
    const auto& tombstones = HostOf(task).file.tombstones;
    const std::string what = "task " + id.ToString() + " runs on:";
    if (tombstones.count(id.number) > 0 && !task.told) {
      world_.Violation(what + " it is cancelled and its program was never told");
    }
    for (const TaskId& ancestor : task.ancestors) {
      if (ancestor.node != id.node) continue;
      const auto tombstone = tombstones.find(ancestor.number);
      if (tombstone == tombstones.end() || !tombstone->second.cascade || task.told) continue;
      world_.Violation(what + " its ancestor " + ancestor.ToString() + " was cancelled");
    }
  }
}

void Truth::JudgeTombstones() const {
  for (const auto& host : nodes_) {
    const JournalFile& file = host->file;
    const auto ended =
        std::count_if(file.tombstones.begin(), file.tombstones.end(),
                      [&](const auto& kept) { return !file.live.contains(kept.first); });
    if (static_cast<std::size_t>(ended) <= world_.config.tombstones_kept) continue;
    world_.Violation(host->name() + " keeps " + std::to_string(ended) +
                     " tombstones of tasks that do not live, and " +
                     std::to_string(world_.config.tombstones_kept) + " are to be kept");
  }
}

// What was born at a node is in the store, unless that was a moment ago.
void Truth::JudgeOwed(NodeHost& host) const {
  for (const auto& [id, applied] : host.file.applied) {
    if (applied.intent.by != "on_parent_lost" || applied.intent.task()->node != host.id()) continue;
    if (host.clock().Wall() - applied.intent.requested_at < 5s) continue;
    const bool stored = std::any_of(
        coordinator_.file.intents.begin(), coordinator_.file.intents.end(),
        [&](const auto& kept) { return kept.second.intent.target == applied.intent.target; });
    if (stored && !applied.handoff) continue;
    world_.Violation(host.name() + " has cancelled an orphan, and the store " +
                     (stored ? "has not told it that it knows" : "knows nothing of it"));
  }
}

void Truth::JudgePromise(const Request& request,
                         const std::function<bool(const TrueTask&)>& still_runs) {
  const std::string what = "request " + std::to_string(request.number) + " was acknowledged,";
  const auto stored = coordinator_.file.intents.find(*request.intent);
  if (stored == coordinator_.file.intents.end()) {
    return world_.Violation(what + " and its intent is gone from the store");
  }
  const StoreFile::Kept& kept = stored->second;
  for (const NodeId& asked : kept.asked) {
    NodeHost* host = HostOf(asked);
    if (host == nullptr) continue;
    if (kept.given_up.contains(asked)) {
      if (host->may_have_been_gone()) continue;
      world_.Violation(what + " and was given up for " + host->name() +
                       ", which was neither told to leave nor forgotten");
    }
    if (host->file.applied.count(*request.intent) == 0) {
      world_.Violation(what + " and " + host->name() + " has never applied it");
    }
  }
  for (const auto& [id, task] : tasks_) {
    if (task.told || kept.asked.count(id.node) == 0 || !still_runs(task)) continue;
    if (kept.given_up.contains(id.node)) continue;
    if (request.kind == Request::Kind::kCancelTask) {
      if (request.id.Resolve() != id || !task.spec.cancellable) continue;
    } else {
      if (!MustHit(request, task)) continue;
      if (task.first_admitted >= request.called) continue;
      if (HostOf(task).spared.contains({*request.intent, id.number})) continue;
    }
    world_.Violation(what + " and the program of task " + id.ToString() + " was never told");
  }
}

void Truth::JudgeLastList(MonoTime asked, const std::vector<SeenTask>& seen,
                          const std::function<bool(const TrueTask&)>& still_runs) {
  std::set<TaskId, ByNumber> listed;
  for (const SeenTask& task : seen) {
    listed.insert(task.id);
    const auto known = tasks_.find(task.id);
    if (known == tasks_.end()) continue;
    const TrueTask& truth = known->second;
    const std::string what = "the last list: task " + task.id.ToString();
    const bool just_ended = truth.ended && *truth.ended >= asked;
    if (!still_runs(truth) && !truth.fading && !truth.ending && !just_ended) {
      world_.Violation(what + " does not run");
    }
    // A program is told also when the journal fails; a crash can then undo the mark, if what it
    // hung on has ended meanwhile.
    if (truth.told && !task.cancelled && !world_.config.has(Fault::kJournalError)) {
      world_.Violation(what + " is not shown as cancelled");
    }
  }
  for (const auto& [id, task] : tasks_) {
    if (still_runs(task) && listed.count(id) == 0) {
      world_.Violation("the last list: task " + id.ToString() + " is missing");
    }
  }
  JudgeBooks(listed);
}

// Each task is live, or ended. Nobody knows one whose node died in the moment of its registration,
// and its program before it could bring the task back.
void Truth::JudgeBooks(const std::set<TaskId, ByNumber>& listed) const {
  MonoClock::duration moment = limits::kDiskDelay + 20ms;
  if (world_.config.has(Fault::kSlowDisk)) moment += 2s;  // A commit before it, and its own.
  if (world_.config.families) moment += 200ms;
  if (world_.config.has(Fault::kJournalError)) moment *= 3;
  if (world_.config.has(Fault::kPause)) moment += 5s;
  for (const auto& [id, task] : tasks_) {
    const NodeHost& host = HostOf(task);
    if (listed.contains(id) || host.file.ended.contains(id.number)) continue;
    const MonoTime kept = task.admitted + moment;
    const bool too_early =
        std::any_of(host.crashes.begin(), host.crashes.end(),
                    [&](MonoTime crash) { return crash >= task.admitted && crash <= kept; });
    if (task.fading && too_early) continue;
    // Its lease may be over this very moment.
    if (task.ending || (task.fading && task.spec.pid == 0)) continue;
    world_.Violation("task " + id.ToString() + " is neither live nor ended");
  }
}

}  // namespace quell::sim
