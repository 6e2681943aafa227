// Goal: the node's number of cancelled tasks that still run is true, and counts each once.
// Method: a whole node on simulated time; the numbers are read from its heartbeats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/node/fixtures.h"

namespace quell {
namespace {

using namespace std::chrono_literals;

class OverdueTest : public testing::Test {
 protected:
  void Cancel(const TaskId& task) { world_.Ask(ApplyRequest{{world_.Cancel(task)}}); }
  void Finish(const TaskId& task) {
    EXPECT_THAT(world_.Finish(task, TaskState::kCancelled), IsOk());
  }
  // As the next heartbeat says.
  CancelledRunning Told() {
    world_.scheduler.Advance(limits::kHeartbeatInterval + 100ms);
    const auto& told = world_.coordinator->heartbeats.back().cancelled_running;
    EXPECT_TRUE(told.has_value()) << "the heartbeat does not say";
    return told.value_or(CancelledRunning());
  }

  NodeWorld world_;
};

TEST_F(OverdueTest, ATaskCountsOnceItStillRunsSomeTimeAfterItsMark) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  world_.RegisterOne(world_.Work());  // Nobody cancels it.
  Cancel(task);
  world_.scheduler.Advance(limits::kStillRunsAfter - 5s);
  EXPECT_EQ(Told(), (CancelledRunning{0, 0}));
  world_.scheduler.Advance(5s);
  EXPECT_EQ(Told(), (CancelledRunning{1, 1}));
  world_.scheduler.Advance(20s);
  Cancel(task);
  world_.scheduler.Advance(limits::kStillRunsAfter);
  EXPECT_EQ(Told(), (CancelledRunning{1, 1}));
}

TEST_F(OverdueTest, WhatEndsInTimeNeverCountsAndWhatEndsLateStaysInTheTotal) {
  const TaskId quick = world_.RegisterOne(world_.Work()).id;
  const TaskId slow = world_.RegisterOne(world_.Work()).id;
  Cancel(quick);
  Cancel(slow);
  world_.scheduler.Advance(1s);
  Finish(quick);
  world_.scheduler.Advance(limits::kStillRunsAfter);
  EXPECT_EQ(Told(), (CancelledRunning{1, 1}));
  Finish(slow);
  EXPECT_EQ(Told(), (CancelledRunning{0, 1}));
}

TEST_F(OverdueTest, ADescendantThatRunsOnCountsToo) {
  const TaskId parent = world_.RegisterOne(world_.Work()).id;
  world_.RegisterChild(parent);
  Cancel(parent);
  world_.scheduler.Advance(limits::kStillRunsAfter);
  EXPECT_EQ(Told(), (CancelledRunning{2, 2}));
}

TEST_F(OverdueTest, MoreAtOnceThanOneTurnLooksAtAreAllCounted) {
  constexpr std::size_t kTasks = limits::kLooksPerTurn + 10;
  RegisterRequest request;
  request.tasks.assign(kTasks, world_.Work());
  ASSERT_THAT(world_.Register(request), IsOk());
  world_.scheduler.Advance(1s);  // They surely began before the cancel.
  world_.Ask(ApplyRequest{{world_.Cancel(TaskFilter{{"work"}, {}})}});
  // The lease of a session without pid is longer than that.
  world_.scheduler.Advance(limits::kStillRunsAfter + 1s);
  EXPECT_EQ(Told(), (CancelledRunning{kTasks, kTasks}));
}

TEST_F(OverdueTest, AfterARestartTheTotalBeginsAnewWithWhatCameBackAndRunsOn) {
  const WallTime start = world_.wall();
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  Cancel(task);
  world_.scheduler.Advance(limits::kStillRunsAfter);
  EXPECT_EQ(Told(), (CancelledRunning{1, 1}));
  world_.Restart();
  EXPECT_EQ(Told(), (CancelledRunning{0, 0}));
  NewTask again = world_.Work();
  again.resume = task;
  again.start_wall = start;
  ASSERT_THAT(world_.Register({std::nullopt, {again}}), IsOk());
  world_.scheduler.Advance(limits::kStillRunsAfter);
  EXPECT_EQ(Told(), (CancelledRunning{1, 1}));
}

}  // namespace
}  // namespace quell
