#include "core/task_id_allocator.h"

#include <algorithm>
#include <utility>

#include "core/ids.h"
#include "core/limits.h"

namespace quell {

TaskIdAllocator::TaskIdAllocator(Reserver reserve, std::uint64_t next)
    : reserve_(std::move(reserve)), next_(next), end_(next) {
  Reserve();
}

void TaskIdAllocator::Take(std::size_t count, Taken done) {
  if (waiters_.empty() && count <= left()) {
    const std::uint64_t first = next_;
    next_ += count;
    if (left() < limits::kIdBlock / 2) Reserve();
    return done(first);
  }
  waiters_.push_back({count, std::move(done)});
  wanted_ += count;
  Reserve();
}

std::optional<std::uint64_t> TaskIdAllocator::TryTake() {
  std::optional<std::uint64_t> number;
  if (waiters_.empty() && left() > 0 && next_ <= TaskId::kNumberMax) number = next_++;
  if (left() < limits::kIdBlock / 2) Reserve();
  return number;
}

void TaskIdAllocator::RaiseTo(std::uint64_t next) {
  if (next <= next_) return;
  next_ = next;
  if (left() < limits::kIdBlock / 2) Reserve();
}

void TaskIdAllocator::Reserve() {
  if (reserving_) return;
  reserving_ = true;
  const std::uint64_t missing = wanted_ > left() ? wanted_ - left() : 0;
  const std::uint64_t end =
      std::max(end_, next_) + std::max<std::uint64_t>(limits::kIdBlock, missing);
  reserve_(end, lifetime_.Guard([this, end](const Status& status) { OnReserved(end, status); }));
}

void TaskIdAllocator::OnReserved(std::uint64_t end, const Status& status) {
  reserving_ = false;
  // Whoever waits has waited for this answer: after a failure the next call tries again.
  std::deque<Waiter> waiters = std::exchange(waiters_, {});
  wanted_ = 0;
  if (status) end_ = std::max(end_, end);
  while (!waiters.empty()) {
    Waiter waiter = std::move(waiters.front());
    waiters.pop_front();
    if (!status) {
      waiter.done(status.error());
    } else if (next_ + waiter.count > TaskId::kNumberMax) {
      waiter.done(Error{ErrorCode::kResourceExhausted, "this node has no task numbers left"});
    } else {
      Take(waiter.count, std::move(waiter.done));
    }
  }
}

}  // namespace quell
