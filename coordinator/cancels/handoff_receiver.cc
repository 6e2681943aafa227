#include "coordinator/cancels/handoff_receiver.h"

#include <utility>

#include "core/limits.h"

namespace quell {

std::vector<IntentId> HandoffReceiver::Take(const NodeId& node, std::vector<Intent> handoff) {
  std::map<IntentId, State> before;
  if (const auto known = known_.find(node); known != known_.end()) {
    before = std::move(known->second);
    known_.erase(known);
  }
  std::vector<IntentId> settled;
  std::vector<Intent> fresh;
  for (Intent& intent : handoff) {
    const IntentId id = intent.id;
    const TaskId* target = intent.task();
    const auto found = before.find(id);
    if (target == nullptr || target->node != node) {
      settled.push_back(id);
    } else if (found == before.end()) {
      // The node names it again: what is on its way must not fill the store's queue.
      if (committing_ + fresh.size() >= limits::kOwedCommitsMax) continue;
      known_[node][id] = State::kCommitting;
      fresh.push_back(std::move(intent));
    } else {
      known_[node][id] = found->second;
      if (found->second == State::kStored) settled.push_back(id);
    }
  }
  for (Intent& intent : fresh)
    Commit(node, std::move(intent));
  return settled;
}

void HandoffReceiver::Commit(const NodeId& node, Intent intent) {
  std::vector<PendingAt> others;
  for (const Member* member : members_.present()) {
    if (!member->is_self && member->info.id != node) others.push_back(PendingOf(*member));
  }
  const IntentId id = intent.id;
  ++committing_;
  services_.store.CommitIntent(
      std::move(intent), std::move(others),
      lifetime_.Guard([this, node, id](Result<StoredIntent> stored) {
        --committing_;
        const auto known = known_.find(node);
        const bool named = known != known_.end() && known->second.contains(id);
        if (!stored) {  // The next heartbeat tries again: the same id, so no harm is done.
          if (named) known->second.erase(id);
          return;
        }
        if (named) known->second[id] = State::kStored;
        pending_.Add(std::move(*stored));
      }));
}

}  // namespace quell
