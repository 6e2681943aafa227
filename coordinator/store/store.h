// What a coordinator must not forget: the nodes it has known and the intents it has promised.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/ids.h"
#include "core/intent.h"
#include "core/node_info.h"
#include "core/receipt.h"
#include "core/result.h"

namespace quell {

struct KnownNode {
  NodeInfo info;
  std::uint64_t next_number = 0;         // The highest it has told, or must begin with.
  std::uint64_t told_number = 0;         // The highest it has told in this life.
  bool left = false;                     // For good: not selected until it joins again.
  std::optional<WallTime> stopped = {};  // Its daemon said so: it is away since then.

  friend bool operator==(const KnownNode&, const KnownNode&) = default;
};

struct PendingAt {
  NodeId node;
  Horizon horizon;  // As it was known when the intent was committed.

  friend bool operator==(const PendingAt&, const PendingAt&) = default;
};

struct StoredIntent {
  Intent intent;  // Without a horizon.
  WallTime durable_at;
  std::vector<PendingAt> pending;  // Have not acknowledged it yet.

  friend bool operator==(const StoredIntent&, const StoredIntent&) = default;
};

struct StoreState {
  std::uint64_t next_number = 1;  // Task numbers below it may have been given out.
  std::vector<KnownNode> nodes;
  std::vector<StoredIntent> intents;  // Those with somebody pending.
};

// Callbacks run on the coordinator's executor, exactly once, in the order of the calls, never
// inside them. Errors: kOutcomeUnknown (it may be durable or not: repeating the call with the same
// ids is safe), kResourceExhausted (full disk; nothing is durable), kInternal (nothing is durable).
class Store {
 public:
  virtual ~Store() = default;

  // Durable when `done` has a value. An intent on a task that has one already strengthens that one:
  // the kept intent is what comes back, with the time at which it first became durable. A horizon
  // that is kept already stays.
  virtual void CommitIntent(Intent intent, std::vector<PendingAt> pending,
                            std::function<void(Result<StoredIntent>)> done) = 0;
  // The node has journaled it: no longer pending there. Written behind; losing it costs a
  // repetition.
  virtual void Acknowledge(const NodeId& node, const IntentId& intent,
                           const std::vector<Receipt>& receipts) = 0;
  // Task numbers of the coordinator's own below `end` may be given out once `done` says so.
  virtual void ReserveNumbers(std::uint64_t end, std::function<void(Status)> done) = 0;
  // Durable when `done` says so. With a node that has left its pending intents are dropped.
  virtual void PutNode(KnownNode node, std::function<void(Status)> done) = 0;
  virtual void ForgetNode(const NodeId& node, std::function<void(Status)> done) = 0;
};

}  // namespace quell
