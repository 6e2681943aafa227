// Task numbers: given out in ascending order, only below what the journal has reserved, never
// twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>

#include "core/lifetime.h"
#include "core/result.h"
#include "node/journal.h"

namespace quell {

// Not thread-safe: on the journal's executor.
class Numbers {
 public:
  using Taken = std::function<void(Result<std::uint64_t>)>;

  // `next` is the journal's reserved end: nothing is reserved above it. Reserves a block at once.
  Numbers(Journal& journal, std::uint64_t next);

  // The lowest number that may still be given out.
  std::uint64_t next() const { return next_; }

  // Calls `done` with the first of `count` numbers in a row: inside the call if they are reserved,
  // else when the journal has them, in the order of the calls. Errors: the journal's, nothing was
  // given out; kResourceExhausted (there are no numbers left).
  void Take(std::size_t count, Taken done);

  // Gives out no number below `next` from now on.
  void RaiseTo(std::uint64_t next);

 private:
  struct Waiter {
    std::size_t count;
    Taken done;
  };

  std::uint64_t left() const { return end_ > next_ ? end_ - next_ : 0; }
  void Reserve();
  void OnReserved(std::uint64_t end, const Status& status);

  Journal& journal_;
  std::uint64_t next_;
  std::uint64_t end_;  // Below it all numbers are reserved.
  bool reserving_ = false;
  std::deque<Waiter> waiters_;
  std::size_t wanted_ = 0;  // By all waiters.
  Lifetime lifetime_;
};

}  // namespace quell
