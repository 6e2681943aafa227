#include "tests/support/sim_disk.h"

#include <algorithm>
#include <utility>

namespace quell {

void SimDiskQueue::Commit(std::function<void()> durable, std::function<void(Status)> done) {
  std::optional<Error> error = PickError();
  const MonoTime now = executor_.clock().Now();
  last_durable_ = std::max(last_durable_, now + Between(disk_.commit_min, disk_.commit_max));
  last_report_ =
      std::max(last_report_, last_durable_ + Between(MonoClock::duration{0}, disk_.report_max));
  if (!error) {
    executor_.At(last_durable_, [this, before = next_behind_, durable = std::move(durable)] {
      FlushUpTo(before);
      durable();
      if (disk_.on_durable) disk_.on_durable();
    });
  }
  executor_.At(last_report_, [done = std::move(done), error = std::move(error)] {
    done(error ? Status(*error) : Status());
  });
}

void SimDiskQueue::Behind(std::function<void()> durable) {
  behind_.emplace(next_behind_++, std::move(durable));
  const MonoTime due = executor_.clock().Now() + Between(disk_.behind_max / 2, disk_.behind_max);
  executor_.At(std::max(due, last_durable_), [this, upto = next_behind_] { FlushUpTo(upto); });
}

void SimDiskQueue::FlushUpTo(std::uint64_t behind) {
  while (!behind_.empty() && behind_.begin()->first < behind) {
    const auto first = behind_.extract(behind_.begin());
    first.mapped()();
  }
}

void SimDiskQueue::Read(std::function<void()> done) {
  last_report_ = std::max(last_report_, executor_.clock().Now() + disk_.commit_min);
  executor_.At(last_report_, std::move(done));
}

bool SimDiskQueue::Chance(unsigned per_thousand) {
  return random_ != nullptr && per_thousand > 0 && random_->Below(1000) < per_thousand;
}

MonoClock::duration SimDiskQueue::Between(MonoClock::duration low, MonoClock::duration high) {
  if (random_ == nullptr || high <= low) return low;
  const auto span = static_cast<std::uint64_t>((high - low).count());
  return low + MonoClock::duration(static_cast<std::int64_t>(random_->Below(span + 1)));
}

std::optional<Error> SimDiskQueue::PickError() {
  if (disk_.error) return disk_.error;
  const Error full{ErrorCode::kResourceExhausted, "simulated disk is full: free some space"};
  if (disk_.fail_next > 0) {
    --disk_.fail_next;
    return full;
  }
  if (!Chance(disk_.errors_per_thousand)) return std::nullopt;
  if (random_->Below(2) == 0) return full;
  return Error{ErrorCode::kInternal, "simulated disk failed: replace it"};
}

}  // namespace quell
