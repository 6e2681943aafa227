// Goal: in every answer each selected node stands exactly once, and the answer is there by the
// deadline, whatever the nodes say, when, how often, and on which thread.
// Method: single cases; then seeded runs in which every node meets a random fate and an oracle says
// what its slot must hold; then real threads that answer all at once while the deadline passes.
#include "coordinator/fan_out/fan_out.h"

#include <atomic>
#include <deque>
#include <mutex>
#include <thread>

#include <gmock/gmock.h>

#include "coordinator/fan_out/failures.h"
#include "tests/unit/coordinator/fixtures.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

class FanOutTest : public testing::Test {
 protected:
  static FanOutSlot Listed(int n, bool joined = true) {
    FanOutSlot slot;
    slot.slot.node = Info(n);
    slot.slot.sink = std::make_shared<NumbersSink>();
    slot.request = ListRequest{};
    slot.standing.connected = joined;
    return slot;
  }

  void Run(std::vector<FanOutSlot> slots, MonoClock::duration timeout = 5s) {
    FanOut(executor_, asks_, kListAction, std::move(slots), executor_.clock().Now() + timeout,
           [this](std::vector<Slot> gathered) {
             ++answers_;
             answered_at_ = scheduler_.Now();
             slots_ = std::move(gathered);
           });
  }

  std::optional<FailureCause> Cause(std::size_t i) const {
    if (!slots_[i].failure) return std::nullopt;
    return slots_[i].failure->cause;
  }
  static std::vector<std::uint64_t> NumbersOf(const Slot& slot) {
    return SinkAs<NumbersSink>(*slot.sink).numbers;
  }

  SimScheduler scheduler_;
  SimClock clock_{scheduler_};
  SimExecutor executor_{scheduler_, clock_};
  AskedNodes nodes_;
  NodeAsks asks_{nodes_};
  int answers_ = 0;
  MonoTime answered_at_;
  std::vector<Slot> slots_;
};

TEST_F(FanOutTest, AListThatDoesNotGoOnIsItsNodesFailure) {
  for (const std::uint64_t shown : {7u, 5u, 8u}) {
    FanOutSlot slot = Listed(1);
    ListRequest request;
    request.after = 7;
    slot.request = request;
    std::vector<FanOutSlot> slots;
    slots.push_back(std::move(slot));
    Run(std::move(slots));
    auto ask = nodes_.Take(1);
    const TaskView task = MakeTask(1, shown);
    ask->sink->OnTasks({&task, 1});
    ask->sink->OnDone(NodeReply(ListReply{1, true}));
    scheduler_.RunReady();
    ASSERT_EQ(slots_.size(), 1u);
    EXPECT_EQ(slots_[0].failure.has_value(), shown != 8) << shown;
  }
  Run({Listed(1)});
  nodes_.Take(1)->sink->OnDone(NodeReply(ListReply{0, true}));
  scheduler_.RunReady();
  ASSERT_TRUE(slots_[0].failure.has_value()) << "more of nothing";
  EXPECT_THAT(Describe(*slots_[0].failure), testing::HasSubstr("does not go on"));
}

TEST_F(FanOutTest, AnswersWhenTheLastNodeHasAnswered) {
  Run({Listed(1), Listed(2)});
  auto first = nodes_.Take(1);
  auto second = nodes_.Take(2);
  const TaskView task = MakeTask(2, 7);
  second->sink->OnTasks({&task, 1});
  second->sink->OnDone(NodeReply(ListReply{1}));
  scheduler_.Advance(1s);
  EXPECT_EQ(answers_, 0);
  first->sink->OnDone(NodeReply(ListReply{0}));
  scheduler_.RunReady();
  ASSERT_EQ(answers_, 1);
  EXPECT_EQ(slots_[0].node->id, Id(1));
  EXPECT_FALSE(slots_[0].failure || slots_[1].failure);
  EXPECT_THAT(NumbersOf(slots_[1]), ElementsAre(7));
}

TEST_F(FanOutTest, ATaskThatCannotBeReadFailsAloneAndIsNamed) {
  Run({Listed(1)});
  auto ask = nodes_.Take(1);
  const TaskView task = MakeTask(1, 7);
  const TaskFailure bad{Id(1), 8, "the action is missing"};
  ask->sink->OnTasks({&task, 1});
  ask->sink->OnUnreadable({&bad, 1});
  ask->sink->OnDone(NodeReply(ListReply{2}));
  scheduler_.RunReady();
  ASSERT_EQ(answers_, 1);
  EXPECT_FALSE(slots_[0].failure);
  EXPECT_THAT(NumbersOf(slots_[0]), ElementsAre(7));
  EXPECT_THAT(slots_[0].task_failures, ElementsAre(bad));
}

TEST_F(FanOutTest, NamesNoMoreUnreadableTasksThanItsLimitAndCountsTheRest) {
  Run({Listed(1)});
  auto ask = nodes_.Take(1);
  const std::vector<TaskFailure> bad(limits::kTaskFailuresMax + 5,
                                     {Id(1), 8, "the action is missing"});
  ask->sink->OnUnreadable(bad);
  ask->sink->OnDone(NodeReply(ListReply{bad.size()}));
  scheduler_.RunReady();
  ASSERT_EQ(slots_[0].task_failures.size(), limits::kTaskFailuresMax + 1);
  EXPECT_EQ(slots_[0].task_failures.back().reason, "and 5 more that cannot be read");
}

// Nobody would know where the next part begins.
TEST_F(FanOutTest, APartOfAListWithoutAnyTaskThatCanBeReadFails) {
  Run({Listed(1)});
  auto ask = nodes_.Take(1);
  const TaskFailure bad{Id(1), 8, "the action is missing"};
  ask->sink->OnUnreadable({&bad, 1});
  ask->sink->OnDone(NodeReply(ListReply{1, true}));
  scheduler_.RunReady();
  EXPECT_EQ(Cause(0), FailureCause::kBadAnswer);
  EXPECT_THAT(Describe(*slots_[0].failure), testing::HasSubstr("the action is missing"));
}

TEST_F(FanOutTest, NothingToAskStillAnswersLater) {
  FanOutSlot ghost;
  ghost.slot.failure = NoSuchNode("ghost");
  Run({std::move(ghost)});
  EXPECT_EQ(answers_, 0);
  scheduler_.RunReady();
  ASSERT_EQ(answers_, 1);
  EXPECT_EQ(Cause(0), FailureCause::kNoSuchNode);
}

TEST_F(FanOutTest, TheOwnTimerAnswersAtTheDeadlineForNodesThatDoNot) {
  Run({Listed(1), Listed(2)}, 2s);
  nodes_.Take(1)->sink->OnDone(NodeReply(ListReply{0}));
  const MonoTime start = scheduler_.Now();
  scheduler_.Advance(10s);
  ASSERT_EQ(answers_, 1);
  EXPECT_EQ(answered_at_ - start, 2s);
  EXPECT_FALSE(slots_[0].failure);
  EXPECT_EQ(Cause(1), FailureCause::kNoAnswer);
  EXPECT_EQ(Describe(*slots_[1].failure),
            "[node2][127.0.0.1:9302][cluster:monitor/tasks/lists[n]] request_id [2] timed out "
            "after [2000ms]");
  EXPECT_EQ(slots_[1].sink, nullptr);
}

TEST_F(FanOutTest, WhatComesTwiceOrTooLateIsDropped) {
  FanOutSlot slow = Listed(2);
  const std::shared_ptr<TaskSink> rendered = slow.slot.sink;
  Run({Listed(1), std::move(slow)}, 1s);
  auto first = nodes_.Take(1);
  first->sink->OnDone(NodeReply(ListReply{0}));
  first->sink->OnDone(Error{ErrorCode::kUnavailable, "a second answer"});
  auto second = nodes_.Take(2);
  scheduler_.Advance(1s);
  const TaskView task = MakeTask(2, 7);
  second->sink->OnTasks({&task, 1});
  second->sink->OnDone(NodeReply(ListReply{1}));
  scheduler_.Advance(1s);
  EXPECT_EQ(answers_, 1);
  EXPECT_EQ(Cause(0), std::nullopt);
  EXPECT_EQ(Cause(1), FailureCause::kNoAnswer);
  EXPECT_THAT(SinkAs<NumbersSink>(*rendered).numbers, testing::IsEmpty());
}

TEST_F(FanOutTest, ANodeThatFailsMidwayShowsNothing) {
  Run({Listed(1)});
  auto ask = nodes_.Take(1);
  const TaskView task = MakeTask(1, 7);
  ask->sink->OnTasks({&task, 1});
  ask->sink->OnDone(Error{ErrorCode::kUnavailable, "the connection broke"});
  scheduler_.RunReady();
  EXPECT_EQ(Cause(0), FailureCause::kDisconnected);
  EXPECT_EQ(slots_[0].sink, nullptr);
}

TEST_F(FanOutTest, GarbageFailsItsSlotAlone) {
  Run({Listed(1), Listed(2), Listed(3), Listed(4)});
  nodes_.Take(1)->sink->OnDone(NodeReply(GetReply{}));
  nodes_.Take(2)->sink->OnDone(NodeReply(ListReply{3}));
  auto foreign = nodes_.Take(3);
  const TaskView task = MakeTask(4, 7);
  foreign->sink->OnTasks({&task, 1});
  foreign->sink->OnDone(NodeReply(ListReply{1}));
  auto good = nodes_.Take(4);
  good->sink->OnTasks({&task, 1});
  good->sink->OnDone(NodeReply(ListReply{1}));
  scheduler_.RunReady();
  for (std::size_t i : {0u, 1u, 2u})
    EXPECT_EQ(Cause(i), FailureCause::kBadAnswer);
  EXPECT_THAT(NumbersOf(slots_[3]), ElementsAre(7));
}

// ---- Nodes that do not answer

TEST_F(FanOutTest, AStoppedNodeIsNotAskedAndFailsAtOnce) {
  FanOutSlot slot = Listed(1);
  slot.standing = {Presence::kStopped, false, WallFromMicros(1)};
  Run({std::move(slot)});
  scheduler_.RunReady();
  ASSERT_EQ(answers_, 1);
  EXPECT_EQ(nodes_.asks.size(), 0u);
  EXPECT_EQ(slots_[0].failure->cause, FailureCause::kStopped);
  EXPECT_EQ(slots_[0].failure->action, "");
}

TEST_F(FanOutTest, ANodeThatAnswersNothingIsAskedByFewAndTheOthersFailAtOnce) {
  for (std::size_t i = 0; i < limits::kAsksWhileUnanswered; ++i)
    Run({Listed(1)});
  scheduler_.Advance(limits::kUnansweredAfter);
  Run({Listed(1)});
  scheduler_.RunReady();
  ASSERT_EQ(answers_, 1);
  EXPECT_EQ(slots_[0].failure->cause, FailureCause::kNotResponding);
  EXPECT_TRUE(slots_[0].failure->since);
  EXPECT_EQ(nodes_.asks.size(), limits::kAsksWhileUnanswered);
  // Its first word ends that.
  nodes_.Take(1)->sink->OnDone(NodeReply(ListReply{0}));
  scheduler_.RunReady();
  EXPECT_EQ(answers_, 2);
  Run({Listed(1)});
  EXPECT_EQ(nodes_.asks.size(), limits::kAsksWhileUnanswered);
}

TEST_F(FanOutTest, ManyWhoHaveAskedANodeThatHangsAreLetGoSoon) {
  constexpr int kMany = 50;
  for (int i = 0; i < kMany; ++i)
    Run({Listed(1)});
  EXPECT_EQ(nodes_.asks.size(), std::size_t{kMany});
  scheduler_.Advance(limits::kUnansweredAfter + 1ms);
  EXPECT_EQ(answers_, kMany - static_cast<int>(limits::kAsksWhileUnanswered));
  EXPECT_EQ(slots_[0].failure->cause, FailureCause::kNotResponding);
  EXPECT_EQ(nodes_.withdrawn.size(), kMany - limits::kAsksWhileUnanswered);
  scheduler_.Advance(5s);
  EXPECT_EQ(answers_, kMany);
}

TEST_F(FanOutTest, ANodeThatIsSlowlyAnsweringIsAskedByAll) {
  constexpr int kMany = 50;
  for (int i = 0; i < kMany; ++i)
    Run({Listed(1)});
  for (int i = 0; i < kMany; ++i) {
    scheduler_.Advance(limits::kUnansweredAfter / 2);
    nodes_.Take(1)->sink->OnDone(NodeReply(ListReply{0}));
    if (i >= 8) break;  // Their deadline is near.
  }
  scheduler_.RunReady();
  EXPECT_EQ(answers_, 9);
  EXPECT_FALSE(slots_[0].failure);
}

TEST_F(FanOutTest, WaitsDoNotMakeANodeOneThatDoesNotRespond) {
  for (int i = 0; i < 50; ++i) {
    FanOutSlot wait = Listed(1);
    wait.request = AwaitRequest{};
    Run({std::move(wait)}, 60s);
  }
  scheduler_.Advance(30s);
  EXPECT_EQ(answers_, 0);
  Run({Listed(1)});
  EXPECT_EQ(nodes_.asks.size(), 51u);
}

TEST_F(FanOutTest, CancelsHavePlacesOfTheirOwnAtANodeThatDoesNotRespond) {
  for (std::size_t i = 0; i < limits::kAsksWhileUnanswered; ++i)
    Run({Listed(1)});
  scheduler_.Advance(limits::kUnansweredAfter);
  FanOutSlot cancel = Listed(1);
  cancel.kind = AskKind::kCancel;
  Run({std::move(cancel)});
  scheduler_.RunReady();
  EXPECT_EQ(answers_, 0);
  EXPECT_EQ(nodes_.asks.size(), limits::kAsksWhileUnanswered + 1);
}

// What happens to one ask in a seeded run.
struct Fate {
  MonoClock::duration done_after{0};
  bool lost = false;
  bool fails = false;
  bool doubled = false;
  std::uint64_t tasks = 0;
};

TEST_F(FanOutTest, EachNodeStandsExactlyOnceUnderRandomFates) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    answers_ = 0;
    const int count = 1 + static_cast<int>(random.Below(12));
    const auto timeout = std::chrono::milliseconds(1 + random.Below(100));
    std::vector<FanOutSlot> slots;
    for (int n = 1; n <= count; ++n)
      slots.push_back(Listed(n));
    const MonoTime start = scheduler_.Now();
    Run(std::move(slots), timeout);

    std::vector<Fate> fates;
    for (int n = 1; n <= count; ++n) {
      Fate fate;
      // Never at the deadline itself, where both outcomes are right.
      fate.done_after = std::chrono::microseconds(1 + 2 * random.Below(100'000));
      fate.lost = random.Below(5) == 0;
      fate.fails = random.Below(4) == 0;
      fate.doubled = random.Below(3) == 0;
      fate.tasks = random.Below(4);
      fates.push_back(fate);
      std::shared_ptr<ReplySink> sink = nodes_.Take(n)->sink;
      if (fate.lost) continue;
      auto answer = [sink, fate, n] {
        for (std::uint64_t i = 1; i <= fate.tasks; ++i) {
          const TaskView task = MakeTask(n, i);
          sink->OnTasks({&task, 1});
        }
        if (fate.fails) return sink->OnDone(Error{ErrorCode::kUnavailable, "broken"});
        sink->OnDone(NodeReply(ListReply{fate.tasks}));
      };
      scheduler_.After(fate.done_after, answer);
      if (fate.doubled)
        scheduler_.After(fate.done_after + 1ms, [sink] { sink->OnDone(NodeReply(ListReply{0})); });
    }
    scheduler_.Advance(1s);

    ASSERT_EQ(answers_, 1);
    ASSERT_LE(answered_at_, start + timeout);
    ASSERT_EQ(slots_.size(), fates.size());
    for (std::size_t i = 0; i < fates.size(); ++i) {
      const Slot& slot = slots_[i];
      ASSERT_EQ(slot.node->id, Id(static_cast<int>(i) + 1));
      ASSERT_NE(slot.failure.has_value(), slot.reply.has_value());
      const bool answered = !fates[i].lost && !fates[i].fails && fates[i].done_after < timeout;
      ASSERT_EQ(slot.reply.has_value(), answered);
      if (answered) {
        ASSERT_EQ(NumbersOf(slot).size(), fates[i].tasks);
      }
    }
  }
}

// An executor that other threads may post to; the test's own thread runs it and moves the time.
class QueueExecutor final : public Executor {
 public:
  void Post(Work work) override {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
  }
  TimerId At(MonoTime, Work work) override {
    timer_ = std::move(work);
    return TimerId{1};
  }
  void Cancel(TimerId) override { timer_ = nullptr; }
  const Clock& clock() const override { return clock_; }

  bool RunOne() {
    Work work;
    {
      const std::lock_guard lock(mutex_);
      if (queue_.empty()) return false;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
    return true;
  }
  void Expire() {
    if (Work work = std::exchange(timer_, nullptr)) work();
  }

 private:
  SimScheduler scheduler_;
  SimClock clock_{scheduler_};
  std::mutex mutex_;
  std::deque<Work> queue_;
  Work timer_;
};

TEST_F(FanOutTest, ThreadsThatAnswerAtTheDeadlineSetEachSlotOnce) {
  constexpr int kNodes = 16;
  constexpr int kThreads = 4;
  for (int round = 0; round < 200; ++round) {
    QueueExecutor executor;
    AskedNodes nodes;
    NodeAsks asks(nodes);
    std::vector<FanOutSlot> asked;
    for (int n = 1; n <= kNodes; ++n)
      asked.push_back(Listed(n));
    int answers = 0;
    std::vector<Slot> gathered;
    FanOut(executor, asks, kListAction, std::move(asked), executor.clock().Now() + 1s,
           [&](std::vector<Slot> slots) {
             ++answers;
             gathered = std::move(slots);
           });
    std::atomic<int> waiting{kThreads};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        --waiting;
        while (waiting > 0)
          std::this_thread::yield();
        for (int i = t; i < kNodes; i += kThreads) {
          const TaskView task = MakeTask(i + 1, 5);
          ReplySink& sink = *nodes.asks[static_cast<std::size_t>(i)].sink;
          sink.OnTasks({&task, 1});
          sink.OnDone(NodeReply(ListReply{1}));
        }
      });
    }
    while (waiting > 0)
      std::this_thread::yield();
    for (int i = 0; i < round % 50; ++i)
      std::this_thread::yield();
    executor.Expire();
    while (answers == 0) {
      if (!executor.RunOne()) std::this_thread::yield();
    }
    for (const Slot& slot : gathered) {
      ASSERT_NE(slot.failure.has_value(), slot.reply.has_value());
      if (slot.reply) {
        ASSERT_THAT(NumbersOf(slot), ElementsAre(5));
      }
    }
    for (std::thread& thread : threads)
      thread.join();
    while (executor.RunOne()) {
    }
    ASSERT_EQ(answers, 1);
    ASSERT_EQ(gathered.size(), static_cast<std::size_t>(kNodes));
  }
}

}  // namespace
}  // namespace quell
