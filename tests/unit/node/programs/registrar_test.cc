// Goal: what is registered is right, within the limits, all or none of a batch; and a program
// brings its tasks back under their old numbers.
// Method: a whole node on simulated time, called as the local API does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/node/fixtures.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class RegistrationTest : public testing::Test {
 protected:
  Result<RegisterReply> Register(NewTask task) {
    return world_.Register({std::nullopt, {std::move(task)}});
  }
  NewTask Resume(const TaskId& task) const {
    NewTask again = world_.Work();
    again.resume = task;
    again.start_wall = start_;
    return again;
  }

  NodeWorld world_;
  const WallTime start_ = world_.wall();
};

TEST_F(RegistrationTest, GivesOutSmallNumbersAndListsTheTask) {
  NewTask task = world_.Work("report/daily");
  task.description = "the books";
  task.status_json = R"({"phase":"reading"})";
  task.headers = {{"X-Opaque-Id", "mine"}};
  const TaskId id = world_.RegisterOne(task).id;
  EXPECT_EQ(id, world_.Id(1));
  const SeenTask seen = world_.Show(id);
  EXPECT_EQ(seen.action, "report/daily");
  EXPECT_EQ(seen.description, "the books");
  EXPECT_EQ(seen.status_json, R"({"phase":"reading"})");
  EXPECT_EQ(seen.headers, task.headers);
  EXPECT_EQ(seen.state, TaskState::kRunning);
  EXPECT_EQ(seen.owner_uid, NodeWorld::kUid);
  EXPECT_EQ(seen.start_wall, start_);
}

TEST_F(RegistrationTest, AnswersASmallRequestInTheSameTurn) {
  bool answered = false;
  world_.node->Register({std::nullopt, {world_.Work()}}, NodeWorld::User(),
                        [&answered](const Result<RegisterReply>& reply) {
                          EXPECT_THAT(reply, IsOk());
                          answered = true;
                        });
  EXPECT_TRUE(answered) << "it took a hop";
}

TEST_F(RegistrationTest, RefusesWhatIsWrongAndSaysWhat) {
  const auto refuse = [this](const char* what, const std::function<void(NewTask&)>& spoil) {
    NewTask task = world_.Work();
    spoil(task);
    EXPECT_THAT(Register(task), FailsWith(ErrorCode::kInvalidArgument, what));
  };
  refuse("action", [](NewTask& task) { task.action.clear(); });
  refuse("128", [](NewTask& task) { task.action.assign(limits::kActionMax + 1, 'x'); });
  refuse("4096", [](NewTask& task) { task.description.assign(limits::kDescriptionMax + 1, 'x'); });
  refuse("16384", [](NewTask& task) { task.status_json.assign(limits::kStatusMax + 1, 'x'); });
  refuse("headers", [](NewTask& task) { task.headers.resize(limits::kHeadersMax + 1, {"a", ""}); });
  refuse("header", [](NewTask& task) { task.headers = {{"", "x"}}; });
  refuse("1024", [](NewTask& task) {
    task.headers = {{"a", std::string(limits::kHeaderValueMax + 1, 'x')}};
  });
  refuse("pid", [](NewTask& task) { task.pid = -5; });
  refuse("future", [this](NewTask& task) { task.start_wall = world_.wall() + 1s; });
  refuse("1970", [](NewTask& task) { task.start_wall = WallTime(-1s); });
  refuse("ancestors", [this](NewTask& task) { task.grandparents = {world_.Id(1)}; });
  EXPECT_THAT(world_.List(), IsEmpty());
}

TEST_F(RegistrationTest, TakesNobodyButLocalPrograms) {
  Principal who;
  who.transport = Principal::Transport::kLoopback;
  EXPECT_THAT(world_.Register({std::nullopt, {world_.Work()}}, who),
              FailsWith(ErrorCode::kPermissionDenied));
}

TEST_F(RegistrationTest, ALateTaskKeepsItsTrueStart) {
  world_.scheduler.Advance(10s);
  NewTask task = world_.Work();
  task.start_wall = start_;
  const SeenTask seen = world_.Show(world_.RegisterOne(task).id);
  EXPECT_EQ(seen.start_wall, start_);
  EXPECT_EQ(seen.running, 10s);
}

// ---- Keys.

TEST_F(RegistrationTest, ARepeatWithTheSameKeyGetsTheSameTasks) {
  NewTask one = world_.Work("one");
  one.key = "k1";
  NewTask two = world_.Work("two");
  two.key = "k2";
  const auto first = world_.Register({std::nullopt, {one, two}});
  ASSERT_THAT(first, IsOk());
  // Its answer was lost: the program asks again, with more that has come up meanwhile.
  NewTask three = world_.Work("three");
  three.key = "k3";
  const auto again = world_.Register({std::nullopt, {two, three, one}});
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->session, first->session);
  EXPECT_EQ(again->tasks[0].id, first->tasks[1].id);
  EXPECT_EQ(again->tasks[2].id, first->tasks[0].id);
  EXPECT_THAT(world_.List(), SizeIs(3));
  EXPECT_THAT(world_.Register({first->session, {one}}), IsOk());
  EXPECT_THAT(world_.List(), SizeIs(3));
}

TEST_F(RegistrationTest, ARepeatHearsOfTheCancelThatCameMeanwhile) {
  NewTask task = world_.Work();
  task.key = "k";
  const TaskId id = world_.RegisterOne(task).id;
  world_.Ask(ApplyRequest{{world_.Cancel(id)}});
  EXPECT_TRUE(world_.RegisterOne(task).cancel.has_value()) << "nothing was said of the cancel";
}

TEST_F(RegistrationTest, AKeyBelongsToItsUser) {
  NewTask task = world_.Work();
  task.key = "k";
  const TaskId id = world_.RegisterOne(task).id;
  const auto other = world_.Register({std::nullopt, {task}}, NodeWorld::User(1001));
  ASSERT_THAT(other, IsOk());
  EXPECT_NE(other->tasks[0].id, id);
}

TEST_F(RegistrationTest, AKeyStaysWithItsTaskWhenThatHasEnded) {
  NewTask task = world_.Work();
  task.key = "k";
  const TaskId id = world_.RegisterOne(task).id;
  ASSERT_THAT(world_.Finish(id, TaskState::kSucceeded), IsOk());
  EXPECT_THAT(Register(task), FailsWith(ErrorCode::kFailedPrecondition, "succeeded"));
  EXPECT_THAT(world_.List(), IsEmpty());
}

TEST_F(RegistrationTest, RefusesAKeyThatMeansTwoThings) {
  NewTask task = world_.Work();
  task.key = "k";
  EXPECT_THAT(world_.Register({std::nullopt, {task, task}}),
              FailsWith(ErrorCode::kInvalidArgument, "twice"));
  const TaskId id = world_.RegisterOne(task).id;
  NewTask other = task;
  other.action = "other";
  EXPECT_THAT(Register(other), FailsWith(ErrorCode::kAlreadyExists, "another action"));
  NewTask again = Resume(id);
  again.key = "k";
  EXPECT_THAT(Register(again), FailsWith(ErrorCode::kInvalidArgument, "one of them"));
  task.key.assign(limits::kKeyMax + 1, 'k');
  EXPECT_THAT(Register(task), FailsWith(ErrorCode::kInvalidArgument, "128"));
}

TEST_F(RegistrationTest, ARepeatThatComesWhileTheFirstIsUnderWayIsToldToTryAgain) {
  RegisterRequest request;
  request.tasks.assign(limits::kIdBlock + 1, world_.Work());  // Numbers must be reserved first.
  request.tasks.front().key = "k";
  std::optional<Result<RegisterReply>> first;
  world_.node->Register(request, NodeWorld::User(),
                        [&first](Result<RegisterReply> reply) { first = std::move(reply); });
  ASSERT_FALSE(first.has_value()) << "it was to wait for the disk";
  NewTask task = world_.Work();
  task.key = "k";
  EXPECT_THAT(Register(task), FailsWith(ErrorCode::kUnavailable, "being registered"));
  world_.Settle();
  ASSERT_TRUE(first.has_value()) << "no answer";
  EXPECT_EQ(world_.RegisterOne(task).id, (*first)->tasks.front().id);
}

TEST_F(RegistrationTest, OneThatCannotBeCancelledCannotAskForItWhenItsParentIsLost) {
  NewTask task = world_.Work();
  task.cancellable = false;
  task.on_parent_lost = OnParentLost::kCancel;
  EXPECT_THAT(Register(task), FailsWith(ErrorCode::kInvalidArgument, "not cancellable"));
}

// ---- Ancestors.

TEST_F(RegistrationTest, CopiesTheChainOfALocalParent) {
  const TaskId remote{*NodeId::Parse("OOOOOOOOOOOOOOOOOOOOOg"), 9};
  NewTask task = world_.Work();
  task.parent = remote;
  const TaskId top = world_.RegisterOne(task).id;
  NewTask child = world_.Work();
  child.parent = top;
  child.grandparents = {world_.Id(77)};  // What it thinks does not count.
  const TaskId id = world_.RegisterOne(child).id;
  ListRequest below;
  below.filter.parent = top;
  EXPECT_THAT(NumbersOf(world_.List(below)), ElementsAre(id.number));
  world_.Ask(ApplyRequest{{world_.Cancel(top)}});
  EXPECT_TRUE(world_.Show(id).cancelled);
}

TEST_F(RegistrationTest, AnswersTheWholeChainSoThatItCanBePassedOn) {
  const TaskId remote{*NodeId::Parse("OOOOOOOOOOOOOOOOOOOOOg"), 9};
  const TaskId above{*NodeId::Parse("OOOOOOOOOOOOOOOOOOOOOg"), 4};
  NewTask task = world_.Work();
  task.parent = remote;
  task.grandparents = {above};
  const RegisteredTask top = world_.RegisterOne(task);
  EXPECT_THAT(top.ancestors, ElementsAre(remote, above));
  EXPECT_THAT(world_.RegisterChild(top.id).ancestors, ElementsAre(top.id, remote, above));
  EXPECT_THAT(world_.RegisterOne(world_.Work()).ancestors, IsEmpty());
}

TEST_F(RegistrationTest, LeavesOutAParentWhoseIdWasNeverGivenOutAndSaysSo) {
  NewTask task = world_.Work();
  task.grandparents = {world_.Id(1)};
  task.parent = world_.Id(9'000'000);
  const auto reply = world_.Register({{}, {world_.Work(), task, world_.Work()}});
  ASSERT_THAT(reply, IsOk());
  ASSERT_THAT(reply->tasks, SizeIs(3));
  EXPECT_EQ(reply->tasks[1].unknown_parent, task.parent);
  EXPECT_THAT(reply->tasks[1].ancestors, IsEmpty());
  EXPECT_EQ(reply->tasks[0].unknown_parent, std::nullopt);
  EXPECT_EQ(reply->tasks[2].unknown_parent, std::nullopt);
  EXPECT_EQ(world_.Show(reply->tasks[1].id).parent, std::nullopt);
}

TEST_F(RegistrationTest, ACancelOfAParentThatWasForgottenInACrashReachesTheChild) {
  const TaskId forgotten = world_.RegisterOne(world_.Work()).id;
  world_.Restart();  // Before the journal had it.
  NewTask task = world_.Work();
  task.parent = forgotten;
  const auto reply = world_.Register({{}, {task}});
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->tasks[0].unknown_parent, std::nullopt);
  EXPECT_THAT(reply->tasks[0].ancestors, ElementsAre(forgotten));
  world_.Ask(ApplyRequest{{world_.Cancel(forgotten)}});
  EXPECT_TRUE(world_.Show(reply->tasks[0].id).cancelled);
}

TEST_F(RegistrationTest, RegistersNothingWithoutAParentThatIsRequired) {
  NewTask task = world_.Work();
  task.parent = world_.Id(400);
  task.parent_required = true;
  const auto reply = world_.Register({{}, {world_.Work(), task}});
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->missing_parent, task.parent);
  EXPECT_THAT(world_.List(), IsEmpty());
  task.parent = world_.RegisterOne(world_.Work()).id;
  EXPECT_THAT(Register(task), IsOk());
}

TEST_F(RegistrationTest, KnowsAParentThatHasEndedAlsoAfterARestart) {
  const TaskId top = world_.RegisterOne(world_.Work()).id;
  const TaskId middle = world_.RegisterChild(top).id;
  ASSERT_THAT(world_.Finish(middle, TaskState::kSucceeded), IsOk());
  world_.scheduler.Advance(1s);  // The journal is written behind.
  world_.Restart();
  const TaskId low = world_.RegisterChild(middle).id;
  world_.Ask(ApplyRequest{{world_.Cancel(top)}});
  EXPECT_TRUE(world_.Show(low).cancelled) << "its chain was not copied";
}

TEST_F(RegistrationTest, RefusesAChainThatIsTooDeep) {
  TaskId parent = world_.RegisterOne(world_.Work()).id;
  for (std::size_t depth = 1; depth <= limits::kAncestorsMax; ++depth)
    parent = world_.RegisterChild(parent).id;
  NewTask task = world_.Work();
  task.parent = parent;
  EXPECT_THAT(Register(task), FailsWith(ErrorCode::kInvalidArgument, "16"));
}

// ---- Batches and limits.

TEST_F(RegistrationTest, RegistersAllOfABatchOrNone) {
  RegisterRequest request;
  request.tasks.assign(2000, world_.Work());
  request.tasks.back().action.clear();
  EXPECT_THAT(world_.Register(request), FailsWith(ErrorCode::kInvalidArgument, "task 1999"));
  EXPECT_THAT(world_.List(), IsEmpty());
  request.tasks.back().action = "work";
  const auto reply = world_.Register(request);
  ASSERT_THAT(reply, IsOk());
  EXPECT_THAT(reply->tasks, SizeIs(2000));
  EXPECT_THAT(world_.List(), SizeIs(2000));
}

TEST_F(RegistrationTest, RefusesABatchOverTheLimit) {
  RegisterRequest request;
  request.tasks.assign(limits::kRegisterBatchMax + 1, world_.Work());
  EXPECT_THAT(world_.Register(request), FailsWith(ErrorCode::kInvalidArgument, "10000"));
  request.tasks.clear();
  EXPECT_THAT(world_.Register(request), FailsWith(ErrorCode::kInvalidArgument));
}

TEST_F(RegistrationTest, LimitsTheTasksOfOneUserAndNotOfOthers) {
  RegisterRequest request;
  request.tasks.assign(limits::kRegisterBatchMax, world_.Work());
  for (std::size_t i = 0; i < limits::kTasksPerUidMax / limits::kRegisterBatchMax; ++i)
    ASSERT_THAT(world_.Register(request), IsOk());
  EXPECT_THAT(Register(world_.Work()), FailsWith(ErrorCode::kResourceExhausted, "uid 1000"));
  EXPECT_THAT(world_.Register({std::nullopt, {world_.Work()}}, NodeWorld::User(1001)), IsOk());
}

TEST_F(RegistrationTest, TwoBatchesAtOnceDoNotExceedTheLimitTogether) {
  RegisterRequest request;
  request.tasks.assign(limits::kRegisterBatchMax, world_.Work());
  std::size_t registered = 0;
  for (int i = 0; i < 3; ++i) {
    world_.node->Register(request, NodeWorld::User(),
                          [&registered](const Result<RegisterReply>& reply) {
                            if (reply) registered += reply->tasks.size();
                          });
  }
  world_.scheduler.Advance(1s);
  EXPECT_EQ(registered, limits::kTasksPerUidMax);
}

TEST_F(RegistrationTest, LimitsTheSessions) {
  for (std::size_t i = 0; i < limits::kSessionsMax; ++i)
    ASSERT_THAT(Register(world_.Work()), IsOk());
  EXPECT_THAT(Register(world_.Work()), FailsWith(ErrorCode::kResourceExhausted, "sessions"));
}

TEST_F(RegistrationTest, LimitsTheRegistrationsThatWaitForTheDisk) {
  world_.file.disk.commit_min = world_.file.disk.commit_max = 1h;
  std::size_t refused = 0;
  RegisterRequest large;  // More than is reserved: it waits, and all that come later do.
  large.tasks.assign(limits::kIdBlock + 1, world_.Work());
  const auto count = [&refused](const Result<RegisterReply>& reply) {
    if (!reply && reply.error().code == ErrorCode::kResourceExhausted) ++refused;
  };
  world_.node->Register(large, NodeWorld::User(), count);
  world_.Settle();
  for (std::size_t i = 1; i < limits::kRegistrationsMax; ++i)
    world_.node->Register({std::nullopt, {world_.Work()}}, NodeWorld::User(), count);
  EXPECT_EQ(refused, 0u);
  world_.node->Register({std::nullopt, {world_.Work()}}, NodeWorld::User(), count);
  EXPECT_EQ(refused, 1u);
}

TEST_F(RegistrationTest, WaitsForNumbersAndFailsWithTheDisksErrorWhenThereAreNone) {
  RegisterRequest request;
  request.tasks.assign(limits::kIdBlock, world_.Work());
  ASSERT_THAT(world_.Register(request), IsOk());
  world_.Settle();
  world_.file.disk.error = Error{ErrorCode::kResourceExhausted, "node.db: the disk is full"};
  request.tasks.assign(2 * limits::kIdBlock, world_.Work());
  EXPECT_THAT(world_.Register(request), FailsWith(ErrorCode::kResourceExhausted, "node.db"));
  world_.file.disk.error.reset();
  EXPECT_THAT(world_.Register(request), IsOk());
  EXPECT_THAT(world_.List(), SizeIs(3 * limits::kIdBlock)) << "a failed one has left something";
}

// ---- Sessions.

TEST_F(RegistrationTest, AddsToASessionThatIsNamed) {
  const auto first = Register(world_.Work());
  ASSERT_THAT(first, IsOk());
  const auto second = world_.Register({first->session, {world_.Work()}});
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->session, first->session);
}

TEST_F(RegistrationTest, RefusesASessionThatIsUnknownOrAnothers) {
  SeededRandom random(99);
  EXPECT_THAT(world_.Register({SessionToken::Make(random), {world_.Work()}}),
              FailsWith(ErrorCode::kNotFound, "session"));
  const auto mine = Register(world_.Work());
  ASSERT_THAT(mine, IsOk());
  EXPECT_THAT(world_.Register({mine->session, {world_.Work()}}, NodeWorld::User(1001)),
              FailsWith(ErrorCode::kPermissionDenied));
  EXPECT_THAT(world_.Register({mine->session, {world_.Work()}}, NodeWorld::User(0)), IsOk());
}

TEST_F(RegistrationTest, ChecksWhoseAProcessIs) {
  NewTask task = world_.Work();
  task.pid = world_.processes.Spawn(NodeWorld::kUid);
  EXPECT_THAT(Register(task), IsOk());
  task.pid = world_.processes.Spawn(1001);
  EXPECT_THAT(Register(task), FailsWith(ErrorCode::kPermissionDenied));
  task.pid = 999;
  EXPECT_THAT(Register(task), FailsWith(ErrorCode::kInvalidArgument));
}

TEST_F(RegistrationTest, KnowsAProcessOfAnotherPidNamespaceByItsPidHere) {
  const std::int32_t peer = world_.processes.Spawn(NodeWorld::kUid);
  const std::int32_t command = world_.processes.Spawn(NodeWorld::kUid);
  world_.processes.Isolate(peer, 2, command);
  Principal who = NodeWorld::User();
  who.pid = peer;
  NewTask task = world_.Work();
  task.pid = 2;
  const auto reply = world_.Register({std::nullopt, {task}}, who);
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(world_.Show(reply->tasks[0].id).pid, command);
}

TEST_F(RegistrationTest, TakesAPidThatItCannotFindForNone) {
  const std::int32_t peer = world_.processes.Spawn(NodeWorld::kUid);
  const std::int32_t stranger = world_.processes.Spawn(NodeWorld::kUid);
  world_.processes.Isolate(peer, 2, stranger);
  Principal who = NodeWorld::User();
  who.pid = peer;
  NewTask task = world_.Work();
  task.pid = stranger;  // In its own namespace it is another one, or none.
  const auto reply = world_.Register({std::nullopt, {task}}, who);
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(world_.Show(reply->tasks[0].id).pid, 0);
}

// ---- Resuming.

TEST_F(RegistrationTest, BringsATaskBackUnderItsNumber) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  world_.scheduler.Advance(10s);
  world_.Restart();
  const auto reply = Register(Resume(task));
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->tasks[0].id, task);
  EXPECT_EQ(world_.Show(task).start_wall, start_);
  EXPECT_GE(world_.Show(task).running, 10s);
  EXPECT_GT(world_.RegisterOne(world_.Work()).id.number, task.number);
}

TEST_F(RegistrationTest, BringsParentAndChildBackInAnyOrder) {
  const TaskId top = world_.RegisterOne(world_.Work()).id;
  const TaskId child = world_.RegisterChild(top).id;
  world_.Restart();
  NewTask again = Resume(child);
  again.parent = top;
  ASSERT_THAT(Register(again), IsOk());
  ASSERT_THAT(Register(Resume(top)), IsOk());
  world_.Ask(ApplyRequest{{world_.Cancel(top)}});
  EXPECT_TRUE(world_.Show(child).cancelled);
}

// A cancel that makes room is durable while the journal is asked whether the task has ended.
TEST_F(RegistrationTest, WhatIsComingBackKeepsItsTombstoneOnTheWay) {
  world_.tombstones_kept = 1;
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  const TaskId other = world_.RegisterOne(world_.Work()).id;
  world_.Ask(ApplyRequest{{world_.Cancel(task)}});
  world_.Restart();  // Before it is kept that they live.
  ASSERT_THAT(world_.file.live, IsEmpty());
  Principal who;
  who.transport = Principal::Transport::kLoopback;
  world_.node->OnRequest(ApplyRequest{{world_.Cancel(other)}}, who, world_.clock.Now() + 5s,
                         std::make_shared<RecordingWriter>(*world_.executor));
  const auto reply = Register(Resume(task));
  ASSERT_THAT(reply, IsOk());
  EXPECT_TRUE(world_.file.tombstones.contains(other.number)) << "nothing was to be forgotten";
  EXPECT_NE(reply->tasks.front().cancel, std::nullopt) << "it is known to be cancelled";
  EXPECT_TRUE(world_.Show(task).cancelled);
}

TEST_F(RegistrationTest, ResumesNothingThatItHasNotGivenOut) {
  const NodeId elsewhere = *NodeId::Parse("OOOOOOOOOOOOOOOOOOOOOg");
  EXPECT_THAT(Register(Resume(TaskId{elsewhere, 1})),
              FailsWith(ErrorCode::kInvalidArgument, "never"));
  EXPECT_THAT(Register(Resume(world_.Id(1))), FailsWith(ErrorCode::kInvalidArgument, "never"));
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  world_.Restart();
  NewTask again = Resume(task);
  again.start_wall.reset();
  EXPECT_THAT(Register(again), FailsWith(ErrorCode::kInvalidArgument, "start"));
}

TEST_F(RegistrationTest, ResumesNothingThatHasEndedInThisLifeOrAnEarlierOne) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  ASSERT_THAT(world_.Finish(task, TaskState::kFailed), IsOk());
  EXPECT_THAT(Register(Resume(task)), FailsWith(ErrorCode::kFailedPrecondition, "failed"));
  world_.scheduler.Advance(1s);
  world_.Restart();
  EXPECT_THAT(Register(Resume(task)), FailsWith(ErrorCode::kFailedPrecondition, "failed"));
}

TEST_F(RegistrationTest, ResumesATaskOnlyOnce) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  world_.Restart();
  EXPECT_THAT(world_.Register({std::nullopt, {Resume(task), Resume(task)}}),
              FailsWith(ErrorCode::kFailedPrecondition, "already"));
  const auto first = Register(Resume(task));
  ASSERT_THAT(first, IsOk());
  const auto sink = std::make_shared<RecordingSink>();
  ASSERT_THAT(world_.node->OpenCommands(first->session, NodeWorld::User(), sink), IsOk());
  EXPECT_THAT(Register(Resume(task)), FailsWith(ErrorCode::kUnavailable, "open stream"));
}

TEST_F(RegistrationTest, AProgramThatLostTheAnswerMayResumeAgain) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  world_.Restart();
  const auto lost = Register(Resume(task));
  ASSERT_THAT(lost, IsOk());
  EXPECT_THAT(world_.Register({std::nullopt, {Resume(task)}}, NodeWorld::User(1001)),
              FailsWith(ErrorCode::kPermissionDenied));
  const auto again = Register(Resume(task));
  ASSERT_THAT(again, IsOk());
  EXPECT_NE(again->session, lost->session);
  const auto sink = std::make_shared<RecordingSink>();
  ASSERT_THAT(world_.node->OpenCommands(again->session, NodeWorld::User(), sink), IsOk());
  world_.Ask(ApplyRequest{{world_.Cancel(task)}});
  EXPECT_THAT(sink->commands, SizeIs(1));
  EXPECT_THAT(world_.List(), SizeIs(1));
}

TEST_F(RegistrationTest, AResumedTaskMayHaveBegunAfterTheClockWasSetBack) {
  world_.scheduler.Advance(1h);
  NewTask again = Resume(world_.RegisterOne(world_.Work()).id);
  again.start_wall = world_.wall();
  world_.clock.JumpWall(-30min);
  world_.Restart();
  ASSERT_THAT(Register(again), IsOk());
  EXPECT_EQ(world_.Show(*again.resume).start_wall, *again.start_wall);
}

TEST_F(RegistrationTest, GivesOutNoNumberBelowTheCoordinators) {
  world_.coordinator->next_number = 50'000;
  world_.coordinator->rejoin = true;
  world_.scheduler.Advance(5s);
  EXPECT_EQ(world_.RegisterOne(world_.Work()).id.number, 50'000u);
}

}  // namespace
}  // namespace quell
