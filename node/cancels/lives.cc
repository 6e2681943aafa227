#include "node/cancels/lives.h"

#include <algorithm>
#include <limits>

namespace quell {

std::vector<LifeId> Lives::Former() const {
  std::vector<LifeId> former;
  for (std::size_t i = lives_.size(); i-- > 1;)
    former.push_back(lives_[i - 1].id);
  return former;
}

bool Lives::Joined(std::uint64_t next_number) {
  if (lives_.empty() || lives_.back().joined_number) return false;
  lives_.back().joined_number = next_number;
  return true;
}

// A life that gave out numbers which the next one here began with went on elsewhere: this data is
// a copy of what it had before.
bool Lives::IsOurs(const Horizon& horizon) const {
  if (horizon.life.is_null()) return false;
  const auto life = std::find_if(lives_.begin(), lives_.end(),
                                 [&](const Life& one) { return one.id == horizon.life; });
  if (life == lives_.end()) return false;
  const auto next = life + 1;
  return next == lives_.end() || horizon.next_number <= next->first_number;
}

bool Lives::MayBeDouble(std::uint64_t number) const {
  for (std::size_t i = 0; i < lives_.size(); ++i) {
    const std::uint64_t end = i + 1 < lives_.size() ? lives_[i + 1].first_number
                                                    : std::numeric_limits<std::uint64_t>::max();
    if (number < lives_[i].first_number || number >= end) continue;
    return !lives_[i].joined_number || number < *lives_[i].joined_number;
  }
  return false;
}

}  // namespace quell
