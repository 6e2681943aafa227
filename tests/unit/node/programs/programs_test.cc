// Goal: programs can say what they do and hear of every cancel; what a program that goes away
// leaves behind ends as lost, and not too early. Method: a whole node on simulated time with
// simulated processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/node/fixtures.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class ProgramsTest : public testing::Test {
 protected:
  // One task, and a stream if `sink` is given.
  TaskId Start(NewTask task, std::shared_ptr<RecordingSink> sink = nullptr) {
    const auto reply = world_.Register({std::nullopt, {std::move(task)}});
    EXPECT_THAT(reply, IsOk());
    session_ = reply->session;
    if (sink) Open(std::move(sink));
    return reply->tasks.front().id;
  }
  void Open(std::shared_ptr<RecordingSink> sink) {
    EXPECT_THAT(world_.node->OpenCommands(session_, NodeWorld::User(), std::move(sink)), IsOk());
    world_.Settle();
  }
  void Cancel(const TaskId& task) { world_.Ask(ApplyRequest{{world_.Cancel(task)}}); }
  Result<ReportReply> Report(const TaskId& task, ReportRequest report) {
    return world_.node->Report(task, std::nullopt, NodeWorld::User(), std::move(report));
  }
  Status Finish(const TaskId& task, TaskState outcome = TaskState::kSucceeded) {
    return world_.Finish(task, outcome);
  }
  Receipt ReceiptOf(const TaskId& task) {
    const Result<NodeReply> reply = world_.Get(task);
    EXPECT_THAT(reply, IsOk());
    const auto receipt = reply ? std::get<GetReply>(*reply).receipt : std::nullopt;
    EXPECT_TRUE(receipt.has_value()) << "it has no receipt";
    return receipt.value_or(Receipt());
  }
  NewTask WithPid(std::int32_t pid) const {
    NewTask task = world_.Work();
    task.pid = pid;
    return task;
  }

  NodeWorld world_;
  SessionToken session_;
};

TEST_F(ProgramsTest, ReportsShowInTheTask) {
  const TaskId task = Start(world_.Work());
  ReportRequest report;
  report.status_json = R"({"phase":"writing"})";
  ASSERT_THAT(Report(task, report), IsOk());
  EXPECT_EQ(world_.Show(task).status_json, R"({"phase":"writing"})");
  report.status_json = std::string(limits::kStatusMax + 1, 'x');
  EXPECT_THAT(Report(task, report), FailsWith(ErrorCode::kInvalidArgument, "16384"));
}

TEST_F(ProgramsTest, WhatATaskHasUsedIsShownAndStaysWhenItHasEnded) {
  const TaskId task = Start(world_.Work());
  EXPECT_FALSE(world_.Show(task).resources.measured());
  ReportRequest report;
  report.resources = {CpuUse{2s, 2s, 2s, 1, 1}, 4096};
  ASSERT_THAT(Report(task, report), IsOk());
  ASSERT_THAT(Report(task, {}), IsOk());
  EXPECT_EQ(world_.Show(task).resources.cpu, report.resources.cpu);
  EXPECT_EQ(world_.Show(task).resources.memory->now, 4096U);
  ASSERT_THAT(Finish(task), IsOk());
  EXPECT_EQ(world_.Show(task).resources.cpu, (CpuUse{2s, 2s, 2s, 1, 0}));
  EXPECT_EQ(world_.Show(task).resources.memory->now, 4096U);
}

TEST_F(ProgramsTest, TheLastFiguresMayComeWithTheEnd) {
  const TaskId task = Start(world_.Work());
  ReportRequest report;
  report.resources = {CpuUse{2s, 2s, 2s, 1, 1}, 4096};
  ASSERT_THAT(Report(task, report), IsOk());
  TaskEnd end{task, TaskState::kSucceeded, {CpuUse{3s, 3s, 3s, 1, 1}, {}}};
  world_.node->Finish({end}, std::nullopt, NodeWorld::User(), [](const auto&) {});
  world_.Settle();
  EXPECT_EQ(world_.Show(task).state, TaskState::kSucceeded);
  EXPECT_EQ(world_.Show(task).resources.cpu, (CpuUse{3s, 3s, 3s, 1, 0}));
  EXPECT_EQ(world_.Show(task).resources.memory->now, 4096U);
}

TEST_F(ProgramsTest, AProgramWithoutAStreamHearsOfACancelByReporting) {
  const TaskId task = Start(world_.Work());
  Cancel(task);
  EXPECT_EQ(ReceiptOf(task).state, ReceiptState::kCancelRequested);
  const auto reply = Report(task, {});
  ASSERT_THAT(reply, IsOk());
  ASSERT_TRUE(reply->cancel.has_value()) << "nothing was said of the cancel";
  EXPECT_EQ(reply->cancel->reason, "for a test");
  EXPECT_EQ(ReceiptOf(task).state, ReceiptState::kDelivered);
}

TEST_F(ProgramsTest, AReceiptFollowsWhatTheProgramSays) {
  const TaskId task = Start(world_.Work(), std::make_shared<RecordingSink>());
  Cancel(task);
  world_.scheduler.Advance(1s);
  ReportRequest deferred;
  deferred.deferred = "in the middle of a move";
  ASSERT_THAT(Report(task, deferred), IsOk());
  EXPECT_EQ(ReceiptOf(task).state, ReceiptState::kDeferred);
  EXPECT_EQ(ReceiptOf(task).note, "in the middle of a move");
  const auto acknowledged = ReceiptOf(task).acknowledged_at;
  ASSERT_TRUE(acknowledged.has_value()) << "it knows";
  world_.scheduler.Advance(1s);
  ReportRequest stopping;
  stopping.stopping = true;
  ASSERT_THAT(Report(task, stopping), IsOk());
  EXPECT_EQ(ReceiptOf(task).state, ReceiptState::kStopping);
  EXPECT_EQ(ReceiptOf(task).acknowledged_at, acknowledged) << "the first time counts";
  ReportRequest killed;
  killed.killed = true;
  ASSERT_THAT(Report(task, killed), IsOk());
  EXPECT_EQ(ReceiptOf(task).state, ReceiptState::kKilled);
  EXPECT_TRUE(ReceiptOf(task).escalated_at.has_value()) << "when was that?";
  ASSERT_THAT(Finish(task, TaskState::kCancelled), IsOk());
  const Receipt ended = ReceiptOf(task);
  EXPECT_EQ(ended.state, ReceiptState::kEnded);
  EXPECT_EQ(ended.outcome, TaskState::kCancelled);
  EXPECT_LE(ended.delivered_at, ended.acknowledged_at);
  EXPECT_LE(ended.acknowledged_at, ended.ended_at);
}

TEST_F(ProgramsTest, ALongNoteIsCutBetweenCharacters) {
  const TaskId task = Start(world_.Work());
  Cancel(task);
  ReportRequest report;
  report.ignoring = std::string(limits::kNoteMax - 1, 'x') + "\xC3\xA9";
  ASSERT_THAT(Report(task, report), IsOk());
  EXPECT_EQ(ReceiptOf(task).note, std::string(limits::kNoteMax - 1, 'x'));
}

TEST_F(ProgramsTest, SayingThatItStopsWithoutACancelMeansNothing) {
  const TaskId task = Start(world_.Work());
  ReportRequest report;
  report.stopping = true;
  ASSERT_THAT(Report(task, report), IsOk());
  EXPECT_EQ(world_.Show(task).state, TaskState::kRunning);
}

TEST_F(ProgramsTest, ATaskEndsOnce) {
  const TaskId task = Start(world_.Work());
  EXPECT_THAT(Finish(task, TaskState::kRunning), FailsWith(ErrorCode::kInvalidArgument));
  ASSERT_THAT(Finish(task, TaskState::kFailed), IsOk());
  EXPECT_THAT(Finish(task), FailsWith(ErrorCode::kFailedPrecondition, "failed"));
  EXPECT_THAT(Report(task, {}), FailsWith(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(Finish(world_.Id(77)), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(world_.List(), IsEmpty());
  EXPECT_EQ(world_.Show(task).state, TaskState::kFailed);
}

TEST_F(ProgramsTest, AnEndIsAnsweredWhenTheJournalHasIt) {
  const TaskId task = Start(world_.Work());
  world_.file.disk.commit_min = world_.file.disk.commit_max = 30ms;
  std::size_t answers = 0;
  world_.node->Finish({{task}}, std::nullopt, NodeWorld::User(), [&](const auto&) { ++answers; });
  world_.scheduler.Advance(29ms);
  EXPECT_EQ(answers, 0u);
  EXPECT_THAT(world_.file.ended, IsEmpty());
  world_.scheduler.Advance(1ms);
  EXPECT_EQ(answers, 1u);
  EXPECT_THAT(world_.file.ended, SizeIs(1));
}

TEST_F(ProgramsTest, ManyEndTogetherAndARefusalSpoilsNothing) {
  const TaskId first = Start(world_.Work());
  const TaskId others = world_.RegisterOne(world_.Work()).id;
  std::vector<TaskEnd> ends = {{first}, {world_.Id(99'999)}, {others, TaskState::kRunning}};
  RegisterRequest many;
  many.tasks.assign(2 * limits::kChangesPerTurn, world_.Work());
  const auto reply = world_.Register(many);
  ASSERT_THAT(reply, IsOk());
  for (const RegisteredTask& task : reply->tasks)
    ends.push_back({task.id, TaskState::kFailed});
  ends.push_back({first, TaskState::kFailed});
  const std::vector<Status> answers = world_.FinishAll(ends);
  ASSERT_THAT(answers, SizeIs(ends.size()));
  EXPECT_THAT(answers[0], IsOk());
  EXPECT_THAT(answers[1], FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(answers[2], FailsWith(ErrorCode::kInvalidArgument, "no outcome"));
  for (std::size_t i = 3; i + 1 < answers.size(); ++i)
    ASSERT_THAT(answers[i], IsOk()) << i;
  EXPECT_THAT(answers.back(), FailsWith(ErrorCode::kFailedPrecondition, "succeeded"));
  EXPECT_EQ(NumbersOf(world_.List()), std::vector<std::uint64_t>{others.number});
  EXPECT_THAT(world_.FinishAll({}), IsEmpty());
}

TEST_F(ProgramsTest, AnEndThatTheDiskRefusesIsSaidAgainUntilItIsKept) {
  const TaskId task = Start(world_.Work());
  world_.file.disk.fail_next = 2;
  world_.file.disk.behind_max = 1h;
  EXPECT_THAT(Finish(task), FailsWith(ErrorCode::kResourceExhausted, "say it once more"));
  EXPECT_THAT(world_.List(), IsEmpty()) << "it has ended all the same";
  EXPECT_THAT(Finish(task, TaskState::kFailed), FailsWith(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(Finish(task), FailsWith(ErrorCode::kResourceExhausted));
  EXPECT_THAT(Finish(task), IsOk());
  EXPECT_THAT(world_.file.ended, SizeIs(1));
  EXPECT_THAT(Finish(task), FailsWith(ErrorCode::kFailedPrecondition, "succeeded"));
}

TEST_F(ProgramsTest, OnlyItsUserRootOrItsTokenSpeaksForATask) {
  const TaskId task = Start(world_.Work());
  const auto report = [&](std::uint32_t uid, std::optional<SessionToken> token) {
    return world_.node->Report(task, token, NodeWorld::User(uid), {});
  };
  SeededRandom random(5);
  EXPECT_THAT(report(1001, std::nullopt), FailsWith(ErrorCode::kPermissionDenied));
  EXPECT_THAT(report(1001, SessionToken::Make(random)), FailsWith(ErrorCode::kPermissionDenied));
  EXPECT_THAT(report(1001, session_), IsOk());
  EXPECT_THAT(report(0, std::nullopt), IsOk());
  Principal remote;
  remote.transport = Principal::Transport::kLoopback;  // Its uid is 0 and means nothing.
  EXPECT_THAT(world_.node->Report(task, std::nullopt, remote, {}),
              FailsWith(ErrorCode::kPermissionDenied));
}

// ---- Streams.

TEST_F(ProgramsTest, ANewStreamTakesTheOlderOnesPlaceAndHearsAllThatIsNotAcknowledged) {
  const auto first = std::make_shared<RecordingSink>();
  const TaskId one = Start(world_.Work(), first);
  const TaskId two = world_.Register({session_, {world_.Work()}})->tasks[0].id;
  Cancel(one);
  Cancel(two);
  ReportRequest stopping;
  stopping.stopping = true;
  ASSERT_THAT(Report(one, stopping), IsOk());
  const auto second = std::make_shared<RecordingSink>();
  Open(second);
  EXPECT_TRUE(first->closed);
  ASSERT_THAT(second->commands, SizeIs(1));
  EXPECT_EQ(second->commands[0].task, two);
  world_.node->CloseCommands(session_, first.get());  // Too late to mean anything.
  EXPECT_FALSE(world_.Show(two).detached);
}

TEST_F(ProgramsTest, ManyCancelsReachANewStreamInTurns) {
  RegisterRequest request;
  request.tasks.assign(1000, world_.Work());
  const auto reply = world_.Register(request);
  ASSERT_THAT(reply, IsOk());
  session_ = reply->session;
  world_.scheduler.Advance(1s);
  world_.Ask(ApplyRequest{{world_.Cancel(TaskFilter{})}});
  const auto sink = std::make_shared<RecordingSink>();
  Open(sink);
  EXPECT_THAT(sink->commands, SizeIs(1000));
}

TEST_F(ProgramsTest, OpensNoStreamForAStranger) {
  Start(world_.Work());
  const auto sink = std::make_shared<RecordingSink>();
  SeededRandom random(5);
  EXPECT_THAT(world_.node->OpenCommands(SessionToken::Make(random), NodeWorld::User(), sink),
              FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(world_.node->OpenCommands(session_, NodeWorld::User(1001), sink),
              FailsWith(ErrorCode::kPermissionDenied));
}

// ---- Going away.

TEST_F(ProgramsTest, WithoutStreamAndProcessATaskLivesByTheLeaseThatEachCallRenews) {
  const TaskId task = Start(world_.Work());
  world_.scheduler.Advance(limits::kSessionLease - 1s);
  ASSERT_THAT(Report(task, {}), IsOk());
  world_.scheduler.Advance(limits::kSessionLease - 1s);
  EXPECT_EQ(world_.Show(task).state, TaskState::kRunning);
  world_.scheduler.Advance(2s);
  EXPECT_EQ(world_.Show(task).state, TaskState::kLost);
}

TEST_F(ProgramsTest, AnOpenStreamNeedsNoLease) {
  const TaskId task = Start(world_.Work(), std::make_shared<RecordingSink>());
  world_.scheduler.Advance(24h);
  EXPECT_EQ(world_.Show(task).state, TaskState::kRunning);
}

// A child that it has forked, say, holds the descriptor.
TEST_F(ProgramsTest, AStreamEndsWithTheProcessThatHasOpenedItAlsoIfNobodyClosesIt) {
  for (const bool named : {true, false}) {
    const std::int32_t pid = world_.processes.Spawn(NodeWorld::kUid);
    const TaskId task = Start(named ? WithPid(pid) : world_.Work());
    Principal context = NodeWorld::User();
    context.pid = pid;
    const auto sink = std::make_shared<RecordingSink>();
    ASSERT_THAT(world_.node->OpenCommands(session_, context, sink), IsOk());
    world_.scheduler.Advance(24h);
    EXPECT_EQ(world_.Show(task).state, TaskState::kRunning);
    EXPECT_FALSE(sink->closed);
    world_.processes.Kill(pid);
    world_.Settle();
    EXPECT_TRUE(sink->closed);
    EXPECT_TRUE(world_.Show(task).detached);
    world_.scheduler.Advance(named ? limits::kLostAfter : limits::kSessionLease);
    EXPECT_EQ(world_.Show(task).state, TaskState::kLost);
  }
}

TEST_F(ProgramsTest, AStreamOutlivesTheProcessOfItsTask) {
  const std::int32_t command = world_.processes.Spawn(NodeWorld::kUid);
  const std::int32_t wrapper = world_.processes.Spawn(NodeWorld::kUid);
  const TaskId task = Start(WithPid(command));
  Principal context = NodeWorld::User();
  context.pid = wrapper;
  const auto sink = std::make_shared<RecordingSink>();
  ASSERT_THAT(world_.node->OpenCommands(session_, context, sink), IsOk());
  world_.processes.Kill(command);
  world_.scheduler.Advance(24h);
  EXPECT_EQ(world_.Show(task).state, TaskState::kRunning) << "the wrapper may say how it went";
  // Another stream takes its place: the end of the wrapper is none of that one's business.
  Open(std::make_shared<RecordingSink>());
  world_.processes.Kill(wrapper);
  world_.scheduler.Advance(24h);
  EXPECT_EQ(world_.Show(task).state, TaskState::kRunning);
}

TEST_F(ProgramsTest, ABrokenStreamWithoutAProcessLeavesALease) {
  const auto sink = std::make_shared<RecordingSink>();
  const TaskId task = Start(world_.Work(), sink);
  world_.scheduler.Advance(1h);
  world_.node->CloseCommands(session_, sink.get());
  EXPECT_TRUE(world_.Show(task).detached);
  world_.scheduler.Advance(limits::kSessionLease - 1s);
  EXPECT_EQ(world_.Show(task).state, TaskState::kRunning);
  Open(std::make_shared<RecordingSink>());
  EXPECT_FALSE(world_.Show(task).detached);
  world_.scheduler.Advance(1h);
  EXPECT_EQ(world_.Show(task).state, TaskState::kRunning);
}

TEST_F(ProgramsTest, AnOrphanLivesUntilItsProcessEnds) {
  const std::int32_t pid = world_.processes.Spawn(NodeWorld::kUid);
  const auto sink = std::make_shared<RecordingSink>();
  const TaskId task = Start(WithPid(pid), sink);
  world_.node->CloseCommands(session_, sink.get());
  world_.scheduler.Advance(1h);
  EXPECT_TRUE(world_.Show(task).detached);
  Cancel(task);
  EXPECT_EQ(ReceiptOf(task).state, ReceiptState::kOrphaned);
  world_.processes.Kill(pid);
  world_.scheduler.Advance(2s);
  EXPECT_EQ(world_.Show(task).state, TaskState::kLost);
}

TEST_F(ProgramsTest, AnOpenStreamIsTrustedToFinishWhatItsProcessesLeave) {
  const std::int32_t pid = world_.processes.Spawn(NodeWorld::kUid);
  const TaskId task = Start(WithPid(pid), std::make_shared<RecordingSink>());
  world_.processes.Kill(pid);
  world_.scheduler.Advance(1h);
  EXPECT_THAT(Finish(task), IsOk());
}

TEST_F(ProgramsTest, ACommandThatEndsBeforeItsStreamIsOpenIsNotLost) {
  const std::int32_t pid = world_.processes.Spawn(NodeWorld::kUid);
  const TaskId task = Start(WithPid(pid));
  world_.processes.Kill(pid);
  world_.scheduler.Advance(limits::kLostAfter - 1ms);
  EXPECT_THAT(Finish(task), IsOk()) << "its wrapper was about to say how it went";
}

TEST_F(ProgramsTest, OneProcessOfManyTakesOnlyItsOwnTasksAlong) {
  const std::int32_t main = world_.processes.Spawn(NodeWorld::kUid);
  const std::int32_t worker = world_.processes.Spawn(NodeWorld::kUid);
  const TaskId own = Start(WithPid(main));
  const TaskId other = world_.Register({session_, {WithPid(worker)}})->tasks[0].id;
  const TaskId unnamed = world_.Register({session_, {world_.Work()}})->tasks[0].id;
  world_.processes.Kill(worker);
  world_.scheduler.Advance(1h);
  EXPECT_EQ(world_.Show(other).state, TaskState::kLost);
  EXPECT_EQ(world_.Show(own).state, TaskState::kRunning);
  world_.processes.Kill(main);
  world_.scheduler.Advance(2s);
  EXPECT_EQ(world_.Show(own).state, TaskState::kLost);
  EXPECT_EQ(world_.Show(unnamed).state, TaskState::kLost);
}

// ---- Children of what was lost.

TEST_F(ProgramsTest, AChildOfALostParentRunsOnUnlessItAskedToBeCancelled) {
  const std::int32_t pid = world_.processes.Spawn(NodeWorld::kUid);
  const TaskId parent = Start(WithPid(pid));
  NewTask child = world_.Work("keeps");
  child.parent = parent;
  const TaskId keeps = Start(child);
  child.action = "goes";
  child.on_parent_lost = OnParentLost::kCancel;
  const auto sink = std::make_shared<RecordingSink>();
  const TaskId goes = Start(child, sink);
  child.parent = goes;
  child.on_parent_lost = OnParentLost::kKeep;
  const TaskId below = Start(child);
  EXPECT_EQ(world_.Show(goes).on_parent_lost, OnParentLost::kCancel);
  EXPECT_EQ(world_.Show(keeps).on_parent_lost, OnParentLost::kKeep);
  world_.processes.Kill(pid);
  world_.scheduler.Advance(2s);
  ASSERT_EQ(world_.Show(parent).state, TaskState::kLost);
  EXPECT_FALSE(world_.Show(keeps).cancelled);
  const SeenTask cancelled = world_.Show(goes);
  EXPECT_TRUE(cancelled.cancelled);
  EXPECT_EQ(cancelled.cancelled_by, "on_parent_lost");
  EXPECT_EQ(cancelled.cancel_reason, "its parent [" + parent.ToString() + "] was lost");
  EXPECT_TRUE(world_.Show(below).cancelled) << "what is below a cancelled task is cancelled";
  ASSERT_THAT(sink->commands, SizeIs(1));
  EXPECT_EQ(sink->commands[0].task, goes);
}

TEST_F(ProgramsTest, AParentThatEndsInAnyOtherWayCancelsNobody) {
  const TaskId parent = Start(world_.Work());
  NewTask child = world_.Work("child");
  child.parent = parent;
  child.on_parent_lost = OnParentLost::kCancel;
  const TaskId task = Start(child, std::make_shared<RecordingSink>());
  ASSERT_THAT(Finish(parent, TaskState::kFailed), IsOk());
  world_.scheduler.Advance(1h);
  EXPECT_FALSE(world_.Show(task).cancelled);
}

TEST_F(ProgramsTest, AChildThatRegistersBelowALostParentIsCancelledToo) {
  const std::int32_t pid = world_.processes.Spawn(NodeWorld::kUid);
  const TaskId parent = Start(WithPid(pid));
  world_.processes.Kill(pid);
  world_.scheduler.Advance(2s);
  NewTask child = world_.Work("child");
  child.parent = parent;
  child.on_parent_lost = OnParentLost::kCancel;
  for (const bool restarted : {false, true}) {
    if (restarted) world_.Restart();
    const TaskId task = Start(child);
    world_.Settle();
    EXPECT_TRUE(world_.Show(task).cancelled) << "restarted: " << restarted;
  }
}

TEST_F(ProgramsTest, ManyChildrenOfALostParentAreCancelledInTurns) {
  const std::int32_t pid = world_.processes.Spawn(NodeWorld::kUid);
  NewTask child = world_.Work("child");
  child.parent = Start(WithPid(pid));
  child.on_parent_lost = OnParentLost::kCancel;
  RegisterRequest request;
  request.tasks.assign(3 * limits::kLooksPerTurn, child);
  ASSERT_THAT(world_.Register(request), IsOk());
  world_.processes.Kill(pid);
  world_.scheduler.Advance(5s);
  const std::vector<SeenTask> left = world_.List();
  ASSERT_THAT(left, SizeIs(3 * limits::kLooksPerTurn));
  for (const SeenTask& task : left)
    ASSERT_TRUE(task.cancelled) << task.id;
}

// ---- When it last looked.

TEST_F(ProgramsTest, TheLastLookForACancelIsShownAndNeverGoesBackOrAhead) {
  const TaskId task = Start(world_.Work());
  EXPECT_EQ(world_.Show(task).last_check, std::nullopt);
  ReportRequest report;
  report.last_check = world_.wall() - 5s;
  ASSERT_THAT(Report(task, report), IsOk());
  EXPECT_EQ(world_.Show(task).last_check, report.last_check);
  ReportRequest earlier;
  earlier.last_check = world_.wall() - 9s;
  ASSERT_THAT(Report(task, earlier), IsOk());
  EXPECT_EQ(world_.Show(task).last_check, report.last_check);
  ReportRequest future;
  future.last_check = world_.wall() + 1h;
  ASSERT_THAT(Report(task, future), IsOk());
  EXPECT_EQ(world_.Show(task).last_check, world_.wall());
}

TEST_F(ProgramsTest, ATaskThatSaysNothingPastTheGraceIsIgnoringTheCancel) {
  const TaskId task = Start(world_.Work(), std::make_shared<RecordingSink>());
  Cancel(task);  // With a grace of 10 s.
  world_.scheduler.Advance(9s);
  EXPECT_EQ(ReceiptOf(task).state, ReceiptState::kDelivered);
  world_.scheduler.Advance(2s);
  EXPECT_EQ(ReceiptOf(task).state, ReceiptState::kIgnoring);
  EXPECT_EQ(ReceiptOf(task).note, "the program has never said that it looked for a cancel");
  ReportRequest report;
  report.last_check = world_.wall();
  ASSERT_THAT(Report(task, report), IsOk());
  world_.scheduler.Advance(7s);
  EXPECT_EQ(ReceiptOf(task).note, "the program last looked 7 s ago");
  report.stopping = true;
  ASSERT_THAT(Report(task, report), IsOk());
  EXPECT_EQ(ReceiptOf(task).state, ReceiptState::kStopping);
  EXPECT_EQ(ReceiptOf(task).note, "");
}

TEST_F(ProgramsTest, ManyTasksAreLostTogether) {
  RegisterRequest request;
  request.tasks.assign(2000, world_.Work());
  ASSERT_THAT(world_.Register(request), IsOk());
  world_.scheduler.Advance(limits::kSessionLease + 1s);
  EXPECT_THAT(world_.List(), IsEmpty());
}

TEST_F(ProgramsTest, ASessionEndsWithItsLastTaskUnlessItsStreamIsOpen) {
  const TaskId task = Start(world_.Work());
  ASSERT_THAT(Finish(task), IsOk());
  EXPECT_THAT(world_.Register({session_, {world_.Work()}}), FailsWith(ErrorCode::kNotFound));
  const auto sink = std::make_shared<RecordingSink>();
  const TaskId listening = Start(world_.Work(), sink);
  ASSERT_THAT(Finish(listening), IsOk());
  EXPECT_THAT(world_.Register({session_, {world_.Work()}}), IsOk());
}

TEST_F(ProgramsTest, StoppingLeavesAndClosesStreamsAndLeavesTheTasksAlone) {
  const auto sink = std::make_shared<RecordingSink>();
  Start(world_.Work(), sink);
  bool stopped = false;
  world_.node->Stop([&stopped] { stopped = true; });
  world_.Settle();
  EXPECT_TRUE(stopped);
  EXPECT_TRUE(sink->closed);
  ASSERT_THAT(world_.coordinator->leaves, SizeIs(1));
  EXPECT_EQ(world_.coordinator->leaves[0].node, world_.info.id);
  EXPECT_THAT(world_.file.ended, IsEmpty());
}

TEST_F(ProgramsTest, StoppingDoesNotWaitLongForASilentCoordinator) {
  world_.coordinator->silent = true;
  bool stopped = false;
  world_.node->Stop([&stopped] { stopped = true; });
  world_.scheduler.Advance(limits::kStopDeadline);
  EXPECT_TRUE(stopped);
}

}  // namespace
}  // namespace quell
