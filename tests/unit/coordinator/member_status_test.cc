// Goal: members come, stop, leave, are forgotten and come back without a living daemon losing its
// place; a node that is away stays selected, with its cancels pending.
// Method: a coordinator on simulated time; joins and goodbyes are made by hand.
#include <gmock/gmock.h>

#include "coordinator/coordinator.h"
#include "tests/support/result_matchers.h"
#include "tests/unit/coordinator/coordinator_fixtures.h"

namespace quell {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(CoordinatorTest, ANewNodeIsDurableBeforeItIsWelcome) {
  auto reply = StartJoin(Info(1));
  scheduler_.RunReady();
  EXPECT_FALSE(reply->has_value());
  EXPECT_THAT(nodes_.connected, IsEmpty());
  scheduler_.Advance(10ms);
  ASSERT_THAT(**reply, IsOk());
  EXPECT_EQ((**reply)->coordinator, Id(0));
  EXPECT_EQ((**reply)->clock.boot_id, Self().boot_id);
  EXPECT_THAT(file_.nodes, SizeIs(1));
  EXPECT_THAT(nodes_.connected, SizeIs(1));
  file_.disk.error = Error{ErrorCode::kResourceExhausted, "full"};
  EXPECT_THAT(Join(Info(2)), FailsWith(ErrorCode::kResourceExhausted));
  EXPECT_FALSE(coordinator_->Knows(Id(2).view()));
  // Known ones are let in all the same.
  EXPECT_THAT(Join(Info(1, "", 2)), IsOk());
}

TEST_F(CoordinatorTest, TheSameLifeMayJoinTwiceWithoutLosingItsConnection) {
  Join(Info(1));
  EXPECT_THAT(Join(Info(1)), IsOk());
  EXPECT_THAT(nodes_.connected, SizeIs(1));
}

TEST_F(CoordinatorTest, ARestartedDaemonReplacesItsDeadSelf) {
  Join(Info(1));
  NodeInfo restarted = Info(1, "", 2);
  restarted.address = "127.0.0.1:7777";
  auto reply = StartJoin(restarted);
  AnswerWith(1, Error{ErrorCode::kUnavailable, "connection refused"});
  scheduler_.Advance(10ms);
  ASSERT_THAT(**reply, IsOk());
  EXPECT_EQ(nodes_.connected.back().address, "127.0.0.1:7777");
  EXPECT_TRUE(Beat(1, {}, 1).rejoin);
  EXPECT_FALSE(Beat(1, {}, 2).rejoin);
}

TEST_F(CoordinatorTest, ALivingDaemonIsNotReplaced) {
  Join(Info(1));
  NodeInfo twin = Info(1, "", 2);
  twin.address = "127.0.0.1:7777";
  auto reply = StartJoin(twin);
  auto other = StartJoin(twin);  // Meanwhile nothing else changes the node.
  EXPECT_THAT(**other, FailsWith(ErrorCode::kUnavailable));
  AnswerWith(1, NodeReply(ProbeReply{Id(1), Incarnation{1}}));
  scheduler_.Advance(10ms);
  EXPECT_THAT(**reply, FailsWith(ErrorCode::kAlreadyExists, "127.0.0.1:9301"));
  EXPECT_THAT(nodes_.connected, SizeIs(1));
  EXPECT_FALSE(Beat(1).rejoin);
}

TEST_F(CoordinatorTest, AProbeThatNobodyAnswersOrAnotherNodeDoesLetsTheNewLifeIn) {
  Join(Info(1));
  NodeInfo later = Info(1, "", 2);
  later.address = "127.0.0.1:7777";
  auto silent = StartJoin(later);
  scheduler_.Advance(limits::kProbeDeadline + 10ms);
  EXPECT_THAT(**silent, IsOk());
  nodes_.asks.clear();
  later = Info(1, "", 3);
  auto stranger = StartJoin(later);
  AnswerWith(1, NodeReply(ProbeReply{Id(9), Incarnation{1}}));
  scheduler_.Advance(10ms);
  EXPECT_THAT(**stranger, IsOk());
}

TEST_F(CoordinatorTest, ARestoredOlderCopyIsLetInAtOnceWhenTheKnownLifeWasKilled) {
  Join(Info(1, "", 5));
  NodeInfo restored = Info(1, "", 3);
  restored.address = "127.0.0.1:7777";
  auto reply = StartJoin(restored);
  AnswerWith(1, Error{ErrorCode::kUnavailable, "connection refused"});
  scheduler_.Advance(10ms);
  EXPECT_THAT(**reply, IsOk()) << "nobody runs there, however lately it was heard";
  EXPECT_FALSE(Beat(1, {}, 3).rejoin);
  EXPECT_TRUE(Beat(1, {}, 5).rejoin);
}

TEST_F(CoordinatorTest, ARestoredOlderCopyIsRefusedWhileTheKnownLifeAnswers) {
  Join(Info(1, "", 5));
  NodeInfo restored = Info(1, "", 3);
  restored.address = "127.0.0.1:7777";
  auto reply = StartJoin(restored);
  AnswerWith(1, NodeReply(ProbeReply{Id(1), Incarnation{5}}));
  scheduler_.Advance(10ms);
  EXPECT_THAT(**reply, FailsWith(ErrorCode::kAlreadyExists, "127.0.0.1:9301"));
  EXPECT_FALSE(Beat(1, {}, 5).rejoin);
}

TEST_F(CoordinatorTest, JoinTellsTheHighestNumberThatWasEverHeard) {
  Join(Info(1), 500);
  EXPECT_EQ(Join(Info(1, "", 2), 100)->next_number, 500u);
  scheduler_.Advance(1s);
  Start();
  EXPECT_EQ(Join(Info(1, "", 3), 100)->next_number, 500u);
}

TEST_F(CoordinatorTest, KnownNodesAreSelectedAndConnectedAfterARestart) {
  Join(Info(1));
  nodes_.connected.clear();
  Start();
  EXPECT_THAT(nodes_.connected, SizeIs(1));
  ASSERT_THAT(coordinator_->Members(), SizeIs(2));
  EXPECT_FALSE(coordinator_->Members()[1].alive);
  auto answer = std::make_shared<Answer>();
  coordinator_->List({}, 1s, NumberSinks(), [answer](Result<Gathered> g) { answer->got = g; });
  AnswerWith(1, Error{ErrorCode::kUnavailable, "refused"});
  EXPECT_EQ(answer->cause(1), FailureCause::kNotJoined);
}

TEST_F(CoordinatorTest, ANodeThatLeftIsNotSelectedAndNothingIsPendingForIt) {
  Join(Info(1));
  Cancel(OneTask(TaskOf(1, 7)), 1s);
  scheduler_.Advance(2s);
  bool left = false;
  coordinator_->OnLeave({Id(1), Incarnation{9}, true}, who_, [](Status) {});
  scheduler_.Advance(10ms);
  EXPECT_TRUE(coordinator_->Knows(Id(1).view())) << "a goodbye of another life";
  coordinator_->OnLeave({Id(1), Incarnation{1}, true}, who_,
                        [&](Status s) { left = s.has_value(); });
  scheduler_.Advance(10ms);
  EXPECT_TRUE(left);
  EXPECT_FALSE(coordinator_->Knows(Id(1).view()));
  EXPECT_THAT(nodes_.disconnected, ElementsAre(Id(1)));
  EXPECT_THAT(file_.intents.begin()->second.pending, IsEmpty());
  Start();
  EXPECT_THAT(coordinator_->Members(), SizeIs(1));
  EXPECT_THAT(Join(Info(1, "", 2))->pending, IsEmpty());
}

// ---- A daemon that stops

class StoppedNodeTest : public CoordinatorTest {
 protected:
  StoppedNodeTest() {
    Join(Info(1));
    Stop();
  }
  void Stop() {
    std::optional<Status> heard;
    coordinator_->OnLeave({Id(1), Incarnation{1}}, who_, [&](Status s) { heard = s; });
    ASSERT_TRUE(heard) << "a daemon that stops must not wait for the disk";
    EXPECT_THAT(*heard, IsOk());
    scheduler_.Advance(10ms);
  }
  MemberStatus Status1() { return coordinator_->Members()[1]; }
};

TEST_F(StoppedNodeTest, StaysSelectedAndFailsAtOnceWithItsOwnCause) {
  ASSERT_THAT(coordinator_->Members(), SizeIs(2));
  EXPECT_EQ(Status1().standing.presence, Presence::kStopped);
  const auto since = Status1().standing.since;
  ASSERT_TRUE(since);
  auto answer = std::make_shared<Answer>();
  coordinator_->List({}, 5s, NumberSinks(), [answer](Result<Gathered> g) { answer->got = g; });
  scheduler_.RunReady();
  ASSERT_TRUE(answer->got) << "nobody waits for a node that is known to be away";
  EXPECT_EQ((**answer->got).failed(), 1u);
  const NodeFailure& failure = *answer->slot(1).failure;
  EXPECT_EQ(failure.cause, FailureCause::kStopped);
  EXPECT_EQ(failure.name, "node1");
  EXPECT_EQ(failure.since, since);
  EXPECT_EQ(failure.action, "") << "it was asked for nothing";
  EXPECT_THAT(nodes_.asks, IsEmpty());
}

TEST_F(StoppedNodeTest, ACancelByIdIsPendingForIt) {
  auto answer = Cancel(OneTask(TaskOf(1, 7)));
  scheduler_.Advance(10ms);
  ASSERT_TRUE(answer->got);
  ASSERT_THAT(*answer->got, IsOk());
  EXPECT_TRUE((**answer->got).intent);
  EXPECT_EQ(answer->slot(0).failure->cause, FailureCause::kStopped);
  EXPECT_EQ(Status1().pending, 1u);
  EXPECT_THAT(Join(Info(1, "", 2))->pending, SizeIs(1));
}

TEST_F(StoppedNodeTest, ACancelByFilterIsPendingForItAndCountsItAsFailed) {
  Join(Info(2));
  auto answer = Cancel(OnNodes({}), 1s);
  scheduler_.Advance(2s);
  ASSERT_TRUE(answer->got);
  EXPECT_EQ((**answer->got).failed(), 2u);
  EXPECT_TRUE((**answer->got).intent);
  EXPECT_EQ(answer->slot(1).failure->cause, FailureCause::kStopped);
  EXPECT_EQ(answer->slot(2).failure->cause, FailureCause::kNoAnswer);
  EXPECT_THAT(file_.intents.begin()->second.pending,
              ElementsAre(testing::Key(Id(1)), testing::Key(Id(2))));
  EXPECT_THAT(Join(Info(1, "", 2))->pending, SizeIs(1));
}

TEST_F(StoppedNodeTest, WhatWasPendingStaysSoOverARestartOfTheCoordinatorToo) {
  Cancel(OneTask(TaskOf(1, 7)));
  scheduler_.Advance(10ms);
  const auto since = Status1().standing.since;
  nodes_.connected.clear();
  Start();
  ASSERT_THAT(coordinator_->Members(), SizeIs(2));
  EXPECT_EQ(Status1().standing.presence, Presence::kStopped);
  EXPECT_EQ(Status1().standing.since, since);
  EXPECT_THAT(nodes_.connected, IsEmpty());
  EXPECT_THAT(Join(Info(1, "", 2))->pending, SizeIs(1));
  EXPECT_THAT(nodes_.connected, SizeIs(1));
  EXPECT_TRUE(Status1().alive);
  scheduler_.Advance(10ms);
  Start();
  EXPECT_EQ(Status1().standing.presence, Presence::kNotJoined) << "it is not stopped any more";
}

TEST_F(StoppedNodeTest, ALateGoodbyeOfItsFormerLifeDoesNotHideTheNext) {
  Join(Info(1, "", 2));
  Stop();
  EXPECT_TRUE(Status1().alive);
}

TEST_F(StoppedNodeTest, ItsTasksAreUnknownAndNotEnded) {
  std::optional<Result<GetAnswer>> got;
  coordinator_->Get({*TaskIdText::Parse(TaskOf(1, 7))}, 1s, NumberSinks(),
                    [&](Result<GetAnswer> answer) { got = std::move(answer); });
  scheduler_.RunReady();
  EXPECT_THAT(*got, FailsWith(ErrorCode::kUnavailable, "away"));
}

TEST_F(StoppedNodeTest, ItCanBeForgottenAndWhatIsGivenUpIsSaid) {
  Cancel(OneTask(TaskOf(1, 7)));
  scheduler_.Advance(10ms);
  std::optional<Result<Forgotten>> forgotten;
  coordinator_->Forget(Id(1), [&](Result<Forgotten> f) { forgotten = std::move(f); });
  scheduler_.Advance(10ms);
  ASSERT_THAT(*forgotten, IsOk());
  EXPECT_EQ((*forgotten)->pending, 1u);
  EXPECT_EQ((*forgotten)->node.name, "node1");
  EXPECT_FALSE(coordinator_->Knows(Id(1).view()));
}

TEST_F(CoordinatorTest, ANodeThatMayHaveLeftComesBackOnlyDurably) {
  Join(Info(1));
  file_.unknown_next = 1;
  coordinator_->OnLeave({Id(1), Incarnation{1}, true}, who_, [](Status) {});
  scheduler_.Advance(10ms);
  file_.disk.fail_next = 1;
  EXPECT_THAT(Join(Info(1, "", 2)), FailsWith(ErrorCode::kResourceExhausted));
  EXPECT_THAT(Join(Info(1, "", 2)), IsOk());
  Start();
  EXPECT_THAT(coordinator_->Members(), SizeIs(2));
}

TEST_F(CoordinatorTest, WhatIsPendingForANodeThatMayHaveLeftIsNotDropped) {
  Join(Info(1));
  Cancel(OneTask(TaskOf(1, 7)), 1s);
  scheduler_.Advance(2s);
  file_.unknown_next = 1;
  file_.unknown_is_durable = false;
  coordinator_->OnLeave({Id(1), Incarnation{1}, true}, who_, [](Status) {});
  scheduler_.Advance(10ms);
  EXPECT_THAT(Join(Info(1, "", 2))->pending, SizeIs(1));
}

TEST_F(CoordinatorTest, ANodeThatLeavesOnceMoreIsCertainlyGone) {
  Join(Info(1));
  Cancel(OneTask(TaskOf(1, 7)), 1s);
  scheduler_.Advance(2s);
  file_.unknown_next = 1;
  file_.unknown_is_durable = false;
  Status answer = Error{};
  const auto leave = [&] {
    coordinator_->OnLeave({Id(1), Incarnation{1}, true}, who_,
                          [&](Status got) { answer = std::move(got); });
    scheduler_.Advance(10ms);
  };
  leave();
  EXPECT_THAT(answer, FailsWith(ErrorCode::kOutcomeUnknown));
  leave();
  EXPECT_THAT(answer, IsOk());
  Start();
  EXPECT_THAT(coordinator_->Members(), SizeIs(1)) << "the store has it as a member";
  EXPECT_THAT(Join(Info(1, "", 2))->pending, IsEmpty());
}

TEST_F(CoordinatorTest, OnlyASilentNodeCanBeForgotten) {
  Join(Info(1));
  Cancel(OneTask(TaskOf(1, 7)), 1s);
  scheduler_.Advance(2s);
  auto forget = [&](int n) {
    Status got = Error{};
    coordinator_->Forget(Id(n), [&](const Result<Forgotten>& forgotten) {
      got = forgotten ? Status() : Status(forgotten.error());
    });
    scheduler_.Advance(10ms);
    return got;
  };
  EXPECT_THAT(forget(1), FailsWith(ErrorCode::kFailedPrecondition, "alive"));
  EXPECT_THAT(forget(0), FailsWith(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(forget(2), FailsWith(ErrorCode::kNotFound));
  scheduler_.Advance(limits::kSilentAfter);
  EXPECT_THAT(forget(1), IsOk());
  EXPECT_THAT(coordinator_->Members(), SizeIs(1));
  EXPECT_THAT(file_.nodes, IsEmpty());
  EXPECT_THAT(Join(Info(1, "", 2))->pending, IsEmpty());
}

}  // namespace
}  // namespace quell
