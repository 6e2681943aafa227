// Goal: a node becomes and stays a member whatever the network does, takes what it has missed, and
// says so until it is heard.
// Method: a whole node on simulated time beside a coordinator that answers as it is told.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/node/fixtures.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class MembershipAgentTest : public testing::Test {
 protected:
  FakeCoordinator& coordinator() { return *world_.coordinator; }
  // The acknowledgements of the last heartbeat.
  std::vector<IntentId> LastAcks() {
    std::vector<IntentId> ids;
    for (const IntentAck& ack : coordinator().heartbeats.back().acks)
      ids.push_back(ack.intent);
    return ids;
  }

  NodeWorld world_;
};

TEST_F(MembershipAgentTest, JoinsAndSaysWhoItIs) {
  EXPECT_EQ(world_.joined, 1u);
  ASSERT_THAT(coordinator().joins, SizeIs(1));
  NodeInfo expected = world_.info;
  expected.incarnation = Incarnation{1};
  expected.life = world_.file.lives.back().id;
  EXPECT_EQ(coordinator().joins[0].node, expected);
  EXPECT_EQ(world_.node->coordinator(), coordinator().id);
}

TEST_F(MembershipAgentTest, SendsHeartbeatsWithItsNextNumber) {
  world_.RegisterOne(world_.Work());
  world_.scheduler.Advance(3s);
  ASSERT_THAT(coordinator().heartbeats, SizeIs(3));
  EXPECT_EQ(coordinator().heartbeats.back().next_number, 2u);
  EXPECT_EQ(coordinator().heartbeats.back().incarnation, Incarnation{1});
}

TEST_F(MembershipAgentTest, EachHeartbeatSaysHowBusyTheHostIsThen) {
  world_.load.cpu_percent = 12;
  world_.scheduler.Advance(1s);
  EXPECT_EQ(coordinator().heartbeats.back().host_load, world_.load);
  world_.load = {LoadAverages{2.5, 1.75, 1}, 90, 40, 1};
  world_.scheduler.Advance(1s);
  EXPECT_EQ(coordinator().heartbeats.back().host_load, world_.load);
}

TEST_F(MembershipAgentTest, TriesAgainWithGrowingPausesThatVary) {
  coordinator().error = Error{ErrorCode::kUnavailable, "nobody there"};
  coordinator().heartbeats.clear();
  world_.scheduler.Advance(60s);
  // The pauses end at 1 to 2 s: in a minute that is at least 30 attempts, and at most 65.
  EXPECT_GE(coordinator().heartbeats.size(), 30u);
  EXPECT_LE(coordinator().heartbeats.size(), 65u);
  EXPECT_THAT(world_.troubles, SizeIs(1)) << "one row of failures is said once";
  coordinator().error.reset();
  world_.scheduler.Advance(5s);
  coordinator().error = Error{ErrorCode::kUnavailable, "nobody there"};
  world_.scheduler.Advance(5s);
  EXPECT_THAT(world_.troubles, SizeIs(2));
}

TEST_F(MembershipAgentTest, ServesItsProgramsWhileTheCoordinatorIsAway) {
  coordinator().silent = true;
  world_.scheduler.Advance(1min);
  EXPECT_EQ(world_.RegisterOne(world_.Work()).id.number, 1u);
}

TEST_F(MembershipAgentTest, JoinsAgainWhenItsLifeIsNotKnown) {
  coordinator().rejoin = true;
  world_.scheduler.Advance(2s);
  EXPECT_EQ(world_.joined, 2u);
  EXPECT_THAT(coordinator().joins, SizeIs(2));
}

TEST_F(MembershipAgentTest, GivesUpOnlyWhenAnotherDaemonHasItsId) {
  world_.prepare = [](FakeCoordinator& fresh) {
    fresh.error = Error{ErrorCode::kAlreadyExists, "node [x] lives at 127.0.0.1:1"};
  };
  world_.Restart();
  ASSERT_TRUE(world_.refused.has_value()) << "it goes on";
  EXPECT_EQ(world_.refused->code, ErrorCode::kAlreadyExists);
  world_.scheduler.Advance(1min);
  EXPECT_THAT(coordinator().joins, SizeIs(1));
  bool stopped = false;
  world_.node->Stop([&stopped] { stopped = true; });
  world_.Settle();
  EXPECT_TRUE(stopped);
  EXPECT_THAT(coordinator().leaves, IsEmpty()) << "the other one must not be thrown out";
}

TEST_F(MembershipAgentTest, AppliesWhatItHasMissedAndAcknowledgesUntilItIsHeard) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  const Intent missed = world_.Cancel(task);
  coordinator().pending = {missed};
  world_.scheduler.Advance(1s);
  EXPECT_TRUE(world_.Show(task).cancelled);
  coordinator().error = Error{ErrorCode::kUnavailable, "lost"};
  world_.scheduler.Advance(3s);
  EXPECT_THAT(LastAcks(), ElementsAre(missed.id));
  coordinator().error.reset();
  world_.scheduler.Advance(3s);
  EXPECT_THAT(LastAcks(), IsEmpty()) << "it was heard";
}

TEST_F(MembershipAgentTest, AppliesWhatComesWithTheJoin) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  const Intent missed = world_.Cancel(task);
  world_.prepare = [missed](FakeCoordinator& fresh) { fresh.pending = {missed}; };
  world_.Restart();
  world_.scheduler.Advance(2s);
  const auto& beats = coordinator().heartbeats;
  const bool told = std::any_of(beats.begin(), beats.end(), [&](const HeartbeatRequest& beat) {
    return beat.acks.size() == 1 && beat.acks[0].intent == missed.id;
  });
  EXPECT_TRUE(told) << "it was not acknowledged";
}

TEST_F(MembershipAgentTest, AcknowledgesNothingThatTheJournalCouldNotTake) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  world_.file.disk.error = Error{ErrorCode::kResourceExhausted, "full"};
  coordinator().pending = {world_.Cancel(task)};
  world_.scheduler.Advance(5s);
  for (const HeartbeatRequest& beat : coordinator().heartbeats)
    EXPECT_THAT(beat.acks, IsEmpty());
  EXPECT_THAT(world_.troubles, SizeIs(1));
}

TEST_F(MembershipAgentTest, AsksForMoreAtOnceWhenTheAnswerWasFull) {
  for (std::size_t i = 0; i < limits::kIntentsPerReply; ++i)
    coordinator().pending.push_back(world_.Cancel(world_.Id(100'000 + i)));
  world_.scheduler.Advance(1s);
  const std::size_t before = coordinator().heartbeats.size();
  world_.scheduler.Advance(200ms);
  EXPECT_GT(coordinator().heartbeats.size(), before);
}

}  // namespace
}  // namespace quell
