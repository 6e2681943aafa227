// Goal: CqLoop keeps the Executor's contract, and stops cleanly whatever is going on.
// Method: the real loop on its own thread; other threads post, set and cancel timers, and stop it.
#include "transport/grpc/cq_loop.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/grpc/support.h"

namespace quell {
namespace {

using testing::ElementsAre;
using namespace std::chrono_literals;

TEST(CqLoopTest, RunsPostedWorkInOrderOnItsOwnThread) {
  RunningLoop loop;
  std::vector<int> ran;
  bool own = true;
  for (int i = 0; i < 3; ++i) {
    loop->Post([&, i] {
      ran.push_back(i);
      own = own && loop->IsOwnThread();
    });
  }
  loop.Run([] {});
  EXPECT_THAT(ran, ElementsAre(0, 1, 2));
  EXPECT_TRUE(own);
  EXPECT_FALSE(loop->IsOwnThread());
}

TEST(CqLoopTest, RunsWhatWasPostedBeforeItStarted) {
  SystemClock clock;
  CqLoop loop(clock);
  Event ran;
  loop.Post([&] { ran.Set(); });
  EXPECT_FALSE(ran.IsSet());
  loop.Start();
  EXPECT_TRUE(ran.Wait());
}

TEST(CqLoopTest, NeverRunsPostedWorkInsideTheCall) {
  RunningLoop loop;
  bool inside = false;
  bool later = false;
  loop.Run([&] {
    loop->Post([&] { later = true; });
    inside = later;
  });
  loop.Run([] {});
  EXPECT_FALSE(inside);
  EXPECT_TRUE(later);
}

TEST(CqLoopTest, WakesUpForEachPostFromOtherThreads) {
  RunningLoop loop;
  constexpr int kThreads = 4;
  constexpr int kPosts = 2000;
  int count = 0;  // Of the loop's thread.
  std::vector<std::vector<int>> seen(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop->Post([&, t, i] {
          ++count;
          seen[static_cast<std::size_t>(t)].push_back(i);
        });
        // Now and then it falls asleep between two posts.
        if (i % 100 == 0) loop.Run([] {});
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  loop.Run([] {});
  EXPECT_EQ(count, kThreads * kPosts);
  for (const std::vector<int>& of_one : seen)
    EXPECT_TRUE(std::is_sorted(of_one.begin(), of_one.end())) << "out of order";
}

TEST(CqLoopTest, RunsTimersInTheOrderOfTheirMomentsAndNotBefore) {
  RunningLoop loop;
  std::vector<int> ran;
  Event last;
  const MonoTime start = loop.In(0s);
  MonoTime fired;
  loop.Run([&] {
    loop->At(start + 40ms, [&] {
      ran.push_back(4);
      last.Set();
    });
    loop->At(start + 20ms, [&] { ran.push_back(2); });
    loop->At(start + 20ms, [&] { ran.push_back(3); });
    loop->At(start + 10ms, [&] {
      ran.push_back(1);
      fired = loop.In(0s);
    });
  });
  ASSERT_TRUE(last.Wait());
  loop.Run([] {});
  EXPECT_THAT(ran, ElementsAre(1, 2, 3, 4));
  EXPECT_GE(fired, start + 10ms);
}

TEST(CqLoopTest, AnEarlierTimerFromAnotherThreadShortensItsSleep) {
  RunningLoop loop;
  Event ran;
  loop->At(loop.In(1h), [] {});
  loop.Run([] {});
  loop->At(loop.In(5ms), [&] { ran.Set(); });
  EXPECT_TRUE(ran.Wait());
}

TEST(CqLoopTest, ACancelledTimerDoesNotRun) {
  RunningLoop loop;
  bool ran = false;
  Event later;
  loop.Run([&] {
    const TimerId timer = loop->At(loop.In(0s), [&] { ran = true; });
    loop->Cancel(timer);
    loop->Cancel(timer);
    loop->Cancel(TimerId::kNone);
    loop->At(loop.In(1ms), [&] { later.Set(); });
  });
  ASSERT_TRUE(later.Wait());
  loop.Run([] {});
  EXPECT_FALSE(ran);
}

TEST(CqLoopTest, ATimerMayCancelOneThatIsDueWithIt) {
  RunningLoop loop;
  bool ran = false;
  Event later;
  loop.Run([&] {
    const MonoTime now = loop.In(0s);
    auto second = std::make_shared<TimerId>();
    loop->At(now, [&loop, second] { loop->Cancel(*second); });
    *second = loop->At(now, [&] { ran = true; });
    loop->At(now, [&] { later.Set(); });
  });
  ASSERT_TRUE(later.Wait());
  EXPECT_FALSE(ran);
}

TEST(CqLoopTest, ChainsOfPostsStarveNeitherTimersNorOthers) {
  RunningLoop loop;
  std::atomic<bool> stop = false;
  std::function<void()> again = [&] {
    if (!stop) loop->Post(again);
  };
  Event timer;
  loop->Post(again);
  loop->At(loop.In(2ms), [&] { timer.Set(); });
  EXPECT_TRUE(timer.Wait());
  stop = true;
  loop.Run([] {});
}

TEST(CqLoopTest, StopRunsWhatWasPostedAndDropsTheTimers) {
  SystemClock clock;
  bool posted = false;
  bool timer = false;
  const auto owned = std::make_shared<int>();
  {
    CqLoop loop(clock);
    loop.Start();
    loop.At(clock.Now() + 1h, [&, owned] { timer = true; });
    loop.Post([&, owned] { posted = true; });
    loop.Stop();
    EXPECT_TRUE(posted);
    EXPECT_EQ(owned.use_count(), 1) << "dropped work is kept";
    loop.Post([&] { timer = true; });  // Never runs.
    loop.Stop();
  }
  EXPECT_FALSE(timer);
}

TEST(CqLoopTest, StopsWithoutEverHavingStarted) {
  SystemClock clock;
  CqLoop loop(clock);
  bool ran = false;
  loop.Post([&] { ran = true; });
  loop.Stop();
  EXPECT_TRUE(ran);
}

TEST(CqLoopTest, DroppedWorkMayPostAsItGoes) {
  SystemClock clock;
  CqLoop loop(clock);
  loop.Start();
  loop.At(clock.Now() + 1h,
          [guard = std::shared_ptr<void>(nullptr, [&](void*) { loop.Post([] {}); })] {});
  loop.Stop();
}

TEST(CqLoopTest, StopsWhileOthersPost) {
  SystemClock clock;
  for (int round = 0; round < 50; ++round) {
    CqLoop loop(clock);
    loop.Start();
    std::atomic<bool> stop = false;
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&] {
        while (!stop) {
          loop.Post([] {});
          loop.Cancel(loop.At(clock.Now(), [] {}));
        }
      });
    }
    loop.Stop();
    stop = true;
    for (std::thread& thread : threads)
      thread.join();
  }
}

}  // namespace
}  // namespace quell
