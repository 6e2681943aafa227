// Goal: a task is called older than an intent only when it surely is.
// Method: the plain class with made-up readings of two clocks.
#include "node/cancels/coordinator_clock.h"

#include <gtest/gtest.h>

namespace quell {
namespace {

using namespace std::chrono_literals;
using ClockOrder = CoordinatorClock::Order;

constexpr BootTime kStart = BootTime(1000s);
constexpr BootTime kTheirs = BootTime(5000s);  // Their clock at kStart.

BootMoment At(BootTime theirs, std::string boot_id = "there") {
  return {std::move(boot_id), theirs};
}

TEST(CoordinatorClockTest, KnowsNothingBeforeTheFirstAnswer) {
  CoordinatorClock clock;
  EXPECT_FALSE(clock.ready());
  EXPECT_TRUE(clock.MayCompare(At(kTheirs)));
  EXPECT_FALSE(clock.MayCompare({})) << "an unknown moment is never known";
  EXPECT_EQ(clock.Compare(kStart, At(kTheirs)), ClockOrder::kDoubtful);
}

TEST(CoordinatorClockTest, AnUnknownReadingSaysNothing) {
  CoordinatorClock clock;
  clock.Sample({}, kStart, kStart);
  EXPECT_FALSE(clock.ready());
}

TEST(CoordinatorClockTest, SparesWhatBeganWithinHalfARoundTripOfTheMoment) {
  CoordinatorClock clock;
  clock.Sample(At(kTheirs), kStart - 50ms, kStart + 50ms);
  ASSERT_TRUE(clock.ready());
  const auto begun = [&](BootClock::duration before) {
    return clock.Compare(kStart - before, At(kTheirs));
  };
  EXPECT_EQ(begun(51ms), ClockOrder::kBefore);
  EXPECT_EQ(begun(49ms), ClockOrder::kDoubtful);
  EXPECT_EQ(begun(-49ms), ClockOrder::kDoubtful);
  EXPECT_EQ(begun(-51ms), ClockOrder::kNotBefore);
}

TEST(CoordinatorClockTest, TrustsTheQuickestExchangeMost) {
  CoordinatorClock clock;
  clock.Sample(At(kTheirs + 80ms), kStart - 100ms, kStart + 100ms);
  clock.Sample(At(kTheirs + 1s), kStart + 1s - 1ms, kStart + 1s + 1ms);
  EXPECT_EQ(clock.Compare(kStart - 3ms, At(kTheirs)), ClockOrder::kBefore);
  EXPECT_EQ(clock.Compare(kStart + 3ms, At(kTheirs)), ClockOrder::kNotBefore);
}

TEST(CoordinatorClockTest, TwoSlowExchangesMayBoundTheMomentTogether) {
  CoordinatorClock clock;
  clock.Sample(At(kTheirs - 90ms), kStart - 100ms, kStart + 100ms);
  clock.Sample(At(kTheirs + 90ms), kStart - 100ms, kStart + 100ms);
  EXPECT_EQ(clock.Compare(kStart - 15ms, At(kTheirs)), ClockOrder::kBefore);
  EXPECT_EQ(clock.Compare(kStart + 15ms, At(kTheirs)), ClockOrder::kNotBefore);
}

TEST(CoordinatorClockTest, AllowsForClocksThatDriftApart) {
  CoordinatorClock clock;
  clock.Sample(At(kTheirs), kStart, kStart);
  // 1000 s later they may differ by 1 s.
  const BootTime later = kStart + 1000s;
  EXPECT_EQ(clock.Compare(later - 900ms, At(kTheirs + 1000s)), ClockOrder::kDoubtful);
  EXPECT_EQ(clock.Compare(later - 1100ms, At(kTheirs + 1000s)), ClockOrder::kBefore);
}

TEST(CoordinatorClockTest, WaitsForABetterAnswerThanASlowFirstOne) {
  CoordinatorClock clock;
  clock.Sample(At(kTheirs), kStart, kStart + 2s);
  EXPECT_FALSE(clock.ready());
  clock.Sample(At(kTheirs + 3s), kStart + 2s, kStart + 4s);
  EXPECT_FALSE(clock.ready());
  clock.Sample(At(kTheirs + 5s), kStart + 4s, kStart + 6s);
  EXPECT_TRUE(clock.ready()) << "a way that is always slow must do";
}

TEST(CoordinatorClockTest, DropsWhatASnapshotOfTheMachineHasMadeWrong) {
  CoordinatorClock clock;
  clock.Sample(At(kTheirs), kStart, kStart);
  clock.Sample(At(kTheirs - 1h), kStart + 1s - 20ms, kStart + 1s + 20ms);
  const BootTime moment = kStart + 2s;
  EXPECT_EQ(clock.Compare(moment - 30ms, At(kTheirs - 1h + 1s)), ClockOrder::kBefore);
  EXPECT_EQ(clock.Compare(moment + 30ms, At(kTheirs - 1h + 1s)), ClockOrder::kNotBefore);
}

TEST(CoordinatorClockTest, AnotherBootIsAnotherClock) {
  CoordinatorClock clock;
  clock.Sample(At(kTheirs), kStart, kStart);
  clock.Sample(At(kTheirs, "restarted"), kStart, kStart);
  EXPECT_FALSE(clock.MayCompare(At(kTheirs)));
  EXPECT_EQ(clock.Compare(kStart - 1h, At(kTheirs)), ClockOrder::kDoubtful);
  EXPECT_EQ(clock.Compare(kStart - 1h, At(kTheirs, "restarted")), ClockOrder::kBefore);
}

TEST(CoordinatorClockTest, SurvivesAMomentThatMakesNoSense) {
  CoordinatorClock clock;
  clock.Sample(At(kTheirs), kStart, kStart);
  constexpr auto kFar = std::chrono::hours(24 * 365 * 50);  // The wire brings no more.
  EXPECT_EQ(clock.Compare(kStart, At(BootTime(kFar))), ClockOrder::kBefore);
  EXPECT_EQ(clock.Compare(kStart, At(BootTime())), ClockOrder::kNotBefore);
}

}  // namespace
}  // namespace quell
