// Goal: a turn that holds an executor for too long is counted, and told now and then with what ran;
// a machine that is merely busy can be told from a long piece of work. Method: a clock that the
// test sets, and a processor's time too.
#include "core/turn_watch.h"

#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class SetClock final : public Clock {
 public:
  MonoTime Now() const override { return now; }
  BootTime Boot() const override { return {}; }
  WallTime Wall() const override { return {}; }
  MonoTime now{1h};
};

class TurnWatchTest : public testing::Test {
 protected:
  TurnWatchTest() { TurnWatch::WatchThisThread(&watch_); }
  ~TurnWatchTest() override { TurnWatch::WatchThisThread(nullptr); }

  void Work(MonoClock::duration took, MonoClock::duration cpu) {
    clock_.now += took;
    cpu_ += cpu;
  }

  SetClock clock_;
  std::chrono::nanoseconds cpu_{0};
  std::vector<LongTurn> told_;
  TurnWatch watch_{clock_, [this] { return cpu_; },
                   [this](const LongTurn& turn) { told_.push_back(turn); }};
};

TEST_F(TurnWatchTest, ATurnWithinTheLimitIsNotCounted) {
  for (int i = 0; i < 100; ++i) {
    const Turn turn("short");
    Work(limits::kTurnMax, limits::kTurnMax);
  }
  EXPECT_EQ(watch_.count(), 0u);
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(TurnWatchTest, ALongTurnIsCountedAndToldWithWhatRan) {
  {
    const Turn turn("the work");
    Work(70ms, 60ms);
  }
  EXPECT_EQ(watch_.count(), 1u);
  ASSERT_THAT(told_, SizeIs(1));
  EXPECT_EQ(told_[0].what, "the work");
  EXPECT_EQ(told_[0].took, 70ms);
  EXPECT_EQ(told_[0].on_cpu, 60ms);
}

TEST_F(TurnWatchTest, ABusyMachineIsToldFromALongPieceOfWork) {
  {
    const Turn turn("waited for its processor");
    Work(2s, 1ms);
  }
  ASSERT_THAT(told_, SizeIs(1));
  EXPECT_EQ(told_[0].on_cpu, 1ms);
}

TEST_F(TurnWatchTest, ARequestNamesItsTurnAndAnUnnamedOneIsItsType) {
  {
    const Turn turn("a connection");
    Turn::Name("/_cat/tasks");
    Work(60ms, 60ms);
  }
  clock_.now += limits::kTurnLogInterval;
  {
    const Turn turn(typeid(TurnWatchTest));
    Work(60ms, 60ms);
  }
  ASSERT_THAT(told_, SizeIs(2));
  EXPECT_EQ(told_[0].what, "/_cat/tasks");
  EXPECT_THAT(told_[1].what, HasSubstr("TurnWatchTest"));
}

TEST_F(TurnWatchTest, TheOutermostIsTheTurn) {
  {
    const Turn turn("outer");
    for (int i = 0; i < 3; ++i) {
      const Turn inner("inner");
      Work(20ms, 20ms);
    }
  }
  EXPECT_EQ(watch_.count(), 1u);
  ASSERT_THAT(told_, SizeIs(1));
  EXPECT_EQ(told_[0].what, "outer");
  EXPECT_EQ(told_[0].took, 60ms);
}

TEST_F(TurnWatchTest, OneLineInAnIntervalSaysHowManyWereKeptBack) {
  for (int i = 0; i < 5; ++i) {
    const Turn turn("often");
    Work(100ms, 100ms);
  }
  EXPECT_EQ(watch_.count(), 5u);
  EXPECT_THAT(told_, SizeIs(1));
  clock_.now += limits::kTurnLogInterval;
  {
    const Turn turn("often");
    Work(100ms, 100ms);
  }
  ASSERT_THAT(told_, SizeIs(2));
  EXPECT_EQ(told_[1].count, 6u);
  EXPECT_EQ(told_[1].not_reported, 4u);
}

TEST_F(TurnWatchTest, AThreadThatIsNotWatchedCostsNothing) {
  std::thread([this] {
    const Turn turn("elsewhere");
    Turn::Name("elsewhere");
    Work(1s, 1s);
  }).join();
  EXPECT_EQ(watch_.count(), 0u);
}

}  // namespace
}  // namespace quell
