// What each node is being asked, and how many questions one that does not answer gets: a node that
// hangs must not use up what the requests to all others need.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "core/clock.h"
#include "core/ids.h"
#include "transport/node_client.h"

namespace quell {

// Each sort has places of its own at a node that does not respond.
enum class AskKind : std::uint8_t { kRead, kWait, kCancel };

// Not thread-safe, on the executor; except for Open.
class NodeAsks {
  struct Node;

 public:
  // One question that is open. Thread-safe.
  class Open {
   public:
    Open(std::shared_ptr<Node> node, AskKind kind, bool surplus)
        : node_(std::move(node)), kind_(kind), surplus_(surplus) {}
    ~Open() { Close(std::nullopt); }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;

    // The node has said something.
    void Spoke(MonoTime now);
    // It is not open any more. `unanswered_until`: the node has said nothing until then; none: that
    // does not tell. Again, it does nothing.
    void Close(std::optional<MonoTime> unanswered_until);
    // The node does not respond, and it has been asked enough without this question.
    std::optional<MonoTime> HopelessSince(MonoTime now) const;
    // It may become hopeless.
    bool surplus() const { return surplus_ && kind_ != AskKind::kWait; }

   private:
    const std::shared_ptr<Node> node_;
    const AskKind kind_;
    const bool surplus_;
    std::atomic<bool> open_{true};
  };

  explicit NodeAsks(NodeClient& nodes) : nodes_(nodes) {}

  // A place for one more question. Null: the node does not respond, and has enough of this sort;
  // then `since` says when it was to answer first. `silent`: so much is known already.
  std::shared_ptr<Open> Begin(const NodeId& node, AskKind kind, MonoTime now, bool silent,
                              MonoTime* since);
  // It has joined, or is gone: what was known of it does not count any more.
  void Renew(const NodeId& node) { asked_.erase(node); }

  NodeClient& client() { return nodes_; }

 private:
  NodeClient& nodes_;
  std::map<NodeId, std::shared_ptr<Node>> asked_;
};

}  // namespace quell
