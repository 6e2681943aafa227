#include "node/cancels/tombstones.h"

#include <algorithm>
#include <utility>

namespace quell {

Tombstones::Tombstones(const std::vector<Tombstone>& recovered, std::uint64_t forgotten_below,
                       std::size_t kept)
    : kept_(kept), forgotten_below_(forgotten_below) {
  by_number_.reserve(recovered.size());
  for (const Tombstone& tombstone : recovered) {
    Add(tombstone, false);
    SetDurable(tombstone.number);
  }
}

const Tombstone* Tombstones::Find(std::uint64_t number) const {
  const auto found = by_number_.find(number);
  return found == by_number_.end() ? nullptr : &found->second.tombstone;
}

Tombstones::Change Tombstones::Add(const Tombstone& tombstone, bool lives) {
  const auto [at, fresh] = by_number_.emplace(tombstone.number, Entry{tombstone, 0, false});
  if (fresh && !lives) SetEnded(at->second);
  Tombstone& kept = at->second.tombstone;
  Change change{kept, fresh};
  if (fresh) return change;
  if (tombstone.cascade && !kept.cascade) kept.cascade = change.cascade = true;
  if (tombstone.mark.grace < kept.mark.grace) {
    kept.mark.grace = tombstone.mark.grace;
    change.grace = true;
  }
  if (change.cascade || change.grace) at->second.durable = false;
  return change;
}

void Tombstones::SetLives(std::uint64_t number) {
  const auto found = by_number_.find(number);
  if (found == by_number_.end()) return;
  ended_.erase(std::exchange(found->second.ended, 0));
}

void Tombstones::SetEnded(std::uint64_t number) {
  const auto found = by_number_.find(number);
  if (found != by_number_.end() && found->second.ended == 0) SetEnded(found->second);
}

void Tombstones::SetEnded(Entry& entry) {
  entry.ended = ++last_ended_;
  ended_.emplace(entry.ended, entry.tombstone.number);
}

void Tombstones::SetDurable(std::uint64_t number) {
  const auto found = by_number_.find(number);
  if (found != by_number_.end()) found->second.durable = true;
}

bool Tombstones::IsDurable(std::uint64_t number) const {
  const auto found = by_number_.find(number);
  return found != by_number_.end() && found->second.durable;
}

std::optional<Tombstone> Tombstones::ForgetFirst() {
  if (ended_.size() <= kept_) return std::nullopt;
  const auto first = by_number_.find(ended_.begin()->second);
  ended_.erase(ended_.begin());
  Tombstone forgotten = std::move(first->second.tombstone);
  by_number_.erase(first);
  forgotten_below_ = std::max(forgotten_below_, forgotten.number + 1);
  return forgotten;
}

}  // namespace quell
