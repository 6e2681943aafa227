// Goal: one life of one daemon is a node, and nobody takes a living daemon's place.
// Method: the join decision as a table; the record after admissions, goodbyes and heartbeats.
#include "coordinator/members/member_table.h"

#include <gmock/gmock.h>

#include "core/limits.h"
#include "tests/support/result_matchers.h"
#include "tests/unit/coordinator/fixtures.h"

namespace quell {
namespace {

using namespace std::chrono_literals;

const MonoTime kStart{1h};
const MonoTime kSilent = kStart + limits::kSilentAfter + 1ms;

class MembershipTest : public testing::Test {
 protected:
  MembershipTest() : members_(Self(), {}) { members_.Admit({Info(1, "", 5), 100}, kStart); }

  static NodeInfo Newcomer(std::uint64_t incarnation, bool same_place) {
    NodeInfo info = Info(1, "", incarnation);
    if (!same_place) info.address = "127.0.0.1:7777";
    return info;
  }

  MemberTable members_;
};

TEST_F(MembershipTest, DecidesJoinsByLifePlaceAndSilence) {
  struct Case {
    const char* what;
    std::uint64_t incarnation;
    bool same_place;
    MonoTime now;
    JoinVerdict verdict;
  };
  const Case cases[] = {
      {"the same life again", 5, true, kStart, JoinVerdict::kSame},
      {"the same life, long silent", 5, true, kSilent, JoinVerdict::kSame},
      {"a later life in the same place", 6, true, kStart, JoinVerdict::kReplace},
      {"a later life elsewhere, the older one heard", 6, false, kStart, JoinVerdict::kProbeFirst},
      {"a later life elsewhere, the older one silent", 6, false, kSilent, JoinVerdict::kReplace},
      {"a twin, the known one heard", 5, false, kStart, JoinVerdict::kProbeFirst},
      {"a twin, the known one silent", 5, false, kSilent, JoinVerdict::kProbeFirst},
      {"an older life, the known one heard", 4, true, kStart, JoinVerdict::kProbeFirst},
      {"an older life elsewhere, the known one heard", 4, false, kStart, JoinVerdict::kProbeFirst},
      {"a restored directory, the known one silent", 4, false, kSilent, JoinVerdict::kReplace},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    EXPECT_THAT(members_.DecideJoin(Newcomer(c.incarnation, c.same_place), c.now),
                IsOkAnd(c.verdict));
  }
}

TEST_F(MembershipTest, TheIdIsHeldByWhoeverAnswersAtTheKnownPlaceUnlessThatIsTheNewcomer) {
  const NodeInfo known = Info(1, "", 5);
  const auto holds = [&](int node, std::uint64_t incarnation, const NodeInfo& newcomer) {
    return MemberTable::Holds({Id(node), Incarnation{incarnation}}, known, newcomer);
  };
  EXPECT_TRUE(holds(1, 5, Newcomer(4, false))) << "the known life lives";
  EXPECT_TRUE(holds(1, 5, Newcomer(5, false))) << "and this is its twin";
  EXPECT_TRUE(holds(1, 5, Newcomer(4, true))) << "a message of an older life that was delayed";
  EXPECT_FALSE(holds(1, 4, Newcomer(4, true))) << "the newcomer itself, from an older copy";
  EXPECT_FALSE(holds(2, 5, Newcomer(4, false))) << "the port has found a new owner";
}

TEST_F(MembershipTest, ANodeThatStoppedIsAwaySelectedAndBackAtItsNextJoin) {
  const WallTime when = WallFromMicros(1'700'000'000'000'000);
  const std::uint64_t before = members_.version();
  members_.MarkStopped(Id(1), when);
  EXPECT_EQ(members_.version(), before) << "who is a member has not changed";
  EXPECT_THAT(members_.present(), testing::SizeIs(2));
  EXPECT_NE(members_.FindPresent(Id(1).view()), nullptr);
  SimScheduler scheduler;
  const SimClock clock(scheduler);
  const Standing standing = members_.StandingOf(*members_.Find(Id(1)), clock);
  EXPECT_EQ(standing.presence, Presence::kStopped);
  EXPECT_EQ(standing.since, when);
  EXPECT_FALSE(standing.connected);
  EXPECT_FALSE(members_.RecordHeartbeat({Id(1), Incarnation{5}, 100, {}}, kStart))
      << "a late heartbeat";
  EXPECT_EQ(ToKnown(*members_.Find(Id(1))).stopped, when);
  for (const std::uint64_t incarnation : {4, 5, 6}) {
    EXPECT_THAT(members_.DecideJoin(Newcomer(incarnation, false), kStart),
                IsOkAnd(JoinVerdict::kReplace));
  }
  members_.Admit({Newcomer(6, true), 100}, kStart);
  EXPECT_FALSE(members_.Find(Id(1))->stopped);
}

TEST_F(MembershipTest, WhoFindsItBrokenAfterTheFirstKnowsThatItIsLost) {
  const auto lost = [&] { return members_.Find(Id(1))->lost; };
  members_.RecordConnectionFailure(Id(1), kStart, kStart + 2s);
  members_.RecordConnectionFailure(Id(1), kStart + 1s, kStart + 2s);
  EXPECT_FALSE(lost()) << "both were under way when it broke";
  members_.RecordConnectionFailure(Id(1), kStart + 3s, kStart + 3s);
  EXPECT_TRUE(lost());
  members_.RecordHeartbeat({Id(1), Incarnation{5}, 100, {}}, kStart + 4s);
  EXPECT_FALSE(lost()) << "it lives";
  members_.RecordConnectionFailure(Id(1), kStart + 5s, kStart + 6s);
  EXPECT_FALSE(lost()) << "it counts anew";
}

TEST_F(MembershipTest, TheVersionGrowsWithEachChangeOfWhoIsThere) {
  std::uint64_t before = members_.version();
  const auto grown = [&] { return members_.version() > std::exchange(before, members_.version()); };
  members_.RecordHeartbeat({Id(1), Incarnation{5}, 100, {}}, kStart);
  EXPECT_FALSE(grown()) << "a heartbeat";
  members_.Admit({Info(2), 1}, kStart);
  EXPECT_TRUE(grown()) << "a new node";
  members_.Admit({Info(2, "", 2), 1}, kStart);
  EXPECT_TRUE(grown()) << "a new life";
  members_.MarkLeft(Id(2));
  EXPECT_TRUE(grown()) << "it left";
  members_.Forget(Id(1));
  EXPECT_TRUE(grown()) << "forgotten";
}

TEST_F(MembershipTest, ANodeThatLeftMayComeBackInAnyLife) {
  members_.MarkLeft(Id(1));
  EXPECT_THAT(members_.DecideJoin(Newcomer(4, false), kStart), IsOkAnd(JoinVerdict::kNew));
}

TEST_F(MembershipTest, TheCoordinatorsOwnIdIsTaken) {
  EXPECT_THAT(members_.DecideJoin(Info(0), kStart), FailsWith(ErrorCode::kAlreadyExists));
}

TEST_F(MembershipTest, HowBusyAHostIsIsWhatThisLifesLastHeartbeatSaid) {
  const HostLoad busy{LoadAverages{2.5, 1.75, 1}, 90, 40, 1};
  EXPECT_FALSE(members_.Find(Id(1))->host_load.measured());
  EXPECT_TRUE(members_.RecordHeartbeat({Id(1), Incarnation{5}, 100, {}, {}, {}, busy}, kStart));
  EXPECT_EQ(members_.Find(Id(1))->host_load, busy);
  EXPECT_FALSE(
      members_.RecordHeartbeat({Id(1), Incarnation{4}, 100, {}, {}, {}, HostLoad()}, kStart));
  EXPECT_EQ(members_.Find(Id(1))->host_load, busy);
  members_.Admit({Info(1, "", 6), 100}, kStart);
  EXPECT_FALSE(members_.Find(Id(1))->host_load.measured());
}

TEST_F(MembershipTest, RefusesWhatCannotBeANode) {
  NodeInfo null_id = Info(2);
  null_id.id = NodeId();
  NodeInfo no_name = Info(2);
  no_name.name.clear();
  NodeInfo long_name = Info(2, std::string(limits::kNodeNameMax + 1, 'x'));
  NodeInfo no_life = Info(2, "", 0);
  NodeInfo no_address = Info(2);
  no_address.address.clear();
  NodeInfo wordy = Info(2);
  wordy.attributes = {{"rack", std::string(limits::kNodeInfoMax, 'x')}};
  for (const NodeInfo& info : {null_id, no_name, long_name, no_life, no_address, wordy}) {
    EXPECT_THAT(members_.DecideJoin(info, kStart), FailsWith(ErrorCode::kInvalidArgument));
  }
  for (const char* name : {"_all", "a,b", "a:b", "a*", "a\nb"}) {
    EXPECT_THAT(members_.DecideJoin(Info(2, name), kStart),
                FailsWith(ErrorCode::kInvalidArgument, "--name"))
        << name;
  }
  NodeInfo longest = Info(2, std::string(limits::kNodeNameMax, 'x'));
  EXPECT_THAT(members_.DecideJoin(longest, kStart), IsOkAnd(JoinVerdict::kNew));
}

TEST_F(MembershipTest, AFullTableRefusesNewNodesAndKeepsKnownOnes) {
  std::vector<KnownNode> known;
  SeededRandom random(1);
  for (std::size_t i = 0; i < limits::kNodesMax; ++i) {
    KnownNode node = Known(1);
    node.info.id = NodeId::Make(random);
    known.push_back(node);
  }
  MemberTable full(Self(), known);
  EXPECT_THAT(full.DecideJoin(Info(1), kStart), FailsWith(ErrorCode::kResourceExhausted));
  NodeInfo old = known[0].info;
  EXPECT_THAT(full.DecideJoin(old, kStart), IsOkAnd(JoinVerdict::kSame));
}

TEST_F(MembershipTest, HearsOnlyTheLifeThatJoined) {
  EXPECT_TRUE(members_.RecordHeartbeat({Id(1), Incarnation{5}, 100, {}}, kStart));
  EXPECT_FALSE(members_.RecordHeartbeat({Id(1), Incarnation{4}, 100, {}}, kStart));
  EXPECT_FALSE(members_.RecordHeartbeat({Id(2), Incarnation{5}, 100, {}}, kStart));
  members_.MarkLeft(Id(1));
  EXPECT_FALSE(members_.RecordHeartbeat({Id(1), Incarnation{5}, 100, {}}, kStart));
}

TEST_F(MembershipTest, ANodeFromTheStoreMustJoinAgain) {
  MemberTable restarted(Self(), {Known(1)});
  EXPECT_FALSE(restarted.RecordHeartbeat({Id(1), Incarnation{1}, 100, {}}, kStart));
  EXPECT_FALSE(restarted.IsAlive(*restarted.Find(Id(1)), kStart));
  EXPECT_EQ(restarted.present().size(), 2u);
}

TEST_F(MembershipTest, IsAliveUntilItWasSilentTooLong) {
  const Member& member = *members_.Find(Id(1));
  EXPECT_TRUE(members_.IsAlive(member, kStart + limits::kSilentAfter));
  EXPECT_FALSE(members_.IsAlive(member, kSilent));
}

TEST_F(MembershipTest, NumbersNeverGoBackAndAreStoredABlockAtATime) {
  members_.RecordHeartbeat({Id(1), Incarnation{5}, 90, {}}, kStart);
  EXPECT_EQ(members_.Find(Id(1))->next_number, 100u);
  members_.RecordHeartbeat({Id(1), Incarnation{5}, 99 + limits::kIdBlock, {}}, kStart);
  EXPECT_FALSE(members_.TakeNumbersToStore(Id(1)));
  members_.RecordHeartbeat({Id(1), Incarnation{5}, 100 + limits::kIdBlock, {}}, kStart);
  EXPECT_TRUE(members_.TakeNumbersToStore(Id(1)));
  EXPECT_FALSE(members_.TakeNumbersToStore(Id(1)));
  members_.Admit({Info(1, "", 6), 7}, kStart);
  EXPECT_EQ(members_.Find(Id(1))->next_number, 100u + limits::kIdBlock);
}

TEST_F(MembershipTest, ARenamedNodeIsPresentOnceUnderItsNewName) {
  members_.Admit({Info(1, "zulu", 6), 100}, kStart);
  ASSERT_EQ(members_.present().size(), 2u);
  EXPECT_EQ(members_.present()[1]->info.name, "zulu");
}

class RestoredTest : public testing::Test {
 protected:
  static LifeId Life(int n) { return *LifeId::Parse(Id(n).view()); }
  // Node 1 in its life `n`, after those below it.
  static JoinRequest InLife(int n, std::uint64_t next_number) {
    JoinRequest join{Info(1, "", static_cast<std::uint64_t>(n)), next_number};
    join.node.life = Life(n);
    for (int former = n - 1; former > 0; --former)
      join.former_lives.push_back(Life(former));
    return join;
  }

  MemberTable members_{Self(), {}};
};

TEST_F(RestoredTest, ALaterLifeOfTheSameDataIsNoCopy) {
  EXPECT_FALSE(members_.IsRestored(InLife(1, 1)));
  members_.Admit(InLife(1, 1), kStart);
  EXPECT_FALSE(members_.IsRestored(InLife(1, 1))) << "the same life once more";
  EXPECT_FALSE(members_.IsRestored(InLife(3, 1001)));
  EXPECT_EQ(members_.FirstNumberFor(InLife(3, 1001)), 1001u);
  EXPECT_FALSE(members_.Admit(InLife(3, 1001), kStart).restored);
}

TEST_F(RestoredTest, ALifeThatTheNewcomerDoesNotKnowShowsACopy) {
  members_.Admit(InLife(5, 7000), kStart);
  JoinRequest copy = InLife(3, 2000);
  copy.node.life = Life(9);
  EXPECT_TRUE(members_.IsRestored(copy));
  const Member& member = members_.Admit(copy, kStart);
  EXPECT_TRUE(member.restored);
  EXPECT_EQ(member.next_number, 7000 + limits::kNumbersSkipped)
      << "the other may have given out more than it has told";
  EXPECT_EQ(PendingOf(member).horizon, (Horizon{Life(9), 2000})) << "that is all that it told";
  // It joins again: its answer was lost.
  EXPECT_EQ(members_.Admit(copy, kStart).next_number, 7000 + limits::kNumbersSkipped);
}

TEST_F(RestoredTest, ANumberThatTheNewcomerDoesNotKnowShowsACopyOfALivingNode) {
  members_.Admit(InLife(2, 1001), kStart);
  members_.RecordHeartbeat({Id(1), Incarnation{2}, 5000, {}, {}, {}, {}, Life(2)}, kStart);
  EXPECT_FALSE(members_.IsRestored(InLife(3, 5000)));
  EXPECT_TRUE(members_.IsRestored(InLife(3, 2001)));
}

TEST_F(RestoredTest, AnOlderDaemonThatNamesNoLifeIsTakenAsItIs) {
  members_.Admit({Info(1), 100}, kStart);
  EXPECT_FALSE(members_.IsRestored(InLife(2, 1)));
  members_.Admit(InLife(2, 1), kStart);
  EXPECT_FALSE(members_.IsRestored({Info(1, "", 3), 1}));
}

TEST_F(RestoredTest, AHeartbeatOfAnotherLifeMustJoin) {
  members_.Admit(InLife(2, 1), kStart);
  EXPECT_TRUE(
      members_.RecordHeartbeat({Id(1), Incarnation{2}, 5, {}, {}, {}, {}, Life(2)}, kStart));
  EXPECT_FALSE(
      members_.RecordHeartbeat({Id(1), Incarnation{2}, 5, {}, {}, {}, {}, Life(9)}, kStart));
}

}  // namespace
}  // namespace quell
