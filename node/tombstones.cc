#include "node/tombstones.h"

namespace quell {

Tombstones::Tombstones(const std::vector<Tombstone>& recovered, std::size_t max) : max_(max) {
  by_number_.reserve(recovered.size());
  for (const Tombstone& tombstone : recovered)
    by_number_.emplace(tombstone.number, Entry{tombstone, true});
}

const Tombstone* Tombstones::Find(std::uint64_t number) const {
  const auto found = by_number_.find(number);
  return found == by_number_.end() ? nullptr : &found->second.tombstone;
}

Tombstones::Change Tombstones::Add(const Tombstone& tombstone) {
  const auto [at, fresh] = by_number_.emplace(tombstone.number, Entry{tombstone, false});
  Tombstone& kept = at->second.tombstone;
  Change change{kept, fresh};
  if (fresh) return change;
  if (tombstone.cascade && !kept.cascade) kept.cascade = change.cascade = true;
  if (tombstone.mark.grace < kept.mark.grace) {
    kept.mark.grace = tombstone.mark.grace;
    change.grace = true;
  }
  return change;
}

void Tombstones::SetDurable(std::uint64_t number) {
  const auto found = by_number_.find(number);
  if (found != by_number_.end()) found->second.durable = true;
}

bool Tombstones::IsDurable(std::uint64_t number) const {
  const auto found = by_number_.find(number);
  return found != by_number_.end() && found->second.durable;
}

}  // namespace quell
