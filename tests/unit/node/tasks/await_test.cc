// Goal: whoever waits for tasks hears of their end at once, by his limit in any case, and costs
// nothing any more once he has heard or has gone away.
// Method: a whole node on simulated time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/node/fixtures.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class WaitsTest : public testing::Test {
 protected:
  using Writer = std::shared_ptr<RecordingWriter>;

  Writer Await(AwaitRequest request, MonoClock::duration deadline = 1h) {
    auto writer = std::make_shared<RecordingWriter>(*world_.executor);
    Principal who;
    who.transport = Principal::Transport::kLoopback;
    if (request.limit == 0us) request.limit = 10min;
    world_.node->OnRequest(std::move(request), who, world_.clock.Now() + deadline, writer);
    world_.Settle();
    return writer;
  }
  static AwaitRequest For(std::vector<std::uint64_t> numbers) {
    AwaitRequest request;
    request.which = std::move(numbers);
    return request;
  }
  static AwaitRequest For(TaskFilter filter) {
    AwaitRequest request;
    request.which = std::move(filter);
    return request;
  }
  void End(const TaskId& task, TaskState outcome = TaskState::kSucceeded) {
    ASSERT_THAT(world_.Finish(task, outcome), IsOk());
    world_.Settle();
  }
  static std::uint64_t Running(const Writer& writer) {
    EXPECT_THAT(*writer->reply, IsOk());
    return std::get<AwaitReply>(**writer->reply).running;
  }

  NodeWorld world_;
};

TEST_F(WaitsTest, TheEndOfTheLastTaskAnswers) {
  const TaskId first = world_.RegisterOne(world_.Work()).id;
  const TaskId second = world_.RegisterOne(world_.Work()).id;
  const Writer writer = Await(For({second.number, first.number}));
  End(second);
  EXPECT_FALSE(writer->reply.has_value()) << "one of them still runs";
  world_.scheduler.Advance(3s);
  End(first, TaskState::kFailed);
  ASSERT_TRUE(writer->reply.has_value()) << "both have ended";
  EXPECT_EQ(Running(writer), 0u);
  EXPECT_THAT(NumbersOf(writer->tasks), ElementsAre(first.number, second.number));
  EXPECT_EQ(writer->tasks[0].state, TaskState::kFailed);
  EXPECT_GE(writer->tasks[0].running, 3s);
  EXPECT_EQ(std::get<AwaitReply>(**writer->reply).count, 2u);
}

TEST_F(WaitsTest, AWaitIsATaskForOtherListsAndWaitsForNoRequest) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  AwaitRequest request = For(TaskFilter{});
  request.as_task = RequestTask{"wait[n]"};
  const Writer writer = Await(request);
  ListRequest list;
  list.as_task = RequestTask{"list[n]"};
  EXPECT_THAT(NumbersOf(world_.List(list)), ElementsAre(1, 2, 3));
  EXPECT_THAT(NumbersOf(world_.List()), ElementsAre(1)) << "who shows no request sees none";
  EXPECT_THAT(world_.Get(world_.Id(2)), IsOk());
  End(task);
  ASSERT_TRUE(writer->reply.has_value()) << "it waits for itself";
  EXPECT_THAT(NumbersOf(writer->tasks), ElementsAre(1, 2));
  EXPECT_EQ(std::get<AwaitReply>(**writer->reply).count, 2u);
  EXPECT_THAT(world_.Get(world_.Id(2)), FailsWith(ErrorCode::kNotFound));
}

TEST_F(WaitsTest, AWaitOfACallerWhoHasGoneIsNoTaskAnyMore) {
  world_.RegisterOne(world_.Work());
  AwaitRequest request = For({1});
  request.as_task = RequestTask{"wait[n]"};
  const Writer writer = Await(request);
  EXPECT_THAT(world_.Get(world_.Id(2)), IsOk());
  writer->Leave();
  world_.Settle();
  EXPECT_THAT(world_.Get(world_.Id(2)), FailsWith(ErrorCode::kNotFound));
}

TEST_F(WaitsTest, AWaitThatRunsOutTellsWhatIsKnown) {
  const TaskId ends = world_.RegisterOne(world_.Work()).id;
  const TaskId stays = world_.RegisterOne(world_.Work()).id;
  AwaitRequest request = For({ends.number, stays.number});
  request.limit = 2s;
  const Writer writer = Await(request);
  End(ends);
  world_.scheduler.Advance(1s);
  EXPECT_FALSE(writer->reply.has_value()) << "too early";
  world_.scheduler.Advance(1s);
  ASSERT_TRUE(writer->reply.has_value()) << "too late";
  EXPECT_EQ(Running(writer), 1u);
  ASSERT_THAT(NumbersOf(writer->tasks), ElementsAre(ends.number, stays.number));
  EXPECT_EQ(writer->tasks[0].state, TaskState::kSucceeded);
  EXPECT_EQ(writer->tasks[1].state, TaskState::kRunning);
}

TEST_F(WaitsTest, TheDeadlineOfTheCallEndsAWaitToo) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  const Writer writer = Await(For({task.number}), 1s);
  world_.scheduler.Advance(1s);
  ASSERT_TRUE(writer->reply.has_value()) << "beyond its deadline";
  EXPECT_EQ(Running(writer), 1u);
}

TEST_F(WaitsTest, WhatHasEndedOrNeverWasIsNotWaitedFor) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  End(task);
  const Writer writer = Await(For({task.number, 4711}));
  ASSERT_TRUE(writer->reply.has_value()) << "nothing runs";
  EXPECT_EQ(Running(writer), 0u);
  EXPECT_THAT(NumbersOf(writer->tasks), ElementsAre(task.number));
}

TEST_F(WaitsTest, WhatOnlyTheJournalRemembersIsShown) {
  const TaskId first = world_.RegisterOne(world_.Work("old")).id;
  const TaskId second = world_.RegisterOne(world_.Work("old")).id;
  End(first);
  End(second);
  world_.scheduler.Advance(1s);
  world_.Restart();
  const TaskId third = world_.RegisterOne(world_.Work("new")).id;
  const Writer writer = Await(For({first.number, second.number, third.number}));
  EXPECT_FALSE(writer->reply.has_value()) << "the third runs";
  End(third);
  ASSERT_TRUE(writer->reply.has_value()) << "all have ended";
  EXPECT_EQ(std::get<AwaitReply>(**writer->reply).count, 3u);
  EXPECT_THAT(NumbersOf(writer->tasks), ElementsAre(first.number, second.number, third.number));
}

TEST_F(WaitsTest, AFilterWaitsForWhatMatchesWhenItComes) {
  const TaskId wanted = world_.RegisterOne(world_.Work("build")).id;
  world_.RegisterOne(world_.Work("test"));
  TaskFilter filter;
  filter.actions = {"build"};
  const Writer writer = Await(For(filter));
  world_.RegisterOne(world_.Work("build"));  // Later: not waited for.
  End(wanted);
  ASSERT_TRUE(writer->reply.has_value()) << "what matched has ended";
  EXPECT_THAT(NumbersOf(writer->tasks), ElementsAre(wanted.number));
}

TEST_F(WaitsTest, AFilterThatMatchesNothingAnswersAtOnce) {
  world_.RegisterOne(world_.Work());
  TaskFilter filter;
  filter.actions = {"nothing"};
  const Writer writer = Await(For(filter));
  ASSERT_TRUE(writer->reply.has_value()) << "there is nothing to wait for";
  EXPECT_THAT(writer->tasks, IsEmpty());
}

TEST_F(WaitsTest, AFilterByParentWaitsForItsChildren) {
  const TaskId parent = world_.RegisterOne(world_.Work()).id;
  const TaskId child = world_.RegisterChild(parent).id;
  TaskFilter filter;
  filter.parent = parent;
  const Writer writer = Await(For(filter));
  EXPECT_FALSE(writer->reply.has_value());
  End(child);
  ASSERT_TRUE(writer->reply.has_value()) << "the child has ended";
  EXPECT_THAT(NumbersOf(writer->tasks), ElementsAre(child.number));
}

TEST_F(WaitsTest, DescendantsAreWaitedForAndNotShown) {
  const TaskId top = world_.RegisterOne(world_.Work()).id;
  const TaskId child = world_.RegisterChild(top).id;
  const TaskId grandchild = world_.RegisterChild(child).id;
  AwaitRequest request = For({top.number, child.number});
  request.descendants = true;
  const Writer writer = Await(request);
  End(top);
  End(child);
  EXPECT_FALSE(writer->reply.has_value()) << "a grandchild still runs";
  End(grandchild);
  ASSERT_TRUE(writer->reply.has_value()) << "nothing runs";
  EXPECT_THAT(NumbersOf(writer->tasks), ElementsAre(top.number, child.number));
}

TEST_F(WaitsTest, OnlyADetailedWaitShowsDescriptionAndStatus) {
  NewTask task = world_.Work();
  task.description = "long words";
  const TaskId id = world_.RegisterOne(task).id;
  AwaitRequest request = For({id.number});
  request.limit = 1s;
  const Writer plain = Await(request);
  request.detailed = true;
  const Writer detailed = Await(request);
  world_.scheduler.Advance(1s);
  ASSERT_THAT(plain->tasks, SizeIs(1));
  EXPECT_EQ(plain->tasks[0].description, "");
  ASSERT_THAT(detailed->tasks, SizeIs(1));
  EXPECT_EQ(detailed->tasks[0].description, "long words");
}

TEST_F(WaitsTest, TwoWaitForTheSameTask) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  const Writer one = Await(For({task.number}));
  const Writer other = Await(For(TaskFilter{}));
  End(task);
  EXPECT_TRUE(one->reply.has_value() && other->reply.has_value()) << "somebody was not woken";
}

TEST_F(WaitsTest, ManyTasksAreWaitedForInPieces) {
  RegisterRequest request;
  request.tasks.assign(3 * limits::kLooksPerTurn, world_.Work("build"));
  const Result<RegisterReply> tasks = world_.Register(std::move(request));
  ASSERT_THAT(tasks, IsOk());
  TaskFilter filter;
  filter.actions = {"build"};
  const Writer writer = Await(For(filter));
  EXPECT_FALSE(writer->reply.has_value());
  for (const RegisteredTask& task : tasks->tasks) {
    ASSERT_THAT(world_.Finish(task.id, TaskState::kFailed), IsOk());
  }
  world_.scheduler.Advance(1s);
  ASSERT_TRUE(writer->reply.has_value()) << "all have ended";
  EXPECT_THAT(writer->tasks, SizeIs(3 * limits::kLooksPerTurn));
}

TEST_F(WaitsTest, ACallerThatGoesAwayIsForgotten) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  const Writer writer = Await(For({task.number}));
  EXPECT_GT(writer.use_count(), 1);
  writer->Leave();
  world_.Settle();
  EXPECT_EQ(writer.use_count(), 1) << "something is kept for nobody";
  End(task);
  world_.scheduler.Advance(1h);
  EXPECT_FALSE(writer->reply.has_value());
}

TEST_F(WaitsTest, BeyondTheLimitWaitsAreRefusedAndThoseThatLeaveMakeRoom) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  std::vector<Writer> writers;
  for (std::size_t i = 0; i < limits::kWaitsPerNodeMax; ++i)
    writers.push_back(Await(For({task.number})));
  const Writer refused = Await(For({task.number}));
  ASSERT_TRUE(refused->reply.has_value()) << "one too many";
  EXPECT_THAT(*refused->reply, FailsWith(ErrorCode::kResourceExhausted));
  writers.front()->Leave();
  world_.Settle();
  EXPECT_FALSE(Await(For({task.number}))->reply.has_value()) << "there was room";
}

TEST_F(WaitsTest, AStoppingNodeTellsThoseWhoWait) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  const Writer writer = Await(For({task.number}));
  world_.node->Stop([] {});
  ASSERT_TRUE(writer->reply.has_value()) << "the node stops";
  EXPECT_THAT(*writer->reply, FailsWith(ErrorCode::kUnavailable));
  const Writer late = Await(For({task.number}));
  EXPECT_THAT(*late->reply, FailsWith(ErrorCode::kUnavailable));
}

}  // namespace
}  // namespace quell
