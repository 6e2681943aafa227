// Task numbers: given out in ascending order, only below what has been reserved durably, never
// twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "core/lifetime.h"
#include "core/result.h"

namespace quell {

// Not thread-safe: on one executor.
class TaskIdAllocator {
 public:
  using Taken = std::function<void(Result<std::uint64_t>)>;
  // Makes it durable that numbers below `end` may have been given out; then `done`, on the
  // executor, never inside the call.
  using Reserver = std::function<void(std::uint64_t end, std::function<void(Status)> done)>;

  // `next` is the end of what was reserved before. Reserves a block at once.
  TaskIdAllocator(Reserver reserve, std::uint64_t next);

  // The lowest number that may still be given out.
  std::uint64_t next() const { return next_; }

  // Calls `done` with the first of `count` numbers in a row: inside the call if they are reserved,
  // else when they are, in the order of the calls. Errors: the reserver's, nothing was given out;
  // kResourceExhausted (there are no numbers left).
  void Take(std::size_t count, Taken done);

  // The next number, if it is reserved: for what can do without one, and must not wait for a disk.
  std::optional<std::uint64_t> TryTake();

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

  const Reserver reserve_;
  std::uint64_t next_;
  std::uint64_t end_;  // Below it all numbers are reserved.
  bool reserving_ = false;
  std::deque<Waiter> waiters_;
  std::size_t wanted_ = 0;  // By all waiters.
  Lifetime lifetime_;
};

}  // namespace quell
