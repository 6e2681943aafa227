// Which intents which node has not acknowledged yet: what the next answer to its join or heartbeat
// hands over. In memory; the store has the same, durably.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "coordinator/store/store.h"

namespace quell {

// Not thread-safe.
class PendingIntents {
 public:
  // How strong an intent was when it was sent: grows each time it is strengthened.
  enum class Revision : std::uint64_t { kNone = 0 };

  explicit PendingIntents(std::vector<StoredIntent> recovered);

  // `stored` as the store gave it back: new, or a known one that has been strengthened. It is
  // pending at stored.pending from now on, besides where it was.
  Revision Add(StoredIntent stored);

  // At most `limit` of those pending at `node`, oldest first, going on after what the last call
  // returned, so that intents which a node does not take cannot hide the others.
  std::vector<Intent> HandOver(const NodeId& node, std::size_t limit);

  // The node has journaled it, as strong as `sent` (a push knows that). An acknowledgement that
  // came with a heartbeat counts if the intent was sent in its present strength. False: it was not
  // pending there, or only a weaker one is acknowledged.
  bool Acknowledge(const NodeId& node, const IntentId& intent, Revision sent);
  bool Acknowledge(const NodeId& node, const IntentId& intent);

  // They are given up.
  void Drop(const NodeId& node);

  std::size_t CountFor(const NodeId& node) const;
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Intent intent;
    std::uint64_t order = 0;
    Revision revision = Revision::kNone;
    std::size_t nodes = 0;  // At which it is pending.
  };
  struct Waiting {
    Entry* entry = nullptr;
    Horizon horizon;
    Revision sent = Revision::kNone;  // In which it was last handed over; kNone: not yet.
  };
  struct Queue {
    std::map<std::uint64_t, Waiting> waiting;  // By Entry::order.
    std::uint64_t last = 0;                    // The last one handed over.
  };

  bool Remove(const NodeId& node, const IntentId& intent, const Revision* sent);
  void Release(Entry& entry);

  std::unordered_map<IntentId, Entry> entries_;  // Never iterated.
  std::map<NodeId, Queue> queues_;
  std::uint64_t next_order_ = 1;
  std::uint64_t next_revision_ = 1;  // Never used again, not even by an intent that comes back.
};

}  // namespace quell
