// Goal: simulated time is orderly: a run depends on nothing but its inputs, and a dead or stopped
// process does nothing.
// Method: events are posted on one or two executors and write their names into a list.
#include "tests/support/sim_executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/random.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class SimExecutorTest : public testing::Test {
 protected:
  Executor::Work Note(std::string name) {
    return [this, name = std::move(name)] { ran_.push_back(name); };
  }

  SimScheduler scheduler_;
  SimClock clock_{scheduler_};
  SimExecutor executor_{scheduler_, clock_};
  std::vector<std::string> ran_;
};

TEST_F(SimExecutorTest, RunsEventsByTimeAndThenByCreation) {
  executor_.After(2s, Note("late"));
  executor_.After(1s, Note("first of two"));
  executor_.After(1s, Note("second of two"));
  executor_.Post(Note("now"));
  EXPECT_THAT(ran_, IsEmpty());
  scheduler_.Advance(2s);
  EXPECT_THAT(ran_, ElementsAre("now", "first of two", "second of two", "late"));
}

TEST_F(SimExecutorTest, ReachesExactlyTheTimeItIsAdvancedTo) {
  const MonoTime start = clock_.Now();
  executor_.After(3s, Note("not yet"));
  scheduler_.Advance(2s);
  EXPECT_EQ(clock_.Now() - start, 2s);
  EXPECT_THAT(ran_, IsEmpty());
}

TEST_F(SimExecutorTest, DoesNotRunACancelledTimer) {
  const TimerId doomed = executor_.After(1s, Note("doomed"));
  executor_.After(1s, Note("kept"));
  executor_.Cancel(doomed);
  executor_.Cancel(TimerId::kNone);
  scheduler_.Advance(1s);
  EXPECT_THAT(ran_, ElementsAre("kept"));
}

TEST_F(SimExecutorTest, RunsNothingOfADeadProcess) {
  executor_.Post(Note("posted before"));
  executor_.Kill();
  executor_.Post(Note("posted after"));
  EXPECT_EQ(executor_.After(1s, Note("timer after")), TimerId::kNone);
  scheduler_.Advance(2s);
  EXPECT_THAT(ran_, IsEmpty());
}

TEST_F(SimExecutorTest, HoldsTheWorkOfAStoppedProcessUntilItGoesOn) {
  executor_.After(2s, Note("second"));
  executor_.After(1s, Note("first"));
  const TimerId doomed = executor_.After(1s, Note("cancelled while held"));
  executor_.Pause();
  scheduler_.Advance(5s);
  EXPECT_THAT(ran_, IsEmpty());
  executor_.Cancel(doomed);
  executor_.Resume();
  scheduler_.RunReady();
  EXPECT_THAT(ran_, ElementsAre("first", "second"));
}

TEST_F(SimExecutorTest, GivesEachHostItsOwnClocks) {
  SimClock other_clock(scheduler_, {.mono_ahead = 100s, .wall_ahead = 5s, .drift_ppm = 0});
  SimExecutor other(scheduler_, other_clock);
  EXPECT_EQ(other_clock.Now() - clock_.Now(), 100s);
  EXPECT_EQ(other_clock.Wall() - clock_.Wall(), 5s);
  other.At(other_clock.Now() + 1s, Note("other"));
  scheduler_.Advance(1s);
  EXPECT_THAT(ran_, ElementsAre("other"));
}

TEST_F(SimExecutorTest, LetsWallClocksDriftAndJumpButNotMonotonicOnes) {
  SimClock drifting(scheduler_, {.drift_ppm = 1000});
  const WallTime before = drifting.Wall();
  const MonoTime mono_before = drifting.Now();
  scheduler_.Advance(1000s);
  EXPECT_EQ(drifting.Wall() - before, 1001s);
  drifting.JumpWall(-1h);
  EXPECT_EQ(drifting.Wall() - before, 1001s - 1h);
  EXPECT_EQ(drifting.Now() - mono_before, 1000s);
}

TEST_F(SimExecutorTest, StopsAsSoonAsTheConditionHolds) {
  executor_.After(1s, Note("one"));
  executor_.After(2s, Note("two"));
  EXPECT_TRUE(scheduler_.RunUntil([this] { return ran_.size() == 1; }, 10s));
  EXPECT_THAT(ran_, ElementsAre("one"));
  EXPECT_FALSE(scheduler_.RunUntil([this] { return ran_.size() == 3; }, 10s));
}

TEST(SimSchedulerTest, HashesEqualRunsEquallyAndDifferentRunsDifferently) {
  const auto run = [](std::uint64_t seed) {
    SimScheduler scheduler;
    SeededRandom random(seed);
    for (int i = 0; i < 10; ++i) {
      scheduler.After(std::chrono::milliseconds(random.Below(1000)),
                      [&scheduler] { scheduler.Trace("tick"); });
    }
    scheduler.Advance(1s);
    return scheduler.trace_hash();
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

}  // namespace
}  // namespace quell
