// Goal: a task that a node has registered is running, ended or lost, whatever dies when: its
// program, the node, or both.
// Method: a whole node on simulated time, killed and started again over what is durable; processes
// end meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/node/fixtures.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr auto kDurable = limits::kDiskDelay + 50ms;  // What lives is kept by then.

class RevivalTest : public testing::Test {
 protected:
  // Registered, and durable.
  TaskId Start(NewTask task) {
    const TaskId id = world_.RegisterOne(std::move(task)).id;
    world_.scheduler.Advance(kDurable);
    return id;
  }
  NewTask WithPid() {
    NewTask task = world_.Work();
    task.pid = pid_;
    return task;
  }
  NewTask Resume(const TaskId& id, NewTask task) const {
    task.resume = id;
    task.start_wall = start_;
    return task;
  }
  // Its answer comes later.
  std::shared_ptr<RecordingWriter> LookAt(const TaskId& task) {
    auto writer = std::make_shared<RecordingWriter>(*world_.executor);
    Principal who;
    who.transport = Principal::Transport::kLoopback;
    world_.node->OnRequest(GetRequest{task.number}, who, world_.clock.Now() + 5s, writer);
    return writer;
  }
  TaskState StateOf(const TaskId& task) { return world_.Show(task).state; }

  NodeWorld world_;
  const std::int32_t pid_ = world_.processes.Spawn(NodeWorld::kUid);
  const WallTime start_ = world_.wall();
};

TEST_F(RevivalTest, WhatLivedIsThereAtOnceAsDetached) {
  NewTask task = world_.Work("report/daily");
  task.pid = pid_;
  task.description = "the books";
  task.headers = {{"X-Opaque-Id", "mine"}};
  task.cancellable = false;
  task.parent = TaskId{*NodeId::Parse("OOOOOOOOOOOOOOOOOOOOOg"), 7};
  const TaskId id = Start(task);
  world_.scheduler.Advance(10s);
  world_.Restart();
  ListRequest request;
  request.detailed = true;
  const std::vector<SeenTask> seen = world_.List(request);
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen[0].id, id);
  EXPECT_EQ(seen[0].action, task.action);
  EXPECT_EQ(seen[0].description, task.description);
  EXPECT_EQ(seen[0].cancellable, false);
  EXPECT_EQ(seen[0].start_wall, start_);
  EXPECT_GE(seen[0].running, 10s);
  EXPECT_EQ(seen[0].parent, task.parent);
  EXPECT_TRUE(seen[0].detached);
}

TEST_F(RevivalTest, ATaskThatWasNotWrittenDownYetIsNotDeniedWhileItsProgramMayBringItBack) {
  const TaskId task = world_.RegisterOne(WithPid()).id;
  const TaskId other = world_.RegisterOne(WithPid()).id;
  world_.Restart();  // Before the journal had them.
  const auto of_task = LookAt(task);
  const auto of_other = LookAt(other);
  world_.Settle();
  ASSERT_THAT(world_.Register({std::nullopt, {Resume(task, WithPid())}}), IsOk());
  EXPECT_EQ(StateOf(task), TaskState::kRunning);
  EXPECT_FALSE(of_task->reply);
  EXPECT_FALSE(of_other->reply);
  world_.scheduler.Advance(limits::kComeBack);
  ASSERT_TRUE(of_task->reply && of_other->reply);
  EXPECT_THAT(*of_task->reply, IsOk());
  ASSERT_THAT(of_task->tasks, SizeIs(1));
  EXPECT_EQ(of_task->tasks[0].id, task);
  EXPECT_THAT(*of_other->reply, FailsWith(ErrorCode::kNotFound));
}

TEST_F(RevivalTest, ANumberThatWasNeverGivenOutIsDeniedAtOnce) {
  world_.RegisterOne(WithPid());
  world_.Restart();
  EXPECT_THAT(world_.Get(world_.Id(1'000'000)), FailsWith(ErrorCode::kNotFound));
}

TEST_F(RevivalTest, AProgramThatDiesWhileTheNodeIsDownLeavesLostTasks) {
  const TaskId task = Start(WithPid());
  world_.Crash();
  world_.processes.Kill(pid_);
  world_.Start();
  EXPECT_EQ(StateOf(task), TaskState::kRunning) << "somebody may be about to say how it went";
  world_.scheduler.Advance(limits::kComeBack + limits::kLostAfter);
  EXPECT_EQ(StateOf(task), TaskState::kLost);
  EXPECT_THAT(world_.List(), IsEmpty());
  world_.scheduler.Advance(kDurable);
  world_.Restart();
  EXPECT_EQ(StateOf(task), TaskState::kLost);
  EXPECT_THAT(world_.List(), IsEmpty());
}

TEST_F(RevivalTest, AnotherProcessWithItsPidIsNotIt) {
  const TaskId task = Start(WithPid());
  world_.Crash();
  world_.processes.Kill(pid_);
  world_.processes.Reuse(pid_, NodeWorld::kUid);
  world_.Start();
  world_.scheduler.Advance(limits::kComeBack + limits::kLostAfter);
  EXPECT_EQ(StateOf(task), TaskState::kLost);
}

TEST_F(RevivalTest, ATaskLivesOnByItsProcessAndIsLostWithIt) {
  const TaskId task = Start(WithPid());
  world_.Restart();
  world_.scheduler.Advance(1h);
  EXPECT_EQ(StateOf(task), TaskState::kRunning);
  world_.processes.Kill(pid_);
  world_.scheduler.Advance(limits::kLostAfter + 1ms);
  EXPECT_EQ(StateOf(task), TaskState::kLost);
}

TEST_F(RevivalTest, TheProcessThatStoodForATaskStillDoes) {
  const auto session = world_.Register({std::nullopt, {WithPid()}});
  ASSERT_THAT(session, IsOk());
  const auto reply = world_.Register({session->session, {world_.Work()}});
  ASSERT_THAT(reply, IsOk());
  const TaskId task = reply->tasks[0].id;
  ASSERT_THAT(world_.Finish(session->tasks[0].id), IsOk());
  world_.scheduler.Advance(kDurable);
  world_.Restart();
  world_.scheduler.Advance(1h);
  EXPECT_EQ(StateOf(task), TaskState::kRunning);
  world_.processes.Kill(pid_);
  world_.scheduler.Advance(limits::kLostAfter + 1ms);
  EXPECT_EQ(StateOf(task), TaskState::kLost);
}

TEST_F(RevivalTest, WithoutAProcessATaskHasALeaseToComeBack) {
  const TaskId task = Start(world_.Work());
  world_.Restart();
  world_.scheduler.Advance(limits::kSessionLease - 100ms);
  EXPECT_EQ(StateOf(task), TaskState::kRunning);
  world_.scheduler.Advance(200ms);
  EXPECT_EQ(StateOf(task), TaskState::kLost);
}

TEST_F(RevivalTest, ItsProgramTakesItUp) {
  NewTask spec = WithPid();
  spec.status_json = R"({"phase":"on"})";
  const TaskId task = Start(spec);
  world_.Restart();
  const auto reply = world_.Register({std::nullopt, {Resume(task, spec)}});
  ASSERT_THAT(reply, IsOk());
  const auto sink = std::make_shared<RecordingSink>();
  ASSERT_THAT(world_.node->OpenCommands(reply->session, NodeWorld::User(), sink), IsOk());
  EXPECT_EQ(world_.Show(task).status_json, spec.status_json);
  EXPECT_FALSE(world_.Show(task).detached);
  world_.Ask(ApplyRequest{{world_.Cancel(task)}});
  EXPECT_THAT(sink->commands, SizeIs(1));
  EXPECT_THAT(world_.List(), SizeIs(1));
}

TEST_F(RevivalTest, AProgramWithoutTheLibraryNeedsNotTakeItUp) {
  const TaskId task = Start(WithPid());
  world_.Restart();
  ReportRequest report;
  report.status_json = R"({"phase":"on"})";
  EXPECT_THAT(world_.node->Report(task, std::nullopt, NodeWorld::User(), report), IsOk());
  EXPECT_THAT(world_.Finish(task), IsOk());
}

TEST_F(RevivalTest, ARepeatOfItsRegistrationFindsItByItsKey) {
  NewTask spec = WithPid();
  spec.key = "mine";
  const TaskId task = Start(spec);
  world_.Restart();
  const auto again = world_.Register({std::nullopt, {spec}});
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->tasks[0].id, task);
}

TEST_F(RevivalTest, ACommandThatEndedMeanwhileIsNotLostBeforeItsWrapperSaysHow) {
  const TaskId task = Start(WithPid());
  world_.Crash();
  world_.processes.Kill(pid_);
  world_.Start();
  world_.scheduler.Advance(limits::kComeBack);
  ASSERT_THAT(world_.Register({std::nullopt, {Resume(task, WithPid())}}), IsOk());
  world_.scheduler.Advance(limits::kLostAfter / 2);
  EXPECT_THAT(world_.Finish(task, TaskState::kFailed), IsOk());
}

TEST_F(RevivalTest, WhatHasEndedStaysSo) {
  const TaskId told = Start(WithPid());
  const TaskId running = Start(WithPid());
  ASSERT_THAT(world_.Finish(told), IsOk());
  world_.Restart();  // At once: the answer said that it is durable.
  EXPECT_THAT(NumbersOf(world_.List()), ElementsAre(running.number));
  EXPECT_EQ(StateOf(told), TaskState::kSucceeded);
}

TEST_F(RevivalTest, AShortTaskIsWrittenOnce) {
  const TaskId task = world_.RegisterOne(WithPid()).id;
  std::size_t live = 0;
  world_.file.disk.on_durable = [&] { live += world_.file.live.size(); };
  ASSERT_THAT(world_.Finish(task), IsOk());
  world_.scheduler.Advance(kDurable);
  EXPECT_EQ(live, 0u);
  EXPECT_THAT(world_.file.live, IsEmpty());
}

TEST_F(RevivalTest, ManyAreWrittenInPiecesAndAfterAFailureAgain) {
  RegisterRequest many;
  many.tasks.assign(2 * limits::kPageTasks + 1, WithPid());
  world_.file.disk.fail_next = 1;
  ASSERT_THAT(world_.Register(many), FailsWith(ErrorCode::kResourceExhausted));  // No numbers.
  ASSERT_THAT(world_.Register(many), IsOk());
  world_.file.disk.fail_next = 2;
  world_.scheduler.Advance(2 * limits::kDiskDelay);
  EXPECT_THAT(world_.file.live, IsEmpty());
  world_.scheduler.Advance(2 * limits::kDiskDelay);
  EXPECT_THAT(world_.file.live, SizeIs(many.tasks.size()));
  world_.Restart();
  EXPECT_THAT(world_.List(), SizeIs(many.tasks.size()));
}

TEST_F(RevivalTest, ACleanStopWritesWhatLives) {
  const TaskId task = world_.RegisterOne(WithPid()).id;
  bool stopped = false;
  world_.node->Stop([&stopped] { stopped = true; });
  world_.scheduler.RunUntil([&stopped] { return stopped; }, limits::kStopDeadline);
  world_.scheduler.Advance(5ms);  // What the journal has been given is written before it goes.
  world_.Restart();
  EXPECT_EQ(NumbersOf(world_.List()), std::vector<std::uint64_t>{task.number});
}

TEST_F(RevivalTest, ACancelledTaskIsStillCancelledAndWhatIsBelowItToo) {
  const TaskId top = Start(WithPid());
  world_.Ask(ApplyRequest{{world_.Cancel(top)}});
  NewTask child = WithPid();
  child.parent = top;
  const TaskId below = Start(child);
  world_.Restart();
  EXPECT_TRUE(world_.Show(top).cancelled);
  EXPECT_TRUE(world_.Show(below).cancelled);
  const auto reply = world_.Register({std::nullopt, {Resume(top, WithPid())}});
  ASSERT_THAT(reply, IsOk());
  EXPECT_TRUE(reply->tasks[0].cancel.has_value()) << "its program hears of it";
}

TEST_F(RevivalTest, AProgramThatComesBackAtOnceHearsThatItsParentIsCancelled) {
  const TaskId top = Start(WithPid());
  NewTask child = WithPid();
  child.parent = top;
  const TaskId below = Start(child);
  world_.Ask(ApplyRequest{{world_.Cancel(top)}});
  world_.Crash();
  // As if it had registered in the moment of the crash.
  ASSERT_EQ(world_.file.tombstones.erase(below.number), 1u);
  world_.file.disk.commit_min = world_.file.disk.commit_max = 1s;
  world_.Start();
  const auto reply = world_.Register({std::nullopt, {Resume(below, child)}});
  ASSERT_THAT(reply, IsOk());
  EXPECT_TRUE(reply->tasks[0].cancel.has_value()) << "it was told nothing";
}

TEST_F(RevivalTest, ACancelOfAllHitsItThoughItsProgramIsNotBackYet) {
  const TaskId task = Start(WithPid());
  world_.Restart();
  world_.Ask(ApplyRequest{{world_.Cancel(TaskFilter{})}});
  EXPECT_TRUE(world_.Show(task).cancelled);
}

TEST_F(RevivalTest, ALostParentTakesThoseAlongThatAskedForIt) {
  const TaskId top = Start(WithPid());
  NewTask child = world_.Work();
  child.pid = world_.processes.Spawn(NodeWorld::kUid);
  child.parent = top;
  child.on_parent_lost = OnParentLost::kCancel;
  const TaskId below = Start(child);
  world_.Crash();
  world_.processes.Kill(pid_);
  world_.Start();
  EXPECT_FALSE(world_.Show(below).cancelled);
  world_.scheduler.Advance(limits::kComeBack + limits::kLostAfter + 100ms);
  EXPECT_EQ(StateOf(top), TaskState::kLost);
  EXPECT_TRUE(world_.Show(below).cancelled);
}

TEST_F(RevivalTest, ATaskOfManyLivesRunsOn) {
  const TaskId task = Start(WithPid());
  for (int life = 0; life < 5; ++life) {
    world_.Restart();
    ASSERT_EQ(StateOf(task), TaskState::kRunning) << life;
  }
  world_.processes.Kill(pid_);
  world_.scheduler.Advance(limits::kComeBack + limits::kLostAfter);
  EXPECT_EQ(StateOf(task), TaskState::kLost);
}

}  // namespace
}  // namespace quell
