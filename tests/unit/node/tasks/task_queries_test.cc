// Goal: lists show what runs, in pages, in order, filtered, without copying or stalling; one task
// can be asked for as long as somebody remembers it.
// Method: a whole node on simulated time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/node/fixtures.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Ge;
using testing::IsEmpty;
using testing::Le;
using testing::SizeIs;

class AnswersTest : public testing::Test {
 protected:
  void Register(std::size_t count, const NewTask& task) {
    RegisterRequest request;
    request.tasks.assign(count, task);
    ASSERT_THAT(world_.Register(std::move(request)), IsOk());
  }

  NodeWorld world_;
};

TEST_F(AnswersTest, AListComesInPagesInAscendingOrderAndCountsItself) {
  Register(2 * limits::kPageTasks + 1, world_.Work());
  const auto writer = world_.Ask(ListRequest{});
  EXPECT_THAT(writer->pages, ElementsAre(limits::kPageTasks, limits::kPageTasks, 1));
  const std::vector<std::uint64_t> numbers = NumbersOf(writer->tasks);
  EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end())) << "out of order";
  ASSERT_THAT(*writer->reply, IsOk());
  EXPECT_EQ(std::get<ListReply>(**writer->reply).count, 2 * limits::kPageTasks + 1);
}

TEST_F(AnswersTest, AListThatIsAskedForInPartsMissesNothingAndRepeatsNothing) {
  Register(2 * limits::kPageTasks + 1, world_.Work());
  ListRequest part;
  part.limit = limits::kPageTasks - 1;
  std::vector<std::uint64_t> seen;
  std::vector<std::size_t> sizes;
  for (bool more = true; more;) {
    const auto writer = world_.Ask(part);
    ASSERT_THAT(*writer->reply, IsOk());
    const ListReply reply = std::get<ListReply>(**writer->reply);
    EXPECT_EQ(reply.count, writer->tasks.size());
    sizes.push_back(writer->tasks.size());
    for (const std::uint64_t number : NumbersOf(writer->tasks))
      seen.push_back(number);
    part.after = seen.back();
    more = reply.more;
  }
  EXPECT_THAT(sizes, ElementsAre(limits::kPageTasks - 1, limits::kPageTasks - 1, 3));
  EXPECT_EQ(seen, NumbersOf(world_.List()));
}

TEST_F(AnswersTest, AListWithALimitIsBoundInBytesToo) {
  NewTask task = world_.Work();
  task.description.assign(limits::kDescriptionMax, 'd');
  Register(2 * limits::kListPartBytes / limits::kDescriptionMax, task);
  ListRequest request;
  request.detailed = true;
  EXPECT_FALSE(std::get<ListReply>(**world_.Ask(request)->reply).more) << "no limit was set";
  request.limit = 1'000'000;
  const ListReply reply = std::get<ListReply>(**world_.Ask(request)->reply);
  EXPECT_TRUE(reply.more) << reply.count << " tasks";
  EXPECT_THAT(reply.count * limits::kDescriptionMax,
              AllOf(Ge(limits::kListPartBytes * 8 / 10), Le(limits::kListPartBytes * 12 / 10)));
}

TEST_F(AnswersTest, AListShowsItselfInTheOrderOfNumbersIfItIsToldHow) {
  Register(2, world_.Work());
  ListRequest request;
  request.as_task =
      RequestTask{"list[n]", {}, TaskId{world_.info.id, 7000}, {{"X-Opaque-Id", "me"}}};
  const std::vector<SeenTask> seen = world_.List(request);
  ASSERT_THAT(NumbersOf(seen), ElementsAre(1, 2, 3));
  EXPECT_EQ(seen[2].action, "list[n]");
  EXPECT_EQ(seen[2].parent, (TaskId{world_.info.id, 7000}));
  EXPECT_FALSE(seen[2].cancellable);
  Register(1, world_.Work());
  EXPECT_THAT(NumbersOf(world_.List()), ElementsAre(1, 2, 4)) << "the list has been answered";
  request.filter.actions = {"work"};
  EXPECT_THAT(NumbersOf(world_.List(request)), ElementsAre(1, 2, 4)) << "it does not match";
  request.filter.actions = {"list*"};
  EXPECT_THAT(NumbersOf(world_.List(request)), SizeIs(1));
  EXPECT_THAT(world_.Get(world_.Id(3)), FailsWith(ErrorCode::kNotFound));
}

TEST_F(AnswersTest, AListThatFillsItsPagesShowsItselfAllTheSame) {
  Register(limits::kPageTasks, world_.Work());
  ListRequest request;
  request.as_task = RequestTask{"list[n]"};
  const auto writer = world_.Ask(request);
  EXPECT_THAT(writer->pages, ElementsAre(limits::kPageTasks, 1));
  EXPECT_EQ(std::get<ListReply>(**writer->reply).count, limits::kPageTasks + 1);
}

TEST_F(AnswersTest, ALimitThatIsNotMetLeavesNoMore) {
  Register(3, world_.Work());
  ListRequest request;
  request.limit = 4;
  const auto writer = world_.Ask(request);
  ASSERT_THAT(*writer->reply, IsOk());
  EXPECT_EQ(std::get<ListReply>(**writer->reply).count, 3u);
  EXPECT_FALSE(std::get<ListReply>(**writer->reply).more);
}

TEST_F(AnswersTest, APageOfLongTextsIsShorter) {
  NewTask task = world_.Work();
  task.description.assign(limits::kDescriptionMax, 'd');
  task.status_json = "{\"s\":\"" + std::string(8000, 's') + "\"}";
  Register(200, task);
  ListRequest request;
  request.detailed = true;
  const auto writer = world_.Ask(request);
  EXPECT_THAT(writer->tasks, SizeIs(200));
  EXPECT_THAT(writer->pages, Each(Le(1 + limits::kPageBytes / 12'000)));
}

TEST_F(AnswersTest, OnlyADetailedListShowsDescriptionAndStatus) {
  NewTask task = world_.Work();
  task.description = "long words";
  task.status_json = "{}";
  world_.RegisterOne(task);
  EXPECT_EQ(world_.List()[0].description, "");
  EXPECT_EQ(world_.List()[0].status_json, "");
  ListRequest detailed;
  detailed.detailed = true;
  EXPECT_EQ(world_.List(detailed)[0].description, "long words");
  EXPECT_EQ(world_.List(detailed)[0].status_json, "{}");
}

TEST_F(AnswersTest, FiltersByActionAndByParent) {
  const TaskId top = world_.RegisterOne(world_.Work("build:all")).id;
  const TaskId child = world_.RegisterChild(top).id;
  world_.RegisterChild(child);
  ListRequest by_action;
  by_action.filter.actions = {"build:*", "nothing"};
  EXPECT_THAT(NumbersOf(world_.List(by_action)), ElementsAre(top.number));
  ListRequest by_parent;
  by_parent.filter.parent = top;
  EXPECT_THAT(NumbersOf(world_.List(by_parent)), ElementsAre(child.number));
}

TEST_F(AnswersTest, AFilterThatMatchesNothingTakesManyTurnsAndNoPage) {
  Register(3 * limits::kLooksPerTurn, world_.Work());
  ListRequest request;
  request.filter.actions = {"nothing"};
  const auto writer = world_.Ask(request);
  ASSERT_TRUE(writer->reply.has_value()) << "no end";
  EXPECT_THAT(writer->pages, IsEmpty());
  EXPECT_EQ(std::get<ListReply>(**writer->reply).count, 0u);
}

TEST_F(AnswersTest, AReaderThatTakesNoMorePagesHoldsNothingUp) {
  Register(3 * limits::kPageTasks, world_.Work());
  const auto writer = std::make_shared<RecordingWriter>(*world_.executor);
  writer->hold = true;
  Principal who;
  who.transport = Principal::Transport::kLoopback;
  world_.node->OnRequest(ListRequest{}, who, world_.clock.Now() + 5s, writer);
  world_.scheduler.Advance(1h);
  EXPECT_THAT(writer->pages, SizeIs(1));
  EXPECT_EQ(writer.use_count(), 1) << "the list of a reader that is gone is kept";
}

TEST_F(AnswersTest, NobodyListensAfterTheDeadline) {
  Register(1, world_.Work());
  const auto writer = std::make_shared<RecordingWriter>(*world_.executor);
  Principal who;
  who.transport = Principal::Transport::kLoopback;
  world_.node->OnRequest(ListRequest{}, who, world_.clock.Now(), writer);
  ASSERT_TRUE(writer->reply.has_value()) << "no end";
  EXPECT_THAT(*writer->reply, FailsWith(ErrorCode::kDeadlineExceeded));
}

TEST_F(AnswersTest, AListShowsWhatHasEndedSinceAlsoInAnEarlierLife) {
  const auto end = [this](const TaskId& task) {
    ASSERT_THAT(world_.Finish(task, TaskState::kFailed), IsOk());
  };
  const TaskId too_old = world_.RegisterOne(world_.Work("a")).id;
  end(too_old);
  world_.scheduler.Advance(10s);
  const WallTime since = world_.wall();
  NewTask described = world_.Work("a");
  described.description = "of the first life";
  const TaskId before = world_.RegisterOne(described).id;
  const TaskId other = world_.RegisterOne(world_.Work("b")).id;
  end(before);
  end(other);
  world_.scheduler.Advance(1s);  // The journal is written behind.
  world_.Restart();
  const TaskId lives = world_.RegisterOne(world_.Work("a")).id;
  const TaskId after = world_.RegisterOne(world_.Work("a")).id;
  end(after);
  ListRequest request;
  request.filter.actions = {"a"};
  request.detailed = true;
  request.ended_since = since;
  const std::vector<SeenTask> seen = world_.List(request);
  EXPECT_THAT(NumbersOf(seen), ElementsAre(lives.number, before.number, after.number));
  EXPECT_EQ(seen[1].state, TaskState::kFailed);
  EXPECT_EQ(seen[1].description, "of the first life");
  request.detailed = false;
  EXPECT_EQ(world_.List(request)[1].description, "");
  request.ended_since.reset();
  EXPECT_THAT(NumbersOf(world_.List(request)), ElementsAre(lives.number));
}

TEST_F(AnswersTest, ManyEndedTasksComeInPagesAndAreCounted) {
  Register(2 * limits::kPageTasks + 1, world_.Work());
  const WallTime since = world_.wall();
  world_.scheduler.Advance(limits::kSessionLease + 5s);
  ListRequest request;
  request.ended_since = since;
  const auto writer = world_.Ask(request);
  EXPECT_THAT(writer->pages, ElementsAre(limits::kPageTasks, limits::kPageTasks, 1));
  ASSERT_THAT(*writer->reply, IsOk());
  EXPECT_EQ(std::get<ListReply>(**writer->reply).count, 2 * limits::kPageTasks + 1);
}

TEST_F(AnswersTest, ATaskThatEndsWhileItIsListedIsShownOnce) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  const auto writer = std::make_shared<RecordingWriter>(*world_.executor);
  Principal who;
  who.transport = Principal::Transport::kLoopback;
  ListRequest request;
  request.ended_since = world_.wall();
  world_.node->OnRequest(request, who, world_.clock.Now() + 5s, writer);
  // The live ones are listed, the journal has not answered.
  ASSERT_THAT(writer->tasks, SizeIs(1));
  ASSERT_FALSE(writer->reply.has_value()) << "it has ended too early for this test";
  ASSERT_THAT(world_.Finish(task, TaskState::kFailed), IsOk());
  world_.Settle();
  EXPECT_TRUE(writer->reply.has_value()) << "no end";
  EXPECT_THAT(writer->tasks, SizeIs(1));
}

TEST_F(AnswersTest, AnEndedTaskCanBeAskedForAlsoAfterARestart) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  world_.Ask(ApplyRequest{{world_.Cancel(task)}});
  world_.scheduler.Advance(3s);
  ASSERT_THAT(world_.Finish(task, TaskState::kCancelled), IsOk());
  for (const bool restarted : {false, true}) {
    if (restarted) {
      world_.scheduler.Advance(1s);
      world_.Restart();
    }
    const auto writer = world_.Ask(GetRequest{task.number});
    ASSERT_THAT(writer->tasks, SizeIs(1)) << restarted;
    EXPECT_EQ(writer->tasks[0].state, TaskState::kCancelled);
    EXPECT_GE(writer->tasks[0].running, 3s);
    EXPECT_TRUE(writer->tasks[0].cancelled);
    ASSERT_THAT(*writer->reply, IsOk());
    const auto& get = std::get<GetReply>(**writer->reply);
    EXPECT_TRUE(get.ended);
    ASSERT_TRUE(get.receipt.has_value()) << restarted;
    EXPECT_EQ(get.receipt->state, ReceiptState::kEnded);
    EXPECT_EQ(get.receipt->outcome, TaskState::kCancelled);
  }
}

TEST_F(AnswersTest, WhatWasNeverRegisteredIsNotFound) {
  EXPECT_THAT(world_.Get(world_.Id(1)), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(world_.Get(world_.Id(0)), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(world_.Get(world_.Id(TaskId::kNumberMax)), FailsWith(ErrorCode::kNotFound));
}

TEST_F(AnswersTest, AProbeSaysWhichLifeThisIs) {
  world_.Restart();
  const auto writer = world_.Ask(ProbeRequest{});
  ASSERT_TRUE(writer->reply.has_value()) << "no answer";
  const auto& probe = std::get<ProbeReply>(**writer->reply);
  EXPECT_EQ(probe.node, world_.info.id);
  EXPECT_EQ(probe.incarnation, Incarnation{2});
}

TEST_F(AnswersTest, AStrangerIsToldNothing) {
  world_.RegisterOne(world_.Work());
  for (NodeRequest request : {NodeRequest(ListRequest{}), NodeRequest(GetRequest{1}),
                              NodeRequest(ApplyRequest{}), NodeRequest(ProbeRequest{})}) {
    const auto writer = std::make_shared<RecordingWriter>(*world_.executor);
    world_.node->OnRequest(std::move(request), Principal(), world_.clock.Now() + 5s, writer);
    EXPECT_THAT(writer->tasks, IsEmpty());
    ASSERT_TRUE(writer->reply.has_value()) << "no answer";
    EXPECT_THAT(*writer->reply, FailsWith(ErrorCode::kPermissionDenied));
  }
}

}  // namespace
}  // namespace quell
