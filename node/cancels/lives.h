// The starts of this node's daemon on its data directory: what tells whether something was said to
// this data, or to another copy of it.
#pragma once

#include <cstdint>
#include <vector>

#include "core/intent.h"
#include "node/journal/journal.h"

namespace quell {

// Not thread-safe.
class Lives {
 public:
  // As the journal has them: the last one is the present.
  explicit Lives(std::vector<Life> recovered) : lives_(std::move(recovered)) {}

  // Null if the journal names none.
  LifeId present() const { return lives_.empty() ? LifeId() : lives_.back().id; }
  // The last one first.
  std::vector<LifeId> Former() const;

  // The present life has joined, and gives out no number below `next_number` any more. True the
  // first time.
  bool Joined(std::uint64_t next_number);

  // The horizon speaks of numbers that these lives gave out, not those of another copy.
  bool IsOurs(const Horizon& horizon) const;
  // Another copy may have given out the number too: it was given out before a life first joined.
  bool MayBeDouble(std::uint64_t number) const;

 private:
  std::vector<Life> lives_;
};

}  // namespace quell
