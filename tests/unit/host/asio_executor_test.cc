// Goal: AsioExecutor keeps each promise of core/executor.h, in particular the orders that Asio
// itself does not keep.
// Method: a real context run by the test's thread, other threads that post into it, and a clock
// that stands still where only the order of timers matters.
#include "host/asio_executor.h"

#include <future>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/host/fixtures.h"

namespace quell {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

class StillClock final : public Clock {
 public:
  MonoTime Now() const override { return MonoTime(1000s); }
  WallTime Wall() const override { return WallTime(); }
  BootTime Boot() const override { return BootTime(); }
};

class AsioExecutorTest : public testing::Test {
 protected:
  Executor::Work Note(int what) {
    return [this, what] { notes_.push_back(what); };
  }

  Loop loop_;
  Executor& executor_ = loop_.executor;
  std::vector<int> notes_;
};

// Timers' order without time.
class AsioExecutorTimerTest : public testing::Test {
 protected:
  Executor::Work Note(int what) {
    return [this, what] { notes_.push_back(what); };
  }
  MonoTime Ago(int seconds) const { return clock_.Now() - std::chrono::seconds(seconds); }

  StillClock clock_;
  boost::asio::io_context context_;
  AsioExecutor executor_{context_, clock_};
  std::vector<int> notes_;
};

TEST_F(AsioExecutorTest, RunsPostedWorkInOrderAndNeverInsideTheCall) {
  executor_.Post([&] {
    executor_.Post(Note(3));
    notes_.push_back(1);
  });
  executor_.Post(Note(2));
  EXPECT_THAT(notes_, IsEmpty());
  ASSERT_TRUE(loop_.RunUntil([&] { return notes_.size() == 3; }));
  EXPECT_THAT(notes_, ElementsAre(1, 2, 3));
}

// Asio keeps what its own thread posts aside until the handler returns: the other thread's work
// would overtake it.
TEST_F(AsioExecutorTest, KeepsTheOrderOfPostsBetweenThreads) {
  executor_.Post([&] {
    executor_.Post(Note(1));
    std::thread([&] { executor_.Post(Note(2)); }).join();
    executor_.Post(Note(3));
  });
  ASSERT_TRUE(loop_.RunUntil([&] { return notes_.size() == 3; }));
  EXPECT_THAT(notes_, ElementsAre(1, 2, 3));
}

TEST_F(AsioExecutorTest, LosesNothingThatManyThreadsPost) {
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  std::vector<std::vector<int>> seen(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        executor_.Post([&seen, t, i] { seen[static_cast<std::size_t>(t)].push_back(i); });
      }
    });
  }
  const auto complete = [&] {
    return std::all_of(seen.begin(), seen.end(), [](const auto& s) { return s.size() == kEach; });
  };
  EXPECT_TRUE(loop_.RunUntil(complete));
  for (std::thread& thread : threads)
    thread.join();
  for (const auto& sequence : seen) {
    EXPECT_TRUE(std::is_sorted(sequence.begin(), sequence.end())) << "a thread's order was broken";
  }
}

TEST_F(AsioExecutorTest, NeverRunsATimerBeforeItsMoment) {
  const MonoTime when = loop_.clock.Now() + 20ms;
  std::optional<MonoTime> ran;
  executor_.At(when, [&] { ran = loop_.clock.Now(); });
  ASSERT_TRUE(loop_.RunUntil([&] { return ran.has_value(); }));
  EXPECT_GE(ran->time_since_epoch().count(), when.time_since_epoch().count());
}

TEST_F(AsioExecutorTest, RunsAnEarlierTimerThatIsMadeLater) {
  executor_.After(1h, Note(2));
  loop_.RunReady();
  executor_.After(1ms, Note(1));
  ASSERT_TRUE(loop_.RunUntil([&] { return !notes_.empty(); }));
  EXPECT_THAT(notes_, ElementsAre(1));
}

TEST_F(AsioExecutorTest, WakesUpForATimerOfAnotherThread) {
  std::thread other;
  executor_.Post([&] { other = std::thread([&] { executor_.After(1ms, Note(1)); }); });
  EXPECT_TRUE(loop_.RunUntil([&] { return !notes_.empty(); }));
  other.join();
}

TEST_F(AsioExecutorTimerTest, RunsTimersByMomentThenByAge) {
  executor_.At(Ago(1), Note(4));
  executor_.At(Ago(3), Note(1));
  executor_.At(Ago(2), Note(2));
  executor_.At(Ago(2), Note(3));
  context_.run();
  EXPECT_THAT(notes_, ElementsAre(1, 2, 3, 4));
}

TEST_F(AsioExecutorTimerTest, DoesNotRunWhatIsCancelledEvenInTheSameTurn) {
  const TimerId third = executor_.At(Ago(1), Note(3));
  executor_.At(Ago(3), [&] {
    notes_.push_back(1);
    executor_.Cancel(third);
  });
  executor_.At(Ago(2), Note(2));
  context_.run();
  EXPECT_THAT(notes_, ElementsAre(1, 2));
}

TEST_F(AsioExecutorTimerTest, IgnoresTheCancelOfWhatHasRun) {
  const TimerId first = executor_.At(Ago(1), Note(1));
  context_.run();
  context_.restart();
  executor_.At(Ago(1), Note(2));
  executor_.Cancel(first);
  executor_.Cancel(TimerId::kNone);
  context_.run();
  EXPECT_THAT(notes_, ElementsAre(1, 2));
}

TEST_F(AsioExecutorTimerTest, LetsTheContextEndWhenTheLastTimerIsCancelled) {
  const TimerId timer = executor_.After(1h, Note(1));
  context_.poll();  // The alarm is set.
  executor_.Cancel(timer);
  context_.run();  // Would take an hour.
  EXPECT_THAT(notes_, IsEmpty());
}

// Asio's clock and ours are not the same: the alarm may ring before its time has come.
TEST_F(AsioExecutorTimerTest, WaitsOnWhenTheAlarmRingsBeforeItsTime) {
  class SlowClock final : public Clock {
   public:
    MonoTime Now() const override { return MonoTime(1us * ++calls_); }
    WallTime Wall() const override { return WallTime(); }
    BootTime Boot() const override { return BootTime(); }

   private:
    mutable int calls_ = 0;
  };
  const SlowClock clock;
  AsioExecutor executor(context_, clock);
  MonoTime ran;
  executor.At(MonoTime(50us), [&] { ran = clock.Now(); });
  context_.run();
  EXPECT_GT(ran.time_since_epoch().count(), std::chrono::nanoseconds(50us).count());
}

TEST_F(AsioExecutorTimerTest, GivesEachTimerAnIdOfItsOwn) {
  const TimerId a = executor_.After(1h, Note(1));
  const TimerId b = executor_.After(1h, Note(1));
  EXPECT_NE(a, b);
  EXPECT_NE(a, TimerId::kNone);
}

TEST_F(AsioExecutorTimerTest, RunsNothingAfterItsEndAndLetsGoOfWhatItHeld) {
  auto held = std::make_shared<int>(0);
  {
    AsioExecutor executor(context_, clock_);
    executor.Post([&, held] { notes_.push_back(1); });
    executor.At(Ago(1), [&, held] { notes_.push_back(2); });
    EXPECT_EQ(held.use_count(), 3);
  }
  EXPECT_EQ(held.use_count(), 1);
  context_.run();
  EXPECT_THAT(notes_, IsEmpty());
}

}  // namespace
}  // namespace quell
