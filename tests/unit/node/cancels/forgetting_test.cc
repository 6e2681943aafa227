// Goal: a node that forgets the oldest of its cancels stays able to cancel, and nothing that it has
// forgotten lives again.
// Method: a whole node on simulated time that keeps three tombstones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/node/cancels/apply_fixture.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::SizeIs;

// Of ten cancelled tasks that have ended three tombstones stay.
class ForgettingTest : public ApplyTest {
 protected:
  ForgettingTest() {
    world_.tombstones_kept = 3;
    world_.Restart();
  }
  // They have ended in this order.
  std::vector<TaskId> CancelAndEnd(std::size_t count) {
    std::vector<TaskId> tasks;
    for (std::size_t i = 0; i < count; ++i) {
      tasks.push_back(world_.RegisterOne(world_.Work()).id);
      EXPECT_THAT(Of(Apply(world_.Cancel(tasks.back()))), ElementsAre(tasks.back().number));
      EXPECT_THAT(world_.Finish(tasks.back(), TaskState::kCancelled), IsOk());
    }
    Apply(world_.Cancel(TaskFilter{{"nothing"}, {}}));  // Whatever is applied makes room.
    world_.scheduler.Advance(1s);
    return tasks;
  }
};

TEST_F(ForgettingTest, NoCancelIsRefusedHoweverManyTasksWereCancelledBefore) {
  CancelAndEnd(10);
  EXPECT_THAT(world_.file.tombstones, SizeIs(3));
  EXPECT_THAT(world_.file.receipts, SizeIs(3));
  const TaskId top = world_.RegisterOne(world_.Work()).id;
  std::vector<std::uint64_t> all = {top.number};
  for (int i = 0; i < 9; ++i)
    all.push_back(world_.RegisterChild(top).id.number);
  EXPECT_THAT(Of(Apply(world_.Cancel(top))), testing::UnorderedElementsAreArray(all));
  EXPECT_THAT(world_.file.tombstones, SizeIs(13)) << "each live task may have one";
  world_.scheduler.Advance(1s);  // They are written down.
  world_.Restart();
  EXPECT_TRUE(IsCancelled(top));
  EXPECT_THAT(CancelAndEnd(1), SizeIs(1)) << "after a restart too";
}

TEST_F(ForgettingTest, ACancelledTaskThatLivesIsRememberedAsLongAsItLives) {
  const TaskId old = world_.RegisterOne(world_.Work()).id;
  Apply(world_.Cancel(old));
  CancelAndEnd(10);
  EXPECT_TRUE(IsCancelled(old));
  world_.Restart();
  EXPECT_TRUE(IsCancelled(old));
  EXPECT_NE(world_.RegisterChild(old).cancel, std::nullopt);
}

TEST_F(ForgettingTest, ALateChildIsBornCancelledAsLongAsItsAncestorIsRemembered) {
  const std::vector<TaskId> tasks = CancelAndEnd(10);
  EXPECT_NE(world_.RegisterChild(tasks[9]).cancel, std::nullopt);
  EXPECT_NE(world_.RegisterChild(tasks[7]).cancel, std::nullopt);
  EXPECT_EQ(world_.RegisterChild(tasks[0]).cancel, std::nullopt);
}

TEST_F(ForgettingTest, WhatIsForgottenNeverLivesAgain) {
  const std::vector<TaskId> tasks = CancelAndEnd(10);
  // Nothing but the tombstones is left of them.
  world_.file.ended.clear();
  world_.Restart();
  EXPECT_THAT(world_.Register(ResumeOf(tasks[0], world_.wall() - 1s)),
              FailsWith(ErrorCode::kFailedPrecondition, "cannot be resumed"));
  EXPECT_THAT(world_.Register(ResumeOf(tasks[9], world_.wall() - 1s)), IsOk())
      << "it is known to be cancelled";
  EXPECT_TRUE(IsCancelled(tasks[9]));
}

TEST_F(ForgettingTest, AnIntentThatComesAgainForSomethingForgottenIsAcknowledged) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  const Intent intent = world_.Cancel(task);
  Apply(intent);
  ASSERT_THAT(world_.Finish(task, TaskState::kCancelled), IsOk());
  CancelAndEnd(10);
  ASSERT_EQ(world_.file.tombstones.count(task.number), 0u);
  EXPECT_EQ(Apply(intent).intent, intent.id);
  world_.file.ended.clear();
  world_.file.applied.clear();
  world_.file.applied_order.clear();
  world_.Restart();
  EXPECT_EQ(Apply(intent).intent, intent.id) << "when it is known no more, too";
}

}  // namespace
}  // namespace quell
