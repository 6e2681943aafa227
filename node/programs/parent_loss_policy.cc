#include "node/programs/parent_loss_policy.h"

#include <algorithm>
#include <utility>

#include "core/limits.h"

namespace quell {
namespace {

bool WantsCancel(const LiveTask& live) {
  return live.task.on_parent_lost == OnParentLost::kCancel && !live.task.cancel;
}

}  // namespace

void ParentLossPolicy::OnRegistered(const LiveTask& live, bool parent_lost) {
  if (!WantsCancel(live) || live.task.ancestors.empty()) return;
  const TaskId parent = live.task.ancestors.front();
  const EndedTask* ended = registry_.FindEnded(context_.OwnNumber(parent));
  if (!parent_lost && (ended == nullptr || ended->task.state != TaskState::kLost)) return;
  // Later: the registration is in the middle of it.
  context_.executor.Post(
      context_.lifetime.Guard([this, child = live.task.id, parent] { Cancel(child, parent); }));
}

void ParentLossPolicy::Continue(const TaskId& parent, std::uint64_t after) {
  std::vector<std::uint64_t> children;
  std::uint64_t last = after;
  std::size_t looks = limits::kLooksPerTurn;
  const bool all = registry_.ScanBelow(parent, after, [&](const LiveTask& live) {
    last = live.task.id.number;
    if (live.task.parent() == parent && WantsCancel(live)) children.push_back(last);
    return --looks > 0 && children.size() < limits::kChangesPerTurn;
  });
  for (const std::uint64_t child : children)
    Cancel(context_.IdOf(child), parent);
  if (all) return;
  context_.executor.Post(context_.lifetime.Guard([this, parent, last] { Continue(parent, last); }));
}

void ParentLossPolicy::Cancel(const TaskId& child, const TaskId& parent) {
  Intent intent;
  intent.id = IntentId::Make(random_);
  intent.target = child;
  intent.requested_at = context_.wall();
  intent.by = "on_parent_lost";
  intent.reason = "its parent [" + parent.ToString() + "] was lost";
  intent.grace = limits::kGraceDefault;
  // If the journal fails, the program is told all the same; after a restart it may run on.
  const bool handoff = !handoff_.full();
  applier_.ApplyOwn(intent, handoff,
                    [this, intent, handoff](const Result<IntentApplier::Applied>& applied) {
                      if (applied && handoff) handoff_.Add(intent);
                    });
}

}  // namespace quell
