// Cancels that were born at this node: journaled here, and handed over with the heartbeats until
// the coordinator's store has them.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "core/intent.h"
#include "core/limits.h"
#include "node/journal/journal.h"

namespace quell {

// Not thread-safe: on the journal's executor.
class HandoffSender {
 public:
  HandoffSender(Journal& journal, const std::vector<Intent>& recovered,
                std::size_t max = limits::kOwedMax)
      : journal_(journal), max_(max), intents_(recovered.begin(), recovered.end()) {}

  // No more can be owed: what is born now is carried out here alone.
  bool full() const { return intents_.size() >= max_; }
  std::size_t size() const { return intents_.size(); }
  // The journal has it, as owed.
  void Add(Intent intent) { intents_.push_back(std::move(intent)); }
  // The oldest ones, as many as one heartbeat takes.
  std::vector<Intent> Next() const;
  // The store has them.
  void Settle(const std::vector<IntentId>& stored);

 private:
  Journal& journal_;
  const std::size_t max_;
  std::deque<Intent> intents_;  // Oldest first.
};

}  // namespace quell
