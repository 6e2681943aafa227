#include "coordinator/cancels/pending_intents.h"

#include <algorithm>
#include <utility>

namespace quell {

PendingIntents::PendingIntents(std::vector<StoredIntent> recovered) {
  for (StoredIntent& stored : recovered)
    Add(std::move(stored));
}

PendingIntents::Revision PendingIntents::Add(StoredIntent stored) {
  if (stored.pending.empty()) return Revision::kNone;
  auto [it, added] = entries_.try_emplace(stored.intent.id);
  Entry& entry = it->second;
  if (added) entry.order = next_order_++;
  if (added || entry.intent != stored.intent) entry.revision = Revision{next_revision_++};
  entry.intent = std::move(stored.intent);
  for (const PendingAt& at : stored.pending) {
    auto [waiting, fresh] = queues_[at.node].waiting.try_emplace(entry.order);
    waiting->second.entry = &entry;
    waiting->second.horizon = at.horizon;
    if (fresh) ++entry.nodes;
  }
  return entry.revision;
}

std::vector<Intent> PendingIntents::HandOver(const NodeId& node, std::size_t limit) {
  std::vector<Intent> taken;
  auto found = queues_.find(node);
  if (found == queues_.end()) return taken;
  Queue& queue = found->second;
  const std::size_t count = std::min(limit, queue.waiting.size());
  taken.reserve(count);
  if (count == queue.waiting.size()) queue.last = 0;
  auto it = queue.waiting.upper_bound(queue.last);
  while (taken.size() < count) {
    if (it == queue.waiting.end()) it = queue.waiting.begin();
    taken.push_back(it->second.entry->intent);
    taken.back().horizon = it->second.horizon;
    it->second.sent = it->second.entry->revision;
    queue.last = it->first;
    ++it;
  }
  return taken;
}

bool PendingIntents::Acknowledge(const NodeId& node, const IntentId& intent, Revision sent) {
  return Remove(node, intent, &sent);
}

bool PendingIntents::Acknowledge(const NodeId& node, const IntentId& intent) {
  return Remove(node, intent, nullptr);
}

bool PendingIntents::Remove(const NodeId& node, const IntentId& intent, const Revision* sent) {
  auto entry = entries_.find(intent);
  auto queue = queues_.find(node);
  if (entry == entries_.end() || queue == queues_.end()) return false;
  auto waiting = queue->second.waiting.find(entry->second.order);
  if (waiting == queue->second.waiting.end()) return false;
  if ((sent != nullptr ? *sent : waiting->second.sent) < entry->second.revision) return false;
  queue->second.waiting.erase(waiting);
  if (queue->second.waiting.empty()) queues_.erase(queue);
  Release(entry->second);
  return true;
}

void PendingIntents::Drop(const NodeId& node) {
  auto queue = queues_.find(node);
  if (queue == queues_.end()) return;
  for (auto& [order, waiting] : queue->second.waiting)
    Release(*waiting.entry);
  queues_.erase(queue);
}

void PendingIntents::Release(Entry& entry) {
  if (--entry.nodes > 0) return;
  const IntentId id = entry.intent.id;  // The key must outlive the entry that it erases.
  entries_.erase(id);
}

std::size_t PendingIntents::CountFor(const NodeId& node) const {
  auto queue = queues_.find(node);
  return queue == queues_.end() ? 0 : queue->second.waiting.size();
}

}  // namespace quell
