#include "node/cancels/intent_order.h"

#include <algorithm>

namespace quell {

Arrival IntentOrder::ArrivalOf(const Intent& intent) const {
  Arrival arrival;
  arrival.at = context_.boot_moment();
  arrival.after = numbers_.next();
  if (lives_.IsOurs(intent.horizon)) {
    arrival.before = std::min(intent.horizon.next_number, arrival.after);
  }
  return arrival;
}

bool IntentOrder::WasHere(const Intent& intent, Way way) const {
  // An older coordinator names no life: it pushes to those that are there.
  const LifeId& life = intent.horizon.life;
  return way == Way::kPushed && (life.is_null() || life == lives_.present());
}

bool IntentOrder::MayMeanAnother(std::uint64_t number, const Intent& intent) const {
  return !intent.horizon.life.is_null() && !lives_.IsOurs(intent.horizon) &&
         lives_.MayBeDouble(number);
}

Order IntentOrder::Of(const LiveTask& live, const Intent& intent, const Arrival& arrival,
                      bool here) const {
  const std::uint64_t number = live.task.id.number;
  if (number < arrival.before) return Order::kBefore;
  const std::optional<BootTime>& start = live.task.start_boot;
  if (number >= arrival.after) {
    if (!live.claimed_start) return Order::kAfter;
    // What its program says of its start is of this boot.
    const bool same_boot = arrival.at.boot_id == context_.info.boot_id;
    if (start && (!same_boot || *start >= arrival.at.at)) return Order::kAfter;
  }
  const bool another = MayMeanAnother(number, intent);
  if (start) {
    const auto order = coordinator_clock_.Compare(*start, intent.moment);
    if (order == CoordinatorClock::Order::kNotBefore) return Order::kAfter;
    if (order == CoordinatorClock::Order::kBefore && !another) return Order::kBefore;
  }
  return here && !another && number < arrival.after ? Order::kBefore : Order::kDoubtful;
}

Order IntentOrder::OfTarget(const LiveTask& live, const Intent& intent, const Arrival& arrival,
                            bool here) const {
  const Order order = Of(live, intent, arrival, here);
  if (order != Order::kDoubtful || MayMeanAnother(live.task.id.number, intent)) return order;
  return Order::kBefore;
}

bool IntentOrder::MayTellSoon(const Intent& intent) const {
  return !coordinator_clock_.ready() && coordinator_clock_.MayCompare(intent.moment);
}

bool IntentOrder::MustWait(const Intent& intent, const Arrival& arrival, bool here) const {
  if (here || !MayTellSoon(intent)) return false;
  const TaskId* target = intent.task();
  if (target == nullptr) return arrival.before < arrival.after;
  const std::uint64_t number = context_.OwnNumber(*target);
  return number >= arrival.before && registry_.Find(number) != nullptr;
}

}  // namespace quell
