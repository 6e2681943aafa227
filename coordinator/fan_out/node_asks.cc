#include "coordinator/fan_out/node_asks.h"

#include <array>
#include <utility>

#include "core/limits.h"

namespace quell {

// Written by whoever takes an answer; each member by itself is enough, so no order among them is
// needed.
struct NodeAsks::Node {
  static constexpr MonoTime kNever = MonoTime::min();

  std::array<std::atomic<std::size_t>, 3> open{};
  // The first question since it spoke last, other than a wait; kNever: there is none.
  std::atomic<MonoTime> unanswered{kNever};
  std::atomic<MonoTime> last_unanswered{kNever};  // When such a question was given up last.

  std::atomic<std::size_t>& of(AskKind kind) { return open[static_cast<std::size_t>(kind)]; }
  bool asked() { return of(AskKind::kRead) + of(AskKind::kCancel) > 0; }
  std::optional<MonoTime> NotRespondingSince(MonoTime now) const {
    const MonoTime first = unanswered;
    if (first == kNever || now - first < limits::kUnansweredAfter) return std::nullopt;
    return first;
  }
};

std::shared_ptr<NodeAsks::Open> NodeAsks::Begin(const NodeId& id, AskKind kind, MonoTime now,
                                                bool silent, MonoTime* since) {
  std::shared_ptr<Node>& node = asked_[id];
  if (node == nullptr) node = std::make_shared<Node>();
  // Of a node that nobody asks nobody knows for long that it hangs.
  const MonoTime last = node->last_unanswered;
  if (!node->asked() && (last == Node::kNever || now - last > limits::kNodeDeadline)) {
    node->unanswered = Node::kNever;
  }
  const std::size_t before = node->of(kind);
  if (before >= limits::kAsksWhileUnanswered) {
    const std::optional<MonoTime> hangs = node->NotRespondingSince(now);
    if (hangs || silent) {
      *since = hangs.value_or(now);
      return nullptr;
    }
  }
  ++node->of(kind);
  if (kind != AskKind::kWait) {
    MonoTime none = Node::kNever;
    node->unanswered.compare_exchange_strong(none, now);
  }
  return std::make_shared<Open>(node, kind, before >= limits::kAsksWhileUnanswered);
}

void NodeAsks::Open::Spoke(MonoTime now) {
  node_->last_unanswered = Node::kNever;
  node_->unanswered = node_->asked() ? now : Node::kNever;
}

void NodeAsks::Open::Close(std::optional<MonoTime> unanswered_until) {
  if (!open_.exchange(false)) return;
  --node_->of(kind_);
  if (kind_ == AskKind::kWait) return;
  if (unanswered_until && node_->NotRespondingSince(*unanswered_until)) {
    node_->last_unanswered = *unanswered_until;
  }
}

std::optional<MonoTime> NodeAsks::Open::HopelessSince(MonoTime now) const {
  if (!surplus()) return std::nullopt;
  return node_->NotRespondingSince(now);
}

}  // namespace quell
