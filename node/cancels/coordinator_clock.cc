#include "node/cancels/coordinator_clock.h"

#include <algorithm>

namespace quell {
namespace {

constexpr std::size_t kSamplesKept = 16;
constexpr BootClock::duration kRounding = std::chrono::microseconds(2);
constexpr BootClock::duration kGoodError = std::chrono::milliseconds(250);
constexpr std::size_t kAnswersEnough = 3;      // If all of them were slow, the way is slow.
constexpr std::int64_t kDriftDivisor = 1'000;  // Two clocks, each at most 500 ppm off.

}  // namespace

void CoordinatorClock::Sample(const BootMoment& theirs, BootTime sent, BootTime received) {
  if (!theirs.known()) return;
  if (theirs.boot_id != boot_id_) {
    samples_.clear();
    answers_ = 0;
    boot_id_ = theirs.boot_id;
  }
  const BootClock::duration half = (received - sent) / 2;
  const Reading fresh{theirs.at, sent + half, half + kRounding};
  // A machine that was restored from a snapshot goes on with its boot id and another clock.
  std::erase_if(samples_, [&](const Reading& old) {
    const BootClock::duration differ = (fresh.theirs - old.theirs) - (fresh.ours - old.ours);
    return std::chrono::abs(differ) > fresh.error + ErrorAt(old, fresh.ours);
  });
  if (samples_.size() == kSamplesKept) samples_.pop_front();
  samples_.push_back(fresh);
  ++answers_;
}

bool CoordinatorClock::ready() const {
  return answers_ >= kAnswersEnough ||
         std::any_of(samples_.begin(), samples_.end(),
                     [](const Reading& reading) { return reading.error <= kGoodError; });
}

bool CoordinatorClock::MayCompare(const BootMoment& moment) const {
  return moment.known() && (boot_id_.empty() || boot_id_ == moment.boot_id);
}

BootClock::duration CoordinatorClock::ErrorAt(const Reading& reading, BootTime when) {
  return reading.error + std::chrono::abs(when - reading.ours) / kDriftDivisor;
}

CoordinatorClock::Order CoordinatorClock::Compare(BootTime ours, const BootMoment& moment) const {
  if (samples_.empty() || moment.boot_id != boot_id_) return Order::kDoubtful;
  // Each reading bounds the moment; none of them is wrong, so the tightest bounds hold.
  BootTime earliest = BootTime::min();
  BootTime latest = BootTime::max();
  for (const Reading& reading : samples_) {
    const BootTime when = reading.ours + (moment.at - reading.theirs);
    const BootClock::duration error = ErrorAt(reading, when);
    earliest = std::max(earliest, when - error);
    latest = std::min(latest, when + error);
  }
  if (ours < earliest && ours < latest) return Order::kBefore;
  if (ours >= latest && ours >= earliest) return Order::kNotBefore;
  return Order::kDoubtful;
}

}  // namespace quell
