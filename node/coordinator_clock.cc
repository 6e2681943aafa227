#include "node/coordinator_clock.h"

#include <algorithm>

namespace quell {
namespace {

constexpr std::size_t kSamplesKept = 16;
constexpr MonoClock::duration kRounding = std::chrono::microseconds(2);
constexpr MonoClock::duration kGoodError = std::chrono::milliseconds(250);
constexpr std::size_t kAnswersEnough = 3;       // If all of them were slow, the way is slow.
constexpr std::int64_t kDriftDivisor = 10'000;  // Clocks drift apart by at most 100 ppm.

}  // namespace

void CoordinatorClock::Joined(const std::string& own_boot_id,
                              const std::string& coordinator_boot_id) {
  if (coordinator_boot_id != boot_id_) {
    samples_.clear();
    answers_ = 0;
  }
  boot_id_ = coordinator_boot_id;
  shared_ = !own_boot_id.empty() && own_boot_id == coordinator_boot_id;
}

void CoordinatorClock::Sample(WallTime wall, MonoTime sent, MonoTime received) {
  const MonoClock::duration half = (received - sent) / 2;
  const Reading fresh{wall, sent + half, half + kRounding};
  std::erase_if(samples_, [&](const Reading& old) {
    const MonoClock::duration differ = (fresh.wall - old.wall) - (fresh.at - old.at);
    return std::chrono::abs(differ) > fresh.error + ErrorAt(old, fresh.at);
  });
  if (samples_.size() == kSamplesKept) samples_.pop_front();
  samples_.push_back(fresh);
  ++answers_;
}

bool CoordinatorClock::ready() const {
  return shared_ || answers_ >= kAnswersEnough ||
         std::any_of(samples_.begin(), samples_.end(),
                     [](const Reading& reading) { return reading.error <= kGoodError; });
}

MonoClock::duration CoordinatorClock::ErrorAt(const Reading& reading, MonoTime when) {
  return reading.error + std::chrono::abs(when - reading.at) / kDriftDivisor;
}

const CoordinatorClock::Reading& CoordinatorClock::Best(MonoTime now) const {
  return *std::min_element(samples_.begin(), samples_.end(), [now](const auto& a, const auto& b) {
    return ErrorAt(a, now) < ErrorAt(b, now);
  });
}

CoordinatorClock::Order CoordinatorClock::Compare(const Task& task, WallTime moment,
                                                  MonoTime now) const {
  if (shared_) return task.start_wall < moment ? Order::kBefore : Order::kNotBefore;
  const Reading& best = Best(now);
  // A moment from a broken clock must not overflow the sum.
  constexpr WallClock::duration kFar = std::chrono::hours(24 * 365 * 50);
  const MonoTime when = best.at + std::clamp(moment - best.wall, -kFar, kFar);
  const MonoClock::duration error = ErrorAt(best, when);
  if (task.start_mono + error < when) return Order::kBefore;
  if (task.start_mono - error >= when) return Order::kNotBefore;
  return Order::kDoubtful;
}

}  // namespace quell
