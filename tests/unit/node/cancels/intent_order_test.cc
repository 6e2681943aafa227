// Goal: an intent hits what began before it and nothing that began after it, whatever the clocks do
// and whoever was restarted; what nobody can tell is spared and named.
// Method: a whole node on simulated time, whose wall clock steps, whose host sleeps or is started
// again, and whose data directory is restored; intents that are pushed or handed over.
#include "node/cancels/intent_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/cancels/lives.h"
#include "tests/unit/node/fixtures.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class IntentOrderTest : public testing::Test {
 protected:
  TaskId Begin(std::string action = "work") {
    const TaskId id = world_.RegisterOne(world_.Work(std::move(action))).id;
    world_.scheduler.Advance(1s);  // It is kept, and older than any doubt.
    return id;
  }
  // What a coordinator knows that has just heard of the node.
  Horizon Known() const {
    return {world_.node->info().life, world_.coordinator->joins.back().next_number};
  }
  Intent Cancel() {
    Intent intent = world_.Cancel(TaskFilter{});
    intent.horizon = Known();
    return intent;
  }
  Intent Cancel(const TaskId& task) {
    Intent intent = world_.Cancel(task);
    intent.horizon = Known();
    return intent;
  }
  // With the answers to the join and the heartbeats.
  void HandOver(const Intent& intent) {
    world_.coordinator->pending = {intent};
    world_.scheduler.Advance(3s);
  }
  void RestartAndHandOver(const Intent& intent) {
    world_.prepare = [intent](FakeCoordinator& coordinator) { coordinator.pending = {intent}; };
    world_.Start();
    world_.prepare = {};
    world_.scheduler.Advance(3s);
  }
  bool IsCancelled(const TaskId& task) { return world_.Show(task).cancelled; }

  NodeWorld world_;
};

// After that the intent is known, and after a crash nobody would look for them again.
TEST_F(IntentOrderTest, WhatIsSparedIsNamedBeforeTheJournalHasTheIntent) {
  world_.scheduler.Advance(1s);
  const TaskId close = world_.RegisterOne(world_.Work()).id;
  Intent intent = world_.Cancel(TaskFilter{});
  intent.horizon.life = LifeId::Make(world_.random);
  bool durable = false;
  world_.file.disk.on_durable = [&] {
    if (!world_.file.applied.contains(intent.id)) return;
    durable = true;
    EXPECT_THAT(world_.spared, ElementsAre(close));
  };
  world_.Ask(ApplyRequest{{intent}});
  world_.file.disk.on_durable = nullptr;
  EXPECT_TRUE(durable);
}

TEST_F(IntentOrderTest, StepsOfTheWallClockDecideNothing) {
  for (const auto step : {WallClock::duration(1h), WallClock::duration(-2h)}) {
    const TaskId before = Begin();
    const Intent intent = Cancel();
    world_.clock.JumpWall(step);
    world_.scheduler.Advance(1s);
    const TaskId after = Begin();
    HandOver(intent);
    EXPECT_TRUE(IsCancelled(before));
    EXPECT_FALSE(IsCancelled(after));
    world_.clock.JumpWall(2 * step);
    world_.Restart();
    EXPECT_TRUE(IsCancelled(before));
    EXPECT_FALSE(IsCancelled(after)) << "a restart looked at it again";
    EXPECT_THAT(world_.Finish(after), IsOk());
    EXPECT_THAT(world_.Finish(before, TaskState::kCancelled), IsOk());
  }
  EXPECT_THAT(world_.spared, IsEmpty());
}

TEST_F(IntentOrderTest, AHostThatSleptIsOrderedAsIfItHadNot) {
  const TaskId before = Begin();
  const Intent intent = Cancel();
  world_.scheduler.Advance(30s);
  world_.clock.Sleep(30s);
  const TaskId after = Begin();
  HandOver(intent);
  EXPECT_TRUE(IsCancelled(before));
  EXPECT_FALSE(IsCancelled(after));
}

TEST_F(IntentOrderTest, WhatTheCoordinatorKnewOfBeganBeforeWhateverClockIsLeft) {
  const TaskId known = Begin();
  world_.coordinator->rejoin = true;
  world_.scheduler.Advance(2s);  // It tells its numbers again.
  const Intent intent = Cancel();
  world_.Crash();
  // Both hosts are started again: neither clock is left.
  world_.info.boot_id = "started again";
  world_.prepare = [&](FakeCoordinator& coordinator) {
    coordinator.boot_id = "also started again";
    coordinator.silent = true;
  };
  world_.Start();
  const TaskId unknown = Begin();
  world_.coordinator->silent = false;
  HandOver(intent);
  EXPECT_TRUE(IsCancelled(known));
  EXPECT_FALSE(IsCancelled(unknown));
  EXPECT_THAT(world_.spared, ElementsAre(unknown)) << "nobody can tell, and nobody was told";
}

TEST_F(IntentOrderTest, ATaskThatIsBroughtBackIsDecidedByItsNumber) {
  NewTask task = world_.Work();
  const TaskId lost = world_.RegisterOne(task).id;
  world_.coordinator->rejoin = true;
  world_.scheduler.Advance(120ms);
  world_.executor->Kill();  // Before it is kept.
  Intent intent = Cancel();
  intent.horizon.next_number = lost.number + 1;
  world_.Crash();
  RestartAndHandOver(intent);
  world_.clock.JumpWall(-1h);
  world_.info.boot_id = "started again";
  world_.Restart();
  task.resume = lost;
  task.start_wall = world_.wall() + 30min;
  EXPECT_TRUE(world_.RegisterOne(task).cancel.has_value()) << "it escaped";
}

TEST_F(IntentOrderTest, WhatBeganWhileNobodyWasThereIsOrderedByTheBootClock) {
  const Intent intent = Cancel();
  world_.scheduler.Advance(1s);
  HandOver(intent);
  NewTask late = world_.Work();
  late.start_wall = world_.wall();
  late.start_boot = intent.moment.at - 1s;
  EXPECT_TRUE(world_.RegisterOne(late).cancel.has_value()) << "it escaped";
  late.start_boot = intent.moment.at + 1s;
  EXPECT_EQ(world_.RegisterOne(late).cancel, std::nullopt);
  late.start_boot = intent.moment.at;
  const RegisteredTask close = world_.RegisterOne(late);
  EXPECT_EQ(close.cancel, std::nullopt);
  EXPECT_THAT(world_.spared, ElementsAre(close.id));
  late.start_boot = world_.clock.Boot() + 1h;  // Of another time namespace: it says nothing.
  const RegisteredTask strange = world_.RegisterOne(late);
  EXPECT_EQ(strange.cancel, std::nullopt);
  EXPECT_THAT(world_.spared, ElementsAre(close.id, strange.id));
}

TEST_F(IntentOrderTest, AWallClockThatWasSetBackKeepsNoTaskOut) {
  NewTask task = world_.Work();
  task.start_wall = world_.wall();
  task.start_boot = world_.clock.Boot();
  world_.clock.JumpWall(-1h);
  EXPECT_THAT(world_.Register({std::nullopt, {task}}), IsOk());
}

TEST_F(IntentOrderTest, WhatBeganInAnotherBootThanAFilterCameInBeganAfterIt) {
  const Intent intent = Cancel();
  world_.scheduler.Advance(1s);
  HandOver(intent);
  world_.Crash();
  world_.info.boot_id = "started again";
  world_.Start();
  NewTask late = world_.Work();
  late.start_wall = world_.wall();
  late.start_boot = BootTime(1s);
  EXPECT_EQ(world_.RegisterOne(late).cancel, std::nullopt);
  EXPECT_THAT(world_.spared, IsEmpty());
}

// ---- By id.

TEST_F(IntentOrderTest, AnIdThatWasNamedTooEarlyHitsNobody) {
  const Intent early = Cancel(world_.Id(Begin().number + 1));
  world_.scheduler.Advance(1s);
  const TaskId task = Begin();
  ASSERT_EQ(task, *early.task());
  HandOver(early);
  EXPECT_FALSE(IsCancelled(task)) << "it began after the cancel";
  EXPECT_THAT(world_.spared, IsEmpty());
  HandOver(Cancel(task));
  EXPECT_TRUE(IsCancelled(task));
}

TEST_F(IntentOrderTest, WhatWasSparedIsHitWhenItIsAskedForOnceMore) {
  Intent intent = Cancel(world_.Id(Begin().number + 1));
  world_.scheduler.Advance(1s);
  const TaskId task = Begin();
  HandOver(intent);
  ASSERT_FALSE(IsCancelled(task));
  const Intent again = Cancel(task);
  intent.moment = again.moment;  // As a store has it: the first one, as if it were asked for now.
  intent.horizon = {};
  world_.Ask(ApplyRequest{{intent}});
  EXPECT_TRUE(IsCancelled(task));
}

TEST_F(IntentOrderTest, AnIdNamesOneTaskThoughNoClockIsLeft) {
  const TaskId task = Begin();
  Intent intent = Cancel(task);
  intent.horizon.next_number = 1;  // It registered since the last heartbeat.
  world_.Crash();
  world_.prepare = [&](FakeCoordinator& coordinator) {
    coordinator.boot_id = "started again";
    coordinator.pending = {intent};
  };
  world_.Start();
  world_.scheduler.Advance(2s);
  EXPECT_TRUE(IsCancelled(task));
}

// ---- Restored data.

TEST_F(IntentOrderTest, ACopyOfTheDataIsNotHitByWhatWasAskedOfTheOther) {
  const TaskId kept = Begin();
  world_.Crash();
  const JournalFile backup = world_.file;
  world_.Start();
  const TaskId given = Begin("first/copy");
  const Intent by_id = Cancel(given);
  Intent by_filter = Cancel();
  by_filter.horizon.next_number = given.number + 1;
  world_.Crash();
  world_.file = backup;
  world_.prepare = [](FakeCoordinator& coordinator) { coordinator.silent = true; };
  world_.Start();
  const TaskId twin = Begin("second/copy");
  ASSERT_EQ(twin, given) << "both copies give out the same numbers";
  // It even began before them, by the clocks.
  Intent later = Cancel(given);
  later.id = by_id.id;
  later.horizon = by_id.horizon;
  world_.coordinator->silent = false;
  world_.coordinator->next_number = 1'000'000;
  world_.coordinator->pending = {later, by_filter};
  world_.scheduler.Advance(10s);
  EXPECT_FALSE(IsCancelled(twin)) << "nobody asked for it";
  EXPECT_THAT(world_.spared, testing::Contains(twin));
  EXPECT_TRUE(IsCancelled(kept)) << "both copies have it";
  // What is asked of this copy hits it.
  HandOver(Cancel(twin));
  EXPECT_TRUE(IsCancelled(twin));
}

TEST(LivesTest, AHorizonIsOursIfOurLivesGaveOutItsNumbers) {
  SeededRandom random(1);
  const LifeId first = LifeId::Make(random);
  const LifeId second = LifeId::Make(random);
  const Lives lives({{first, 1, 1}, {second, 1001, {}}});
  EXPECT_TRUE(lives.IsOurs({first, 1001}));
  EXPECT_TRUE(lives.IsOurs({second, 99'999}));
  EXPECT_FALSE(lives.IsOurs({first, 1002})) << "that life has gone on elsewhere";
  EXPECT_FALSE(lives.IsOurs({LifeId::Make(random), 5}));
  EXPECT_FALSE(lives.IsOurs({})) << "nothing is known";
  EXPECT_THAT(lives.Former(), ElementsAre(first));
  EXPECT_EQ(lives.present(), second);
}

TEST(LivesTest, NumbersOfBeforeAJoinMayBeDouble) {
  SeededRandom random(1);
  Lives lives({{LifeId::Make(random), 1, 11}, {LifeId::Make(random), 1001, {}}});
  EXPECT_TRUE(lives.MayBeDouble(10));
  EXPECT_FALSE(lives.MayBeDouble(11));
  EXPECT_FALSE(lives.MayBeDouble(1000));
  EXPECT_TRUE(lives.MayBeDouble(1001));
  EXPECT_TRUE(lives.Joined(1005));
  EXPECT_FALSE(lives.Joined(2000)) << "the first join counts";
  EXPECT_TRUE(lives.MayBeDouble(1004));
  EXPECT_FALSE(lives.MayBeDouble(1005));
}

}  // namespace
}  // namespace quell
