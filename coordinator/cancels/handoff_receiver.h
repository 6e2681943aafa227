// Cancels that were born at a node, such as those of orphans: carried out there, and committed here
// like any other, so that they reach the other nodes.
#pragma once

#include <map>
#include <vector>

#include "coordinator/cancels/pending_intents.h"
#include "coordinator/coordinator_services.h"
#include "coordinator/members/member_table.h"
#include "core/lifetime.h"

namespace quell {

// Not thread-safe: everything on the executor. All that is handed in must outlive it.
class HandoffReceiver {
 public:
  HandoffReceiver(const CoordinatorServices& services, const MemberTable& members,
                  PendingIntents& pending)
      : services_(services), members_(members), pending_(pending) {}

  // What `node` owes, as its heartbeat says. Returns those of them that the store has, or that it
  // will never take, because they are not on the node's own tasks: the node need not say them
  // again. The others are being committed, pending for all other nodes.
  std::vector<IntentId> Take(const NodeId& node, std::vector<Intent> handoff);

 private:
  enum class State : std::uint8_t { kCommitting, kStored };
  void Commit(const NodeId& node, Intent intent);

  const CoordinatorServices services_;
  const MemberTable& members_;
  PendingIntents& pending_;
  // Of each node those that its last heartbeat has named.
  std::map<NodeId, std::map<IntentId, State>> known_;
  std::size_t committing_ = 0;  // Of all nodes.
  Lifetime lifetime_;
};

}  // namespace quell
