// Goal: a cancel that was born at a node is committed once, reaches the other nodes, and the node
// hears when it need not say it any more.
// Method: a coordinator on simulated time; heartbeats are made by hand.
#include "coordinator/cancels/handoff_receiver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/result_matchers.h"
#include "tests/unit/coordinator/coordinator_fixtures.h"

namespace quell {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class OwedTest : public CoordinatorTest {
 protected:
  OwedTest() {
    for (int n = 1; n <= 3; ++n)
      EXPECT_THAT(Join(Info(n)), IsOk());
  }
  Intent Born(int n, std::uint64_t number) {
    Intent intent;
    intent.id = IntentId::Make(random_);
    intent.target = TaskId{Id(n), number};
    intent.requested_at = clock_.Wall();
    intent.by = "on_parent_lost";
    intent.grace = 10s;
    return intent;
  }
  HeartbeatReply Owes(int n, std::vector<Intent> handoff) {
    HeartbeatRequest request{Id(n), Incarnation{1}, 100, {}, {}, std::move(handoff)};
    HeartbeatReply got;
    coordinator_->OnHeartbeat(request, who_, [&got](Result<HeartbeatReply> r) { got = *r; });
    scheduler_.Advance(10ms);
    return got;
  }
};

TEST_F(OwedTest, IsCommittedOnceAndHandedToTheOthers) {
  const Intent born = Born(1, 7);
  EXPECT_THAT(Owes(1, {born}).settled, IsEmpty()) << "it is being committed";
  EXPECT_THAT(Owes(1, {born}).settled, ElementsAre(born.id));
  EXPECT_THAT(Owes(1, {}).settled, IsEmpty());
  EXPECT_THAT(file_.intents, SizeIs(1));
  EXPECT_THAT(Beat(1).pending, IsEmpty()) << "it has it";
  EXPECT_THAT(Beat(2).pending, ElementsAre(born));
  EXPECT_THAT(Beat(3).pending, ElementsAre(born));
}

TEST_F(OwedTest, WhatIsOnItsWayIntoTheStoreIsBoundedAndTheRestComesWithTheNextHeartbeat) {
  std::vector<Intent> many;
  for (std::size_t i = 0; i <= limits::kOwedCommitsMax; ++i)
    many.push_back(Born(1, i + 1));
  file_.disk.commit_min = file_.disk.commit_max = 1s;
  Owes(1, many);
  scheduler_.Advance(1h);
  EXPECT_THAT(file_.intents, SizeIs(limits::kOwedCommitsMax));
  Owes(1, many);
  scheduler_.Advance(1h);
  EXPECT_THAT(file_.intents, SizeIs(limits::kOwedCommitsMax + 1));
}

TEST_F(OwedTest, IsSaidAgainUntilTheStoreTakesIt) {
  const Intent born = Born(1, 7);
  file_.disk.fail_next = 2;
  EXPECT_THAT(Owes(1, {born}).settled, IsEmpty());
  EXPECT_THAT(Owes(1, {born}).settled, IsEmpty());
  EXPECT_THAT(Owes(1, {born}).settled, IsEmpty());
  EXPECT_THAT(file_.intents, SizeIs(1));
  EXPECT_THAT(Owes(1, {born}).settled, ElementsAre(born.id));
}

TEST_F(OwedTest, AfterARestartItIsCommittedAgainWithoutHarm) {
  const Intent born = Born(1, 7);
  Owes(1, {born});
  Start();
  EXPECT_THAT(Join(Info(1)), IsOk());
  Owes(1, {born});
  EXPECT_THAT(Owes(1, {born}).settled, ElementsAre(born.id));
  EXPECT_THAT(file_.intents, SizeIs(1));
}

TEST_F(OwedTest, OneThatIsNotOnItsOwnTasksIsDropped) {
  const Intent others = Born(2, 7);
  Intent all = Born(1, 7);
  all.target = TaskFilter{};
  EXPECT_THAT(Owes(1, {others, all}).settled, ElementsAre(others.id, all.id));
  EXPECT_THAT(file_.intents, IsEmpty());
  EXPECT_THAT(Beat(3).pending, IsEmpty());
}

}  // namespace
}  // namespace quell
