// Goal: neither reads nor waits keep a cancel out, whatever hangs.
// Method: as many requests as there are places, to nodes that do not answer.
#include <gmock/gmock.h>

#include "coordinator/coordinator.h"
#include "tests/support/result_matchers.h"
#include "tests/unit/coordinator/coordinator_fixtures.h"

namespace quell {
namespace {

class PlacesTest : public CoordinatorTest {};

TEST_F(PlacesTest, ListsBesideAHungNodeKeepNoCancelOfAHealthyOneOut) {
  Join(Info(1));
  Join(Info(2));
  int answered = 0;
  ListQuery hung;
  hung.nodes.tokens = {"node1"};
  for (std::size_t i = 0; i < limits::kFanOutsMax; ++i)
    coordinator_->List(hung, 5s, NumberSinks(), [&](Result<Gathered>) { ++answered; });
  EXPECT_TRUE(coordinator_->AtCapacity());
  EXPECT_FALSE(coordinator_->CancelsAtCapacity());
  auto answer = Cancel(OneTask(TaskOf(2, 7)));
  AnswerWithTask(2, MakeTask(2, 7), GetReply{});
  scheduler_.Advance(10ms);
  const auto pushed = Pushed(2);
  ASSERT_TRUE(pushed);
  AnswerWithTask(2, MakeTask(2, 7), Acks(*pushed));
  ASSERT_TRUE(answer->got);
  ASSERT_THAT(*answer->got, IsOk());
  EXPECT_EQ((**answer->got).failed(), 0u);
  // And the reads have places again long before their deadline.
  scheduler_.Advance(limits::kUnansweredAfter);
  EXPECT_FALSE(coordinator_->AtCapacity());
  EXPECT_EQ(answered, static_cast<int>(limits::kFanOutsMax - limits::kAsksWhileUnanswered));
}

TEST_F(PlacesTest, WaitsKeepNoCancelOutAndOneThatWouldWaitTooDoesNotWait) {
  Join(Info(1));
  ListQuery wait;
  wait.wait = true;
  for (std::size_t i = 0; i < limits::kWaitsMax; ++i)
    coordinator_->List(wait, 60s, NumberSinks(), [](Result<Gathered>) {});
  EXPECT_TRUE(coordinator_->AtCapacity(true));
  nodes_.asks.clear();
  CancelQuery query = OneTask(TaskOf(1, 7));
  query.wait = true;
  auto answer = Cancel(query, 60s);
  AnswerWithTask(1, MakeTask(1, 7), GetReply{});
  scheduler_.Advance(10ms);
  const auto pushed = Pushed(1);
  ASSERT_TRUE(pushed);
  AnswerWithTask(1, MakeTask(1, 7), Acks(*pushed));
  ASSERT_TRUE(answer->got);
  ASSERT_THAT(*answer->got, IsOk());
  EXPECT_EQ((**answer->got).failed(), 0u);
  EXPECT_EQ((**answer->got).running, 1u) << "it is not known to have ended";
  EXPECT_EQ(SinkAs<NumbersSink>(*answer->slot(0).sink).numbers.front(), 7u);
}

TEST_F(PlacesTest, MoreCancelsThanTheLimitAreRefusedAndReadsGoOn) {
  Join(Info(1));
  std::vector<std::shared_ptr<Answer>> cancels;
  for (std::size_t i = 0; i < limits::kCancelsMax; ++i)
    cancels.push_back(Cancel(OneTask(TaskOf(1, static_cast<int>(i) + 1)), 4s));
  EXPECT_TRUE(coordinator_->CancelsAtCapacity());
  EXPECT_FALSE(coordinator_->AtCapacity());
  auto refused = Cancel(OneTask(TaskOf(1, 999)));
  scheduler_.RunReady();
  EXPECT_THAT(*refused->got, FailsWith(ErrorCode::kResourceExhausted, "cancels"));
  scheduler_.Advance(4s);
  for (const auto& cancel : cancels)
    EXPECT_EQ(cancel->times, 1);
  EXPECT_FALSE(coordinator_->CancelsAtCapacity());
  EXPECT_EQ(coordinator_->Members()[1].pending, limits::kCancelsMax) << "none was lost";
}

}  // namespace
}  // namespace quell
