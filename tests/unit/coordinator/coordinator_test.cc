// Goal: a 200 of a cancel means that the intent is durable; who was not reached gets it later.
// Method: the real Coordinator on simulated time, with nodes that answer as the test says and a
// store in memory that can be slow, fail, or not know.
#include "coordinator/coordinator.h"

#include <gmock/gmock.h>

#include "tests/support/result_matchers.h"
#include "tests/unit/coordinator/coordinator_fixtures.h"

namespace quell {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// ---- Cancel by id

TEST_F(CoordinatorTest, ACancelIsDurableBeforeItIsPushedAndAnswered) {
  Join(Info(1));
  file_.disk.commit_min = file_.disk.commit_max = 50ms;
  auto answer = Cancel(OneTask(TaskOf(1, 7)));
  AnswerWithTask(1, MakeTask(1, 7), GetReply{});
  scheduler_.Advance(49ms);
  EXPECT_THAT(nodes_.asks, IsEmpty());
  EXPECT_FALSE(answer->got);
  EXPECT_THAT(file_.intents, IsEmpty());
  scheduler_.Advance(1ms);
  ASSERT_THAT(file_.intents, SizeIs(1));
  auto intent = Pushed(1);
  ASSERT_TRUE(intent);
  EXPECT_EQ(*intent->task(), (TaskId{Id(1), 7}));
  EXPECT_EQ(intent->reason, "because");
  EXPECT_EQ(intent->by, who_.name());
  EXPECT_EQ(intent->grace, limits::kGraceDefault);
  AnswerWithTask(1, MakeTask(1, 7), Acks(*intent));
  ASSERT_TRUE(answer->got);
  ASSERT_THAT(*answer->got, IsOk());
  EXPECT_EQ((**answer->got).intent, intent->id);
  EXPECT_EQ((**answer->got).failed(), 0u);
  EXPECT_EQ(SinkAs<NumbersSink>(*answer->slot(0).sink).numbers.front(), 7u);
}

TEST_F(CoordinatorTest, NothingIsCommittedForATaskThatCannotBeCancelled) {
  Join(Info(1));
  struct Case {
    const char* what;
    std::function<void()> node;
    FailureCause cause;
    std::string message;
  };
  TaskView fixed = MakeTask(1, 7);
  fixed.cancellable = false;
  const std::string id = TaskOf(1, 7);
  const Case cases[] = {
      {"unknown",
       [&] {
         AnswerWith(1, Error{ErrorCode::kNotFound, "no"});
       },
       FailureCause::kTaskNotFound, "task [" + id + "] is not found"},
      {"ended",
       [&] {
         AnswerWithTask(1, MakeTask(1, 7), GetReply{true, {}});
       },
       FailureCause::kTaskNotFound, "task [" + id + "] is not found"},
      {"not cancellable", [&] { AnswerWithTask(1, fixed, GetReply{}); },
       FailureCause::kNotCancellable, "task [" + id + "] doesn't support cancellation"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    auto answer = Cancel(OneTask(id));
    c.node();
    scheduler_.RunReady();
    ASSERT_TRUE(answer->got);
    ASSERT_THAT(*answer->got, IsOk());
    EXPECT_FALSE((**answer->got).intent);
    EXPECT_EQ(answer->cause(0), c.cause);
    EXPECT_EQ(answer->slot(0).failure->message, c.message);
  }
  scheduler_.Advance(1s);
  EXPECT_THAT(file_.intents, IsEmpty());
}

TEST_F(CoordinatorTest, AnIdOfNobodyAndOneOfTheCoordinatorCommitNothing) {
  auto ghost = Cancel(OneTask("foo:1"));
  auto own = Cancel(OneTask(TaskOf(0, 3)));
  auto never = Cancel(OneTask(Id(0).ToString() + ":-7"));
  scheduler_.Advance(1s);
  EXPECT_EQ(ghost->cause(0), FailureCause::kNoSuchNode);
  EXPECT_EQ(ghost->slot(0).failure->message, "No such node [foo]");
  EXPECT_EQ(own->cause(0), FailureCause::kTaskNotFound);
  EXPECT_EQ(never->cause(0), FailureCause::kTaskNotFound);
  EXPECT_THAT(file_.intents, IsEmpty());
}

TEST_F(CoordinatorTest, AFilterThatDoesNotFitTheIdCommitsNothing) {
  Join(Info(1));
  CancelQuery query = OneTask(TaskOf(1, 7));
  query.filter.actions = {"other*"};
  auto answer = Cancel(query);
  AnswerWithTask(1, MakeTask(1, 7), GetReply{});
  EXPECT_EQ(Describe(*answer->slot(0).failure),
            "task [" + TaskOf(1, 7) + "] doesn't support this operation");
  // Of a silent node it cannot be known.
  auto silent = Cancel(query);
  AnswerWith(1, Error{ErrorCode::kUnavailable, "gone"});
  scheduler_.Advance(1s);
  EXPECT_EQ(silent->cause(0), FailureCause::kDisconnected);
  EXPECT_THAT(file_.intents, IsEmpty());
  query.filter.actions = {"job:*"};
  Cancel(query);
  AnswerWithTask(1, MakeTask(1, 7), GetReply{});
  scheduler_.Advance(1s);
  EXPECT_THAT(file_.intents, SizeIs(1));
}

TEST_F(CoordinatorTest, ACancelOnASilentNodeWaitsForItAndSaysSo) {
  Join(Info(1));
  auto answer = Cancel(OneTask(TaskOf(1, 7)), 4s);
  scheduler_.Advance(2s + 10ms);  // Half of the time is for the check.
  ASSERT_TRUE(answer->got);
  EXPECT_EQ(answer->cause(0), FailureCause::kNoAnswer);
  EXPECT_TRUE((**answer->got).intent);
  EXPECT_EQ(coordinator_->Members()[1].pending, 1u);
  // The node pulls it, and acknowledges with a later heartbeat.
  auto handed = Beat(1).pending;
  ASSERT_THAT(handed, SizeIs(1));
  EXPECT_THAT(Beat(1).pending, SizeIs(1));
  EXPECT_THAT(Beat(1, {{handed[0].id, {}, {}}}).pending, IsEmpty());
  scheduler_.Advance(1s);
  EXPECT_THAT(file_.intents.at(handed[0].id).pending, IsEmpty());
}

TEST_F(CoordinatorTest, APushThatFailsLeavesTheIntentPending) {
  Join(Info(1));
  auto answer = Cancel(OneTask(TaskOf(1, 7)));
  AnswerWithTask(1, MakeTask(1, 7), GetReply{});
  scheduler_.Advance(10ms);
  AnswerWith(1, Error{ErrorCode::kResourceExhausted, "its disk is full"});
  EXPECT_EQ(answer->cause(0), FailureCause::kBusy);
  EXPECT_THAT(Join(Info(1, "", 2))->pending, SizeIs(1));
}

TEST_F(CoordinatorTest, ATaskThatEndsBeforeThePushIsNotFound) {
  Join(Info(1));
  auto answer = Cancel(OneTask(TaskOf(1, 7)));
  AnswerWithTask(1, MakeTask(1, 7), GetReply{});
  scheduler_.Advance(10ms);
  AnswerWith(1, Acks(*Pushed(1)));
  EXPECT_EQ(answer->cause(0), FailureCause::kTaskNotFound);
  EXPECT_EQ(coordinator_->Members()[1].pending, 0u);
}

TEST_F(CoordinatorTest, ASecondCancelStrengthensTheFirst) {
  Join(Info(1));
  Cancel(OneTask(TaskOf(1, 7)));
  AnswerWithTask(1, MakeTask(1, 7), GetReply{});
  scheduler_.Advance(10ms);
  const Intent first = *Pushed(1);
  AnswerWithTask(1, MakeTask(1, 7), Acks(first));
  CancelQuery now = OneTask(TaskOf(1, 7));
  now.grace = 5ms;
  auto answer = Cancel(now);
  AnswerWithTask(1, MakeTask(1, 7), GetReply{});
  scheduler_.Advance(10ms);
  const Intent second = *Pushed(1);
  EXPECT_EQ(second.id, first.id);
  EXPECT_EQ(second.requested_at, first.requested_at);
  EXPECT_EQ(second.grace, 5ms);
  EXPECT_EQ(coordinator_->Members()[1].pending, 1u);
  EXPECT_THAT(file_.intents, SizeIs(1));
}

// ---- Cancel and the store

TEST_F(CoordinatorTest, AStoreErrorIsTheAnswerAndNothingIsPushed) {
  Join(Info(1));
  for (ErrorCode code : {ErrorCode::kResourceExhausted, ErrorCode::kInternal}) {
    file_.disk.error = Error{code, "the disk"};
    auto answer = Cancel(OnNodes({"node1"}));
    scheduler_.Advance(1s);
    ASSERT_EQ(answer->times, 1);
    EXPECT_THAT(*answer->got, FailsWith(code));
    EXPECT_FALSE(Pushed(1));
    EXPECT_EQ(coordinator_->Members()[1].pending, 0u);
  }
}

TEST_F(CoordinatorTest, AnUnknownOutcomeIsNoSuccess) {
  Join(Info(1));
  for (bool durable : {true, false}) {
    file_.unknown_next = 1;
    file_.unknown_is_durable = durable;
    auto answer = Cancel(OnNodes({"node1"}));
    scheduler_.Advance(1s);
    ASSERT_EQ(answer->times, 1);
    EXPECT_THAT(*answer->got, FailsWith(ErrorCode::kOutcomeUnknown));
  }
}

TEST_F(CoordinatorTest, AStoreThatAnswersTooLateIsUnknownAndTheIntentStillTravels) {
  Join(Info(1));
  file_.disk.commit_min = file_.disk.commit_max = 3s;
  auto answer = Cancel(OnNodes({"node1"}), 1s);
  scheduler_.Advance(1s);
  ASSERT_EQ(answer->times, 1);
  EXPECT_THAT(*answer->got, FailsWith(ErrorCode::kOutcomeUnknown));
  scheduler_.Advance(3s);
  EXPECT_EQ(answer->times, 1);
  EXPECT_THAT(Beat(1).pending, SizeIs(1));
}

TEST_F(CoordinatorTest, AnIntentSurvivesTheCoordinator) {
  Join(Info(1));
  Cancel(OneTask(TaskOf(1, 7)), 1s);
  scheduler_.Advance(2s);
  Start();
  EXPECT_TRUE(Beat(1).rejoin);
  EXPECT_THAT(Join(Info(1))->pending, SizeIs(1));
}

// ---- Cancel by filter

TEST_F(CoordinatorTest, AFilterIsOneIntentPendingForEachSelectedNode) {
  Join(Info(1));
  Join(Info(2));
  Join(Info(3));
  CancelQuery query = OnNodes({"node2", "node1", "ghost"});
  query.filter.actions = {"job:*"};
  auto answer = Cancel(query, 2s);
  scheduler_.Advance(10ms);
  ASSERT_THAT(file_.intents, SizeIs(1));
  EXPECT_THAT(file_.intents.begin()->second.pending,
              ElementsAre(testing::Key(Id(1)), testing::Key(Id(2))));
  const Intent intent = *Pushed(1);
  EXPECT_EQ(intent.filter()->actions, query.filter.actions);
  EXPECT_FALSE(Pushed(3));
  AnswerWithTask(1, MakeTask(1, 7), Acks(intent));
  scheduler_.Advance(5s);
  ASSERT_EQ(answer->times, 1);
  ASSERT_EQ((**answer->got).selected(), 3u);
  EXPECT_EQ((**answer->got).failed(), 2u);
  EXPECT_EQ(answer->cause(0), FailureCause::kNoAnswer);
  EXPECT_FALSE(answer->slot(1).failure);
  EXPECT_EQ(answer->cause(2), FailureCause::kNoSuchNode);
  EXPECT_THAT(file_.intents.at(intent.id).pending, ElementsAre(testing::Key(Id(2))));
}

TEST_F(CoordinatorTest, NobodySelectedCommitsNothing) {
  auto answer = Cancel(OnNodes({"ghost", "_local"}));
  scheduler_.Advance(1s);
  ASSERT_THAT(*answer->got, IsOk());
  EXPECT_FALSE((**answer->got).intent);
  EXPECT_EQ((**answer->got).failed(), 1u);
  EXPECT_THAT(file_.intents, IsEmpty());
}

TEST_F(CoordinatorTest, LimitsOfReasonAndGraceAreTold) {
  CancelQuery query = OnNodes({"_local"});
  query.reason = std::string(limits::kReasonMax + 1, 'x');
  auto reason = Cancel(query);
  query.reason = std::string(limits::kReasonMax, 'x');
  query.grace = limits::kGraceMax + 1ms;
  auto grace = Cancel(query);
  query.grace = limits::kGraceMax;
  auto fine = Cancel(query);
  scheduler_.Advance(1s);
  EXPECT_THAT(*reason->got, FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(*grace->got, FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(*fine->got, IsOk());
}

// ---- List and get

TEST_F(CoordinatorTest, ASilentNodeStaysSelectedAndFailsByTheDeadline) {
  Join(Info(1));
  Join(Info(2));
  auto answer = std::make_shared<Answer>();
  coordinator_->List({}, 1s, NumberSinks(), [answer](Result<Gathered> g) { answer->got = g; });
  const TaskView task = MakeTask(1, 7);
  AnswerWithTask(1, task, ListReply{1});
  scheduler_.Advance(1s);
  ASSERT_TRUE(answer->got);
  EXPECT_EQ((**answer->got).selected(), 3u);
  EXPECT_EQ((**answer->got).failed(), 1u);
  EXPECT_EQ(answer->slot(2).failure->node, Id(2).ToString());
}

TEST_F(CoordinatorTest, MoreRequestsThanTheLimitAreRefusedUntilOneHasBeenAnswered) {
  Join(Info(1));
  int answered = 0;
  for (std::size_t i = 0; i < limits::kFanOutsMax; ++i) {
    coordinator_->List({}, 1s, NumberSinks(), [&](Result<Gathered>) { ++answered; });
  }
  EXPECT_TRUE(coordinator_->AtCapacity());
  std::optional<Result<Gathered>> refused;
  coordinator_->List({}, 1s, NumberSinks(), [&](Result<Gathered> g) { refused = g; });
  scheduler_.RunReady();
  EXPECT_THAT(*refused, FailsWith(ErrorCode::kResourceExhausted));
  scheduler_.Advance(1s);
  EXPECT_EQ(answered, static_cast<int>(limits::kFanOutsMax));
  EXPECT_FALSE(coordinator_->AtCapacity());
}

TEST_F(CoordinatorTest, AGetTellsMissingFromSilent) {
  Join(Info(1));
  auto get = [&](const std::string& id) {
    auto got = std::make_shared<std::optional<Result<GetAnswer>>>();
    coordinator_->Get({*TaskIdText::Parse(id)}, 1s, NumberSinks(),
                      [got](Result<GetAnswer> answer) { *got = std::move(answer); });
    return got;
  };
  auto found = get(TaskOf(1, 7));
  AnswerWithTask(1, MakeTask(1, 7), GetReply{true, {}});
  ASSERT_THAT(**found, IsOk());
  EXPECT_TRUE((***found).ended);

  auto missing = get(TaskOf(1, 8));
  AnswerWith(1, Error{ErrorCode::kNotFound, "no"});
  EXPECT_THAT(**missing, FailsWith(ErrorCode::kNotFound, "isn't running"));
  auto gone = get(TaskOf(1, 8));
  AnswerWith(1, Error{ErrorCode::kUnavailable, "refused"});
  EXPECT_THAT(**gone, FailsWith(ErrorCode::kUnavailable, "[node1][127.0.0.1:9301]"));
  auto silent = get(TaskOf(1, 8));
  auto nobody = get("foo:1");
  scheduler_.Advance(1s);
  EXPECT_THAT(**silent, FailsWith(ErrorCode::kDeadlineExceeded));
  EXPECT_THAT(**nobody, FailsWith(ErrorCode::kNotFound, "isn't part of the cluster"));
}

TEST_F(CoordinatorTest, OneReplyHandsOverABoundedNumberOfIntents) {
  Join(Info(1));
  for (std::size_t i = 1; i <= limits::kIntentsPerReply + 1; ++i) {
    Cancel(OneTask(TaskOf(1, static_cast<int>(i))), 1s);
    AnswerWith(1, Error{ErrorCode::kUnavailable, "gone"});
    scheduler_.Advance(5ms);
  }
  EXPECT_THAT(Beat(1).pending, SizeIs(limits::kIntentsPerReply));
  EXPECT_EQ(Beat(1).pending.front().task()->number, limits::kIntentsPerReply + 1);
}

TEST_F(CoordinatorTest, ANodeSpeaksOfItsOwnTasksOnly) {
  Join(Info(1));
  Cancel(OnNodes({"node1"}));
  scheduler_.Advance(10ms);
  const Intent intent = *Pushed(1);
  Receipt own;
  own.task = {Id(1), 7};
  own.intent = intent.id;
  Receipt foreign = own;
  foreign.task = {Id(2), 7};
  AnswerWith(1, NodeReply(ApplyReply{{{intent.id, {own, foreign}, {}}}}));
  scheduler_.Advance(1s);
  EXPECT_THAT(file_.intents.at(intent.id).receipts, SizeIs(1));
}

}  // namespace
}  // namespace quell
