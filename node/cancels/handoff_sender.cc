#include "node/cancels/handoff_sender.h"

#include <algorithm>
#include <unordered_set>

namespace quell {

std::vector<Intent> HandoffSender::Next() const {
  const std::size_t count = std::min(intents_.size(), limits::kIntentsPerReply);
  return {intents_.begin(), intents_.begin() + static_cast<std::ptrdiff_t>(count)};
}

void HandoffSender::Settle(const std::vector<IntentId>& stored) {
  if (stored.empty()) return;
  const std::unordered_set<IntentId> ids(stored.begin(), stored.end());
  std::erase_if(intents_, [&](const Intent& intent) {
    if (!ids.contains(intent.id)) return false;
    journal_.RecordHandedOver(intent.id);
    return true;
  });
}

}  // namespace quell
