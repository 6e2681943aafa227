// Goal: a node that drains takes no new work and lets what lives there finish; it leaves the fleet
// only when nothing lives, and says so until that is heard.
// Method: a whole node on simulated time beside a coordinator that answers as it is told.
#include "node/membership/drain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/node/fixtures.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

class DrainTest : public testing::Test {
 protected:
  DrainReply Ask(DrainRequest request) {
    writer_ = world_.Ask(request);
    if (!writer_->reply || !*writer_->reply) {
      ADD_FAILURE() << "no answer";
      return {};
    }
    return std::get<DrainReply>(**writer_->reply);
  }

  NodeWorld world_;
  std::shared_ptr<RecordingWriter> writer_;
};

TEST_F(DrainTest, NewWorkIsRefusedWithACodeOfItsOwn) {
  EXPECT_TRUE(Ask({}).draining);
  EXPECT_THAT(world_.Register({{}, {world_.Work()}}), FailsWith(ErrorCode::kDraining));
  world_.scheduler.Advance(1s);
  EXPECT_TRUE(world_.coordinator->heartbeats.back().draining);
  EXPECT_FALSE(Ask({true, false}).draining);
  EXPECT_THAT(world_.Register({{}, {world_.Work()}}), IsOk());
  world_.scheduler.Advance(1s);
  EXPECT_FALSE(world_.coordinator->heartbeats.back().draining);
  EXPECT_EQ(world_.coordinator->heartbeats.back().live_tasks, 1u);
}

TEST_F(DrainTest, WhatLivesIsNamedAndMayGoOnWithChildrenAndRepeats) {
  NewTask work = world_.Work("job");
  work.key = "once";
  const TaskId job = world_.RegisterOne(work).id;
  EXPECT_EQ(Ask({}).live, 1u);
  ASSERT_THAT(writer_->tasks, SizeIs(1));
  EXPECT_EQ(writer_->tasks[0].id, job);
  EXPECT_EQ(world_.RegisterOne(work).id, job) << "a repeat makes no new task";
  world_.RegisterChild(job);
  EXPECT_EQ(Ask({}).live, 2u);
  NewTask foreign = world_.Work();
  foreign.parent = TaskId{NodeId::Make(world_.random), 3};
  EXPECT_THAT(world_.Register({{}, {foreign}}), FailsWith(ErrorCode::kDraining))
      << "its parent lives elsewhere: it is new here";
}

TEST_F(DrainTest, NoMoreThanTheLimitAreNamed) {
  RegisterRequest many;
  for (std::size_t i = 0; i <= limits::kDrainShown; ++i)
    many.tasks.push_back(world_.Work());
  ASSERT_THAT(world_.Register(std::move(many)), IsOk());
  EXPECT_EQ(Ask({}).live, limits::kDrainShown + 1);
  EXPECT_THAT(writer_->tasks, SizeIs(limits::kDrainShown));
}

TEST_F(DrainTest, ItDoesNotLeaveWhileSomethingLives) {
  world_.RegisterOne(world_.Work());
  const DrainReply reply = Ask({false, true});
  EXPECT_TRUE(reply.draining);
  EXPECT_FALSE(reply.leaving);
  world_.scheduler.Advance(5s);
  EXPECT_THAT(world_.coordinator->leaves, IsEmpty());
  EXPECT_EQ(world_.left, 0u);
}

TEST_F(DrainTest, ItLeavesWhenNothingLivesAndSaysSoUntilItIsHeard) {
  world_.coordinator->error = Error{ErrorCode::kUnavailable, "nobody there"};
  const DrainReply reply = Ask({false, true});
  EXPECT_TRUE(reply.leaving);
  world_.scheduler.Advance(10s);
  EXPECT_GT(world_.coordinator->leaves.size(), 1u);
  EXPECT_EQ(world_.left, 0u);
  EXPECT_THAT(world_.Register({{}, {world_.Work()}}), FailsWith(ErrorCode::kDraining));
  EXPECT_TRUE(Ask({true, false}).leaving) << "it cannot be called back";
  world_.coordinator->error.reset();
  world_.scheduler.Advance(3s);
  EXPECT_EQ(world_.left, 1u);
  EXPECT_TRUE(world_.coordinator->leaves.back().for_good);
  const std::size_t said = world_.coordinator->leaves.size();
  bool stopped = false;
  world_.node->Stop([&stopped] { stopped = true; });
  world_.Settle();
  EXPECT_TRUE(stopped);
  EXPECT_THAT(world_.coordinator->leaves, SizeIs(said)) << "there is nobody to say goodbye to";
}

TEST_F(DrainTest, ADaemonThatIsStartedAnewTakesTasksAgain) {
  Ask({});
  world_.Restart();
  EXPECT_THAT(world_.Register({{}, {world_.Work()}}), IsOk());
}

}  // namespace
}  // namespace quell
