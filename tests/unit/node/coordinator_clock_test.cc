// Goal: a task is called older than an intent only when it surely is.
// Method: the plain class with made-up readings of two clocks.
#include "node/coordinator_clock.h"

#include <gtest/gtest.h>

namespace quell {
namespace {

using namespace std::chrono_literals;
using Order = CoordinatorClock::Order;

constexpr MonoTime kStart = MonoTime(1000s);
constexpr WallTime kTheirs = WallTime(5000s);  // Their clock at kStart.

Task BegunAt(MonoTime mono, WallTime wall = WallTime()) {
  Task task;
  task.start_mono = mono;
  task.start_wall = wall;
  return task;
}

TEST(CoordinatorClockTest, KnowsNothingBeforeTheFirstAnswer) {
  EXPECT_FALSE(CoordinatorClock().ready());
}

TEST(CoordinatorClockTest, ComparesExactlyOnOneHost) {
  CoordinatorClock clock;
  clock.Joined("boot", "boot");
  ASSERT_TRUE(clock.ready());
  const WallTime moment(100s);
  EXPECT_EQ(clock.Compare(BegunAt({}, moment - 1us), moment, kStart), Order::kBefore);
  EXPECT_EQ(clock.Compare(BegunAt({}, moment), moment, kStart), Order::kNotBefore);
}

TEST(CoordinatorClockTest, UnknownBootIdsAreNotEqual) {
  CoordinatorClock clock;
  clock.Joined("", "");
  EXPECT_FALSE(clock.ready());
}

TEST(CoordinatorClockTest, SparesWhatBeganWithinHalfARoundTripOfTheMoment) {
  CoordinatorClock clock;
  clock.Joined("here", "there");
  clock.Sample(kTheirs, kStart - 50ms, kStart + 50ms);
  ASSERT_TRUE(clock.ready());
  const auto begun = [&](MonoClock::duration before) {
    return clock.Compare(BegunAt(kStart - before), kTheirs, kStart);
  };
  EXPECT_EQ(begun(51ms), Order::kBefore);
  EXPECT_EQ(begun(49ms), Order::kDoubtful);
  EXPECT_EQ(begun(-49ms), Order::kDoubtful);
  EXPECT_EQ(begun(-51ms), Order::kNotBefore);
}

TEST(CoordinatorClockTest, TrustsTheQuickestExchangeMost) {
  CoordinatorClock clock;
  clock.Joined("here", "there");
  clock.Sample(kTheirs + 80ms, kStart - 100ms, kStart + 100ms);
  clock.Sample(kTheirs + 1s, kStart + 1s - 1ms, kStart + 1s + 1ms);
  EXPECT_EQ(clock.Compare(BegunAt(kStart - 2ms), kTheirs, kStart + 1s), Order::kBefore);
  EXPECT_EQ(clock.Compare(BegunAt(kStart + 2ms), kTheirs, kStart + 1s), Order::kNotBefore);
}

TEST(CoordinatorClockTest, AllowsForClocksThatDriftApart) {
  CoordinatorClock clock;
  clock.Joined("here", "there");
  clock.Sample(kTheirs, kStart, kStart);
  // 1000 s later they may differ by 100 ms.
  const MonoTime later = kStart + 1000s;
  EXPECT_EQ(clock.Compare(BegunAt(later - 90ms), kTheirs + 1000s, later), Order::kDoubtful);
  EXPECT_EQ(clock.Compare(BegunAt(later - 110ms), kTheirs + 1000s, later), Order::kBefore);
}

TEST(CoordinatorClockTest, WaitsForABetterAnswerThanASlowFirstOne) {
  CoordinatorClock clock;
  clock.Joined("here", "there");
  clock.Sample(kTheirs, kStart, kStart + 2s);
  EXPECT_FALSE(clock.ready());
  clock.Sample(kTheirs + 3s, kStart + 2s, kStart + 4s);
  EXPECT_FALSE(clock.ready());
  clock.Sample(kTheirs + 5s, kStart + 4s, kStart + 6s);
  EXPECT_TRUE(clock.ready()) << "a way that is always slow must do";
}

TEST(CoordinatorClockTest, DropsWhatAStepOfTheClockHasMadeWrong) {
  CoordinatorClock clock;
  clock.Joined("here", "there");
  clock.Sample(kTheirs, kStart, kStart);
  clock.Sample(kTheirs + 1h, kStart + 1s - 20ms, kStart + 1s + 20ms);  // An hour was added.
  const MonoTime moment = kStart + 2s;
  EXPECT_EQ(clock.Compare(BegunAt(moment - 30ms), kTheirs + 1h + 1s, moment), Order::kBefore);
  EXPECT_EQ(clock.Compare(BegunAt(moment + 30ms), kTheirs + 1h + 1s, moment), Order::kNotBefore);
}

TEST(CoordinatorClockTest, ForgetsTheClockOfAnotherHost) {
  CoordinatorClock clock;
  clock.Joined("here", "there");
  clock.Sample(kTheirs, kStart, kStart);
  clock.Joined("here", "elsewhere");
  EXPECT_FALSE(clock.ready());
}

TEST(CoordinatorClockTest, SurvivesAMomentThatMakesNoSense) {
  CoordinatorClock clock;
  clock.Joined("here", "there");
  clock.Sample(kTheirs, kStart, kStart);
  EXPECT_EQ(clock.Compare(BegunAt(kStart), WallTime::max(), kStart), Order::kBefore);
  EXPECT_EQ(clock.Compare(BegunAt(kStart), WallTime(), kStart), Order::kNotBefore);
}

}  // namespace
}  // namespace quell
