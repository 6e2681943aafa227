// Goal: a node runs empty and leaves only when nothing lives on it; whoever asks is told what does.
// Method: a coordinator on simulated time, with a node that answers as the test says.
#include "coordinator/membership/drain_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/result_matchers.h"
#include "tests/unit/coordinator/coordinator_fixtures.h"

namespace quell {
namespace {

using testing::ElementsAre;

class DrainsTest : public CoordinatorTest {
 protected:
  DrainsTest() { Join(Info(1)); }

  void Drain(DrainQuery::What what, bool wait, MonoClock::duration timeout = 30s, int n = 1) {
    DrainQuery query;
    query.node = Id(n);
    query.what = what;
    query.wait = wait;
    got_.reset();
    coordinator_->Drain(std::move(query), timeout, NumberSinks(),
                        [this](Result<DrainAnswer> answer) { got_ = std::move(answer); });
    scheduler_.RunReady();
  }
  // The node answers the question, which must be there.
  DrainRequest Says(DrainReply reply, std::vector<std::uint64_t> live = {}) {
    auto ask = nodes_.Take(1);
    if (!ask || !std::holds_alternative<DrainRequest>(ask->request)) {
      ADD_FAILURE() << "it was not asked to drain";
      return {};
    }
    for (const std::uint64_t number : live) {
      const TaskView task = MakeTask(1, number);
      ask->sink->OnTasks({&task, 1});
    }
    ask->sink->OnDone(NodeReply(reply));
    scheduler_.RunReady();
    return std::get<DrainRequest>(ask->request);
  }
  void Leaves() {
    coordinator_->OnLeave({Id(1), Incarnation{1}, true}, who_, [](Status) {});
    scheduler_.Advance(10ms);
  }

  std::optional<Result<DrainAnswer>> got_;
};

TEST_F(DrainsTest, NamesWhatLives) {
  Drain(DrainQuery::What::kDrain, false);
  const DrainRequest asked = Says({2, true, false}, {7, 9});
  EXPECT_FALSE(asked.off || asked.leave);
  ASSERT_TRUE(got_);
  ASSERT_THAT(*got_, IsOk());
  EXPECT_TRUE((*got_)->draining);
  EXPECT_FALSE((*got_)->left);
  EXPECT_EQ((*got_)->live, 2u);
  EXPECT_THAT(SinkAs<NumbersSink>(*(*got_)->sink).numbers, ElementsAre(7, 9));
}

TEST_F(DrainsTest, TakesBackWhatItAsked) {
  Drain(DrainQuery::What::kTakeAgain, false);
  EXPECT_TRUE(Says({2, false, false}).off);
  EXPECT_FALSE((*got_)->draining);
}

TEST_F(DrainsTest, ANodeOnWhichSomethingLivesDoesNotLeave) {
  Drain(DrainQuery::What::kLeave, false);
  EXPECT_TRUE(Says({1, true, false}, {7}).leave);
  ASSERT_THAT(*got_, IsOk());
  EXPECT_FALSE((*got_)->left);
  EXPECT_TRUE(coordinator_->Knows(Id(1).view()));
}

TEST_F(DrainsTest, WaitsUntilNothingLivesAndTheNodeHasSaidGoodbye) {
  Drain(DrainQuery::What::kLeave, true);
  Says({1, true, false}, {7});
  EXPECT_FALSE(got_);
  AnswerWith(1, NodeReply(AwaitReply{0, 0}));
  scheduler_.Advance(limits::kJoinBackoffMin);
  Says({0, true, true});
  EXPECT_FALSE(got_) << "that it leaves is not durable yet";
  Leaves();
  ASSERT_TRUE(got_);
  ASSERT_THAT(*got_, IsOk());
  EXPECT_TRUE((*got_)->left);
  EXPECT_FALSE(coordinator_->Knows(Id(1).view()));
}

TEST_F(DrainsTest, TheGoodbyeMayBeFasterThanTheAnswer) {
  Drain(DrainQuery::What::kLeave, false);
  auto ask = nodes_.Take(1);
  Leaves();
  ask->sink->OnDone(NodeReply(DrainReply{0, true, true}));
  scheduler_.RunReady();
  EXPECT_TRUE((*got_)->left);
}

TEST_F(DrainsTest, AGoodbyeThatDoesNotComeIsAnUnknownOutcome) {
  Drain(DrainQuery::What::kLeave, false, 5s);
  Says({0, true, true});
  scheduler_.Advance(5s);
  EXPECT_THAT(*got_, FailsWith(ErrorCode::kOutcomeUnknown, "node1"));
  Leaves();
  EXPECT_FALSE(coordinator_->Knows(Id(1).view()));
}

TEST_F(DrainsTest, AWaitThatRunsOutSaysWhatStillLives) {
  Drain(DrainQuery::What::kDrain, true, 2s);
  Says({1, true, false}, {7});
  scheduler_.Advance(1950ms);
  AnswerWith(1, NodeReply(AwaitReply{0, 1}));
  scheduler_.RunReady();
  Says({1, true, false}, {7});
  ASSERT_TRUE(got_);
  ASSERT_THAT(*got_, IsOk());
  EXPECT_EQ((*got_)->live, 1u);
}

TEST_F(DrainsTest, ASilentNodeMayLeaveOrNot) {
  Drain(DrainQuery::What::kLeave, false, 2s);
  scheduler_.Advance(2s);
  EXPECT_THAT(*got_, FailsWith(ErrorCode::kOutcomeUnknown, "may leave"));
}

TEST_F(DrainsTest, ANodeThatIsAwayCannotBeAskedAndNobodyUnknownEither) {
  Drain(DrainQuery::What::kDrain, false, 5s, 2);
  EXPECT_THAT(*got_, FailsWith(ErrorCode::kNotFound));
  Drain(DrainQuery::What::kDrain, false, 5s, 0);
  EXPECT_THAT(*got_, FailsWith(ErrorCode::kFailedPrecondition));
  coordinator_->OnLeave({Id(1), Incarnation{1}}, who_, [](Status) {});
  Drain(DrainQuery::What::kLeave, true);
  EXPECT_THAT(*got_, FailsWith(ErrorCode::kUnavailable, "away"));
}

TEST_F(DrainsTest, MoreThanTheLimitAreRefused) {
  int unanswered = 0;
  DrainQuery query;
  query.node = Id(1);
  for (std::size_t i = 0; i < limits::kDrainsMax; ++i) {
    ++unanswered;
    coordinator_->Drain(query, 1s, NumberSinks(), [&](Result<DrainAnswer>) { --unanswered; });
  }
  Drain(DrainQuery::What::kDrain, false);
  EXPECT_THAT(*got_, FailsWith(ErrorCode::kResourceExhausted));
  scheduler_.Advance(2s);
  EXPECT_EQ(unanswered, 0);
}

}  // namespace
}  // namespace quell
