// Goal: a cancel that was born at this node is handed over until the store has it, over restarts,
// and what a coordinator asked for is not.
// Method: a whole node on simulated time beside a coordinator that settles as it is told; the
// plain class for its bound.
#include "node/cancels/handoff_sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/node/fixtures.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class HandoffSenderTest : public testing::Test {
 protected:
  FakeCoordinator& coordinator() { return *world_.coordinator; }

  NodeWorld world_;
};

// A child that is cancelled because its parent was lost.
TaskId LoseParent(NodeWorld& world) {
  NewTask work = world.Work();
  work.pid = world.processes.Spawn(NodeWorld::kUid);
  NewTask child = world.Work();
  child.parent = world.RegisterOne(work).id;
  child.on_parent_lost = OnParentLost::kCancel;
  const TaskId id = world.RegisterOne(child).id;
  world.processes.Kill(work.pid);
  world.scheduler.Advance(limits::kLostAfter + limits::kHeartbeatInterval + 100ms);
  return id;
}

TEST_F(HandoffSenderTest, OwesACancelThatWasBornHereUntilTheStoreHasIt) {
  const TaskId child = LoseParent(world_);
  ASSERT_THAT(coordinator().heartbeats.back().handoff, SizeIs(1));
  const Intent handoff = coordinator().heartbeats.back().handoff[0];
  ASSERT_NE(handoff.task(), nullptr);
  EXPECT_EQ(*handoff.task(), child);
  EXPECT_EQ(handoff.by, "on_parent_lost");
  world_.Restart();
  world_.scheduler.Advance(2s);
  EXPECT_THAT(coordinator().heartbeats.back().handoff, ElementsAre(handoff)) << "it is forgotten";
  coordinator().settles = true;
  world_.scheduler.Advance(3s);
  EXPECT_THAT(coordinator().heartbeats.back().handoff, IsEmpty());
  world_.Restart();
  world_.scheduler.Advance(2s);
  EXPECT_THAT(coordinator().heartbeats.back().handoff, IsEmpty());
}

TEST_F(HandoffSenderTest, OwesNothingThatACoordinatorAskedFor) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  world_.Ask(ApplyRequest{{world_.Cancel(task)}});
  world_.scheduler.Advance(2s);
  EXPECT_THAT(coordinator().heartbeats.back().handoff, IsEmpty());
}

TEST_F(HandoffSenderTest, OwesInPartsAndKeepsNoMoreThanItsBound) {
  MemoryJournal journal(*world_.executor, world_.file);
  HandoffSender handoff(journal, {}, limits::kIntentsPerReply + 1);
  std::vector<Intent> all;
  while (!handoff.full()) {
    all.push_back(world_.Cancel(world_.Id(1 + all.size())));
    handoff.Add(all.back());
  }
  EXPECT_THAT(all, SizeIs(limits::kIntentsPerReply + 1));
  std::vector<IntentId> first;
  for (const Intent& intent : handoff.Next())
    first.push_back(intent.id);
  EXPECT_THAT(first, SizeIs(limits::kIntentsPerReply));
  for (const IntentId& id : first)
    world_.file.applied[id].handoff = true;
  handoff.Settle(first);
  EXPECT_THAT(handoff.Next(), ElementsAre(all.back()));
  world_.Settle();
}

}  // namespace
}  // namespace quell
