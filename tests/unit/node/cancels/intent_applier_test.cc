// Goal: a cancel that this node has acknowledged is never lost: it hits its target and everything
// below it, however late it registers, through crashes and full disks; and it hits nothing else.
// Method: a whole node on simulated time, asked as a coordinator does; crashes keep the journal.
#include <algorithm>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/node/cancels/apply_fixture.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

TEST_F(ApplyTest, MarksTheTargetJournalsTellsAndAcknowledges) {
  const auto sink = std::make_shared<RecordingSink>();
  const TaskId task = RegisterListening(sink).id;
  const Intent intent = world_.Cancel(task);
  const IntentAck ack = Apply(intent);
  EXPECT_EQ(ack.intent, intent.id);
  ASSERT_THAT(Of(ack), ElementsAre(task.number));
  EXPECT_EQ(ack.receipts[0].state, ReceiptState::kDelivered);
  EXPECT_THAT(shown_, ElementsAre(task.number));
  ASSERT_THAT(sink->commands, SizeIs(1));
  EXPECT_EQ(sink->commands[0].task, task);
  EXPECT_EQ(sink->commands[0].by, "somebody");
  EXPECT_EQ(sink->commands[0].grace, 10s);
  EXPECT_EQ(world_.Show(task).state, TaskState::kStopping);
  EXPECT_EQ(world_.file.tombstones.count(task.number), 1u);
}

TEST_F(ApplyTest, TellsNobodyAndAcknowledgesNothingBeforeTheJournalHasIt) {
  const auto sink = std::make_shared<RecordingSink>();
  const TaskId task = RegisterListening(sink).id;
  world_.file.disk.commit_min = world_.file.disk.commit_max = 1s;
  const auto writer = std::make_shared<RecordingWriter>(*world_.executor);
  Principal who;
  who.transport = Principal::Transport::kLoopback;
  world_.node->OnRequest(ApplyRequest{{world_.Cancel(task)}}, who, world_.clock.Now() + 5s, writer);
  world_.scheduler.Advance(999ms);
  EXPECT_FALSE(writer->reply.has_value());
  EXPECT_THAT(sink->commands, IsEmpty());
  world_.scheduler.Advance(1ms);
  EXPECT_EQ(writer->reply.has_value(), true);
  EXPECT_THAT(sink->commands, SizeIs(1));
}

TEST_F(ApplyTest, CancelsDescendantsAtAnyDepthAlsoBelowOnesThatEnded) {
  const TaskId top = world_.RegisterOne(world_.Work()).id;
  const TaskId middle = world_.RegisterChild(top).id;
  const TaskId low = world_.RegisterChild(middle).id;
  const TaskId other = world_.RegisterOne(world_.Work()).id;
  ASSERT_THAT(world_.Finish(middle, TaskState::kSucceeded), IsOk());
  const IntentAck ack = Apply(world_.Cancel(top));
  EXPECT_THAT(Of(ack), UnorderedElementsAre(top.number, low.number));
  EXPECT_THAT(shown_, ElementsAre(top.number)) << "descendants are no targets";
  EXPECT_TRUE(IsCancelled(low));
  EXPECT_FALSE(IsCancelled(other));
}

TEST_F(ApplyTest, SparesDescendantsWithoutCascade) {
  const TaskId top = world_.RegisterOne(world_.Work()).id;
  const TaskId child = world_.RegisterChild(top).id;
  Intent intent = world_.Cancel(top);
  intent.cascade = false;
  EXPECT_THAT(Of(Apply(intent)), ElementsAre(top.number));
  EXPECT_FALSE(IsCancelled(child));
  EXPECT_EQ(world_.RegisterChild(top).cancel, std::nullopt);
}

TEST_F(ApplyTest, ALateChildIsBornCancelled) {
  const TaskId top = world_.RegisterOne(world_.Work()).id;
  const TaskId middle = world_.RegisterChild(top).id;
  const Intent intent = world_.Cancel(top);
  Apply(intent);
  const RegisteredTask late = world_.RegisterChild(middle);
  ASSERT_TRUE(late.cancel.has_value()) << "it was admitted as if nothing had happened";
  EXPECT_EQ(late.cancel->intent, intent.id);
  EXPECT_EQ(world_.file.tombstones.count(late.id.number), 1u) << "told before it was journaled";
  EXPECT_THAT(Of(Apply(intent)), UnorderedElementsAre(1, 2, 3));
}

TEST_F(ApplyTest, AChildThatRegistersWhileTheCancelIsBeingJournaledIsBornCancelled) {
  const TaskId top = world_.RegisterOne(world_.Work()).id;
  world_.file.disk.commit_min = world_.file.disk.commit_max = 1s;
  const auto writer = std::make_shared<RecordingWriter>(*world_.executor);
  Principal who;
  who.transport = Principal::Transport::kLoopback;
  world_.node->OnRequest(ApplyRequest{{world_.Cancel(top)}}, who, world_.clock.Now() + 5s, writer);
  EXPECT_TRUE(world_.RegisterChild(top).cancel.has_value()) << "not cancelled";
}

TEST_F(ApplyTest, LeavesATombstoneForATaskThatHasEnded) {
  const TaskId top = world_.RegisterOne(world_.Work()).id;
  const TaskId child = world_.RegisterChild(top).id;
  ASSERT_THAT(world_.Finish(top, TaskState::kSucceeded), IsOk());
  const IntentAck ack = Apply(world_.Cancel(top));
  EXPECT_THAT(shown_, IsEmpty()) << "it was not cancelled, it had ended";
  ASSERT_THAT(Of(ack), ElementsAre(top.number, child.number));
  EXPECT_EQ(ack.receipts[0].state, ReceiptState::kEnded);
  EXPECT_EQ(ack.receipts[0].outcome, TaskState::kSucceeded);
  EXPECT_FALSE(IsCancelled(top));
  EXPECT_TRUE(IsCancelled(child));
  EXPECT_TRUE(world_.RegisterChild(top).cancel.has_value()) << "a late child of an ended target";
}

TEST_F(ApplyTest, LeavesATombstoneForATaskOfAnEarlierLife) {
  const TaskId top = world_.RegisterOne(world_.Work()).id;
  const WallTime start = world_.wall();
  world_.Restart();
  const IntentAck ack = Apply(world_.Cancel(top));
  EXPECT_THAT(Of(ack), ElementsAre(top.number));
  EXPECT_THAT(shown_, IsEmpty());
  const auto reply = world_.Register(ResumeOf(top, start));
  ASSERT_THAT(reply, IsOk());
  EXPECT_TRUE(reply->tasks[0].cancel.has_value()) << "it came back and was not told";
}

TEST_F(ApplyTest, HitsNoTaskThatGetsTheNumberLater) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  const TaskId next = world_.Id(task.number + 1);
  EXPECT_THAT(Of(Apply(world_.Cancel(next))), IsEmpty());
  const RegisteredTask registered = world_.RegisterOne(world_.Work());
  ASSERT_EQ(registered.id, next);
  EXPECT_EQ(registered.cancel, std::nullopt);
}

TEST_F(ApplyTest, DoesNotCancelWhatCannotBeCancelled) {
  NewTask task = world_.Work();
  task.cancellable = false;
  const TaskId id = world_.RegisterOne(std::move(task)).id;
  EXPECT_THAT(Of(Apply(world_.Cancel(id))), IsEmpty());
  EXPECT_FALSE(IsCancelled(id));
  EXPECT_THAT(Of(Apply(world_.Cancel(TaskFilter{}))), IsEmpty());
  EXPECT_THAT(shown_, IsEmpty());
}

TEST_F(ApplyTest, TheFirstMarkWins) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  const Intent first = world_.Cancel(task);
  Intent second = world_.Cancel(TaskFilter{});
  second.requested_at += 1s;
  second.by = "somebody else";
  Apply(first);
  EXPECT_THAT(Of(Apply(second)), IsEmpty()) << "no receipt under an intent that did not mark it";
  EXPECT_THAT(shown_, ElementsAre(task.number)) << "it matches, and is cancelled";
  EXPECT_EQ(world_.Show(task).cancelled_by, "somebody");
}

TEST_F(ApplyTest, AStrongerIntentShortensTheGraceAndTellsAgain) {
  const auto sink = std::make_shared<RecordingSink>();
  const TaskId task = RegisterListening(sink).id;
  Intent intent = world_.Cancel(task);
  Apply(intent);
  intent.grace = 1s;
  Apply(intent);
  ASSERT_THAT(sink->commands, SizeIs(2));
  EXPECT_EQ(sink->commands[1].grace, 1s);
  EXPECT_EQ(sink->commands[1].intent, intent.id);
  Apply(intent);
  EXPECT_THAT(sink->commands, SizeIs(2)) << "told again without a reason";
}

TEST_F(ApplyTest, AStrongerIntentTurnsTheCascadeOn) {
  const TaskId top = world_.RegisterOne(world_.Work()).id;
  const TaskId child = world_.RegisterChild(top).id;
  Intent intent = world_.Cancel(top);
  intent.cascade = false;
  Apply(intent);
  intent.cascade = true;
  Apply(intent);
  EXPECT_TRUE(IsCancelled(child));
  world_.Restart();
  EXPECT_TRUE(world_.file.tombstones.at(top.number).cascade);
}

TEST_F(ApplyTest, AcknowledgesAKnownIntentAgainWithoutTheJournal) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  const Intent intent = world_.Cancel(task);
  Apply(intent);
  world_.file.disk.error = Error{ErrorCode::kResourceExhausted, "full"};
  EXPECT_THAT(Of(Apply(intent)), ElementsAre(task.number));
  EXPECT_THAT(shown_, ElementsAre(task.number));
}

TEST_F(ApplyTest, AcknowledgesAKnownIntentAfterARestart) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  const Intent intent = world_.Cancel(task);
  Apply(intent);
  world_.Restart();
  world_.file.disk.error = Error{ErrorCode::kResourceExhausted, "full"};
  EXPECT_THAT(Of(Apply(intent)), ElementsAre(task.number));
}

TEST_F(ApplyTest, AnswersTheSameIntentAskedTwiceAtOnceTwice) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  const Intent intent = world_.Cancel(task);
  const auto writer = world_.Ask(ApplyRequest{{intent, intent}});
  ASSERT_TRUE(writer->reply.has_value()) << "no answer";
  ASSERT_THAT(*writer->reply, IsOk());
  EXPECT_THAT(std::get<ApplyReply>(**writer->reply).acks, SizeIs(2));
  EXPECT_THAT(NumbersOf(writer->tasks), ElementsAre(task.number));
}

// ---- The disk fails.

TEST_F(ApplyTest, AFullDiskIsSaidAndNothingIsAcknowledgedButTheProgramIsTold) {
  const auto sink = std::make_shared<RecordingSink>();
  const TaskId task = RegisterListening(sink).id;
  world_.file.disk.error = Error{ErrorCode::kResourceExhausted, "node.db: the disk is full"};
  const Intent intent = world_.Cancel(task);
  const auto writer = world_.Ask(ApplyRequest{{intent}});
  ASSERT_TRUE(writer->reply.has_value()) << "no answer";
  EXPECT_THAT(*writer->reply, FailsWith(ErrorCode::kResourceExhausted, "node.db"));
  EXPECT_THAT(sink->commands, SizeIs(1)) << "the store has the intent: why wait?";
  world_.file.disk.error.reset();
  EXPECT_THAT(Of(Apply(intent)), ElementsAre(task.number));
  EXPECT_EQ(world_.file.tombstones.count(task.number), 1u);
  EXPECT_THAT(sink->commands, SizeIs(1)) << "told twice under one intent";
}

TEST_F(ApplyTest, AnIntentThatTheJournalRefusedIsNotKnownAfterACrash) {
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  const WallTime start = world_.wall();
  world_.file.disk.fail_next = 1;
  const Intent intent = world_.Cancel(task);
  world_.Ask(ApplyRequest{{intent}});
  // A child is cancelled on registration meanwhile: that must not make the journal believe in the
  // intent.
  ASSERT_TRUE(world_.RegisterChild(task).cancel.has_value()) << "not cancelled";
  world_.Restart();
  ASSERT_THAT(world_.Register(ResumeOf(task, start)), IsOk());
  EXPECT_FALSE(IsCancelled(task));
  EXPECT_THAT(Of(Apply(intent)), ElementsAre(task.number));
  EXPECT_TRUE(IsCancelled(task));
}

TEST_F(ApplyTest, WhatTheJournalRefusedIsWrittenWithTheNextAttempt) {
  const TaskId top = world_.RegisterOne(world_.Work()).id;
  world_.file.disk.fail_next = 1;
  const Intent intent = world_.Cancel(top);
  world_.Ask(ApplyRequest{{intent}});
  const TaskId child = world_.RegisterChild(top).id;
  ASSERT_THAT(world_.Finish(top, TaskState::kCancelled), IsOk());
  EXPECT_THAT(Of(Apply(intent)), UnorderedElementsAre(top.number, child.number));
  EXPECT_EQ(world_.file.tombstones.count(top.number), 1u);
  EXPECT_EQ(world_.file.tombstones.count(child.number), 1u);
}

TEST_F(ApplyTest, WhatIsAcknowledgedWritesTheMarksOfAnIntentThatTheJournalRefused) {
  const TaskId top = world_.RegisterOne(world_.Work("build")).id;
  const auto sink = std::make_shared<RecordingSink>();
  std::vector<TaskId> children;
  for (int i = 0; i < 2; ++i) {
    NewTask child = world_.Work();
    child.parent = top;
    const auto reply = world_.Register({std::nullopt, {child}});
    ASSERT_THAT(reply, IsOk());
    ASSERT_THAT(world_.node->OpenCommands(reply->session, NodeWorld::User(), sink), IsOk());
    children.push_back(reply->tasks.front().id);
  }
  world_.scheduler.Advance(1s);  // They are kept.
  world_.file.disk.fail_next = 1;
  const Intent refused = world_.Cancel(TaskFilter{{"build"}, {}});
  world_.Ask(ApplyRequest{{refused}});
  ASSERT_THAT(world_.Finish(top, TaskState::kCancelled), IsOk());
  ASSERT_THAT(sink->commands, IsEmpty()) << "a crash could undo it";
  // From now on the marks are known here and nowhere else.
  Apply(world_.Cancel(TaskFilter{{"wor*"}, {}}));
  EXPECT_THAT(sink->commands, SizeIs(2));
  EXPECT_EQ(world_.file.tombstones.count(children[0].number), 1u);
  Apply(world_.Cancel(children[0]));
  EXPECT_THAT(sink->commands, SizeIs(2)) << "told twice";
  world_.Restart();
  for (const TaskId& child : children)
    EXPECT_TRUE(IsCancelled(child)) << "acknowledged, and lost";
  EXPECT_THAT(Of(Apply(refused)), UnorderedElementsAre(children[0].number, children[1].number));
}

TEST_F(ApplyTest, ACancelByIdWritesTheMarkOfAnIntentThatTheJournalRefused) {
  const TaskId top = world_.RegisterOne(world_.Work("build")).id;
  const TaskId child = world_.RegisterChild(top).id;
  world_.scheduler.Advance(1s);  // They are kept.
  world_.file.disk.fail_next = 1;
  world_.Ask(ApplyRequest{{world_.Cancel(TaskFilter{{"build"}, {}})}});
  ASSERT_THAT(world_.Finish(top, TaskState::kCancelled), IsOk());
  Apply(world_.Cancel(child));
  world_.Restart();
  EXPECT_TRUE(IsCancelled(child)) << "acknowledged, and lost";
}

// ---- Filters.

TEST_F(ApplyTest, AFilterHitsWhatMatchesAndBeganBeforeIt) {
  const TaskId before = world_.RegisterOne(world_.Work("build:link")).id;
  const TaskId other = world_.RegisterOne(world_.Work("test")).id;
  world_.scheduler.Advance(1s);
  const Intent intent = world_.Cancel(TaskFilter{{"build:*"}, {}});
  world_.scheduler.Advance(10ms);  // The push takes its time.
  const TaskId after = world_.RegisterOne(world_.Work("build:link")).id;
  EXPECT_THAT(Of(Apply(intent)), ElementsAre(before.number));
  EXPECT_THAT(shown_, ElementsAre(before.number));
  EXPECT_FALSE(IsCancelled(other));
  EXPECT_FALSE(IsCancelled(after));
}

TEST_F(ApplyTest, AFilterDoesNotHitWhatCannotBeCancelledThoughACascadeHasMarkedIt) {
  const TaskId top = world_.RegisterOne(world_.Work()).id;
  NewTask firm = world_.Work("build:link");
  firm.parent = top;
  firm.cancellable = false;
  const TaskId middle = world_.RegisterOne(firm).id;
  Apply(world_.Cancel(top));
  ASSERT_TRUE(IsCancelled(middle)) << "the cascade reaches it";
  world_.scheduler.Advance(1s);
  const IntentAck ack = Apply(world_.Cancel(TaskFilter{{"build:*"}, {}}));
  EXPECT_THAT(Of(ack), IsEmpty());
  EXPECT_THAT(shown_, IsEmpty());
}

TEST_F(ApplyTest, AFilterByParentHitsItsDirectChildrenAndWhatIsBelowThem) {
  const TaskId top = world_.RegisterOne(world_.Work()).id;
  const TaskId child = world_.RegisterChild(top).id;
  const TaskId grandchild = world_.RegisterChild(child).id;
  world_.scheduler.Advance(1s);
  const IntentAck ack = Apply(world_.Cancel(TaskFilter{{}, top}));
  EXPECT_THAT(Of(ack), UnorderedElementsAre(child.number, grandchild.number));
  EXPECT_THAT(shown_, ElementsAre(child.number));
  EXPECT_FALSE(IsCancelled(top));
}

TEST_F(ApplyTest, AFilterCatchesATaskThatRegistersLateAndBeganBefore) {
  world_.scheduler.Advance(1s);
  const Intent intent = world_.Cancel(TaskFilter{{"work"}, {}});
  Apply(intent);
  NewTask late = world_.Work();
  const BootTime moment = intent.moment.at;  // The clocks differ by nothing here.
  late.start_wall = intent.requested_at;
  late.start_boot = moment - 1ms;
  const RegisteredTask hit = world_.RegisterOne(late);
  ASSERT_TRUE(hit.cancel.has_value()) << "it escaped";
  EXPECT_EQ(hit.cancel->intent, intent.id);
  EXPECT_EQ(world_.file.tombstones.count(hit.id.number), 1u);
  late.start_boot = moment + 1ms;
  EXPECT_EQ(world_.RegisterOne(late).cancel, std::nullopt);
  EXPECT_THAT(world_.spared, IsEmpty());
  late.start_boot.reset();
  const RegisteredTask doubtful = world_.RegisterOne(late);
  EXPECT_EQ(doubtful.cancel, std::nullopt) << "a wall clock decides nothing";
  EXPECT_THAT(world_.spared, ElementsAre(doubtful.id));
}

TEST_F(ApplyTest, AFilterCatchesATaskThatIsResumedTwoLivesLater) {
  const WallTime start = world_.wall();
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  const TaskId child = world_.RegisterChild(task).id;
  world_.Restart();  // The programs have not come back yet.
  Apply(world_.Cancel(TaskFilter{{"work"}, {}}));
  world_.Restart();
  ASSERT_THAT(world_.Register(ResumeOf(child, start, task)), IsOk());
  const auto reply = world_.Register(ResumeOf(task, start));
  ASSERT_THAT(reply, IsOk());
  EXPECT_TRUE(reply->tasks[0].cancel.has_value()) << "it escaped";
  EXPECT_TRUE(IsCancelled(child)) << "it is below the one that was hit";
}

TEST_F(ApplyTest, ATaskResumedBeforeTheClocksAreComparedIsLookedAtThen) {
  const WallTime start = world_.wall();
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  world_.Restart();
  Apply(world_.Cancel(TaskFilter{}));
  world_.Crash();
  world_.prepare = [](FakeCoordinator& coordinator) { coordinator.silent = true; };
  world_.Start();
  const auto reply = world_.Register(ResumeOf(task, start));
  ASSERT_THAT(reply, IsOk());
  ASSERT_FALSE(IsCancelled(task)) << "how can it know?";
  world_.coordinator->silent = false;
  world_.scheduler.Advance(10s);
  EXPECT_TRUE(IsCancelled(task)) << "it escaped";
}

TEST_F(ApplyTest, ATaskThatWasNotLookedAtYetIsLookedAtAfterACrash) {
  const WallTime start = world_.wall();
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  world_.Restart();
  Apply(world_.Cancel(TaskFilter{}));
  world_.Crash();
  world_.prepare = [](FakeCoordinator& coordinator) { coordinator.silent = true; };
  world_.Start();
  ASSERT_THAT(world_.Register(ResumeOf(task, start)), IsOk());
  world_.scheduler.Advance(1s);
  ASSERT_TRUE(world_.file.live.contains(task.number)) << "the next life is not to know it";
  ASSERT_FALSE(IsCancelled(task));
  world_.Crash();
  world_.prepare = nullptr;
  world_.Start();
  EXPECT_TRUE(IsCancelled(task)) << "it escaped";
}

TEST_F(ApplyTest, AFilterWaitsForTheCoordinatorsClock) {
  world_.Crash();
  world_.prepare = [](FakeCoordinator& coordinator) { coordinator.silent = true; };
  world_.Start();
  const TaskId task = world_.RegisterOne(world_.Work()).id;
  const auto refused = world_.Ask(ApplyRequest{{FromAfar(world_.Cancel(TaskFilter{}))}});
  ASSERT_TRUE(refused->reply.has_value()) << "no answer";
  EXPECT_THAT(*refused->reply, FailsWith(ErrorCode::kUnavailable));
  EXPECT_FALSE(IsCancelled(task));
  EXPECT_THAT(Of(Apply(world_.Cancel(task))), ElementsAre(task.number))
      << "a cancel by id needs no clock";
}

TEST_F(ApplyTest, ATaskThatBeganTooCloseToTheMomentIsSparedAndNamed) {
  const TaskId old = world_.RegisterOne(world_.Work()).id;
  world_.scheduler.Advance(1s);
  const TaskId close = world_.RegisterOne(world_.Work()).id;
  const Intent intent = FromAfar(world_.Cancel(TaskFilter{}));
  const IntentAck ack = Apply(intent);
  EXPECT_THAT(Of(ack), ElementsAre(old.number));
  EXPECT_THAT(ack.doubtful, ElementsAre(close));
  EXPECT_THAT(world_.spared, ElementsAre(close));
  EXPECT_FALSE(IsCancelled(close));
}

TEST_F(ApplyTest, WhatTheClocksCannotTellIsDecidedByTheArrivalWhereTheNodeWasThere) {
  world_.scheduler.Advance(1s);
  const TaskId close = world_.RegisterOne(world_.Work()).id;
  const Intent intent = world_.Cancel(TaskFilter{});
  EXPECT_THAT(Of(Apply(intent)), ElementsAre(close.number));
  const TaskId later = world_.RegisterOne(world_.Work()).id;  // In the same moment.
  EXPECT_FALSE(IsCancelled(later));
}

TEST_F(ApplyTest, AClockThatIsAheadMisleadsNobody) {
  world_.Crash();
  world_.prepare = [](FakeCoordinator& coordinator) { coordinator.ahead = 1h; };
  world_.Start();
  const TaskId before = world_.RegisterOne(world_.Work()).id;
  world_.scheduler.Advance(1s);
  const Intent intent = world_.Cancel(TaskFilter{});
  world_.scheduler.Advance(1s);
  const TaskId after = world_.RegisterOne(world_.Work()).id;
  EXPECT_THAT(Of(Apply(FromAfar(intent))), ElementsAre(before.number));
  EXPECT_FALSE(IsCancelled(after));
}

// ---- Many.

TEST_F(ApplyTest, WorksInTurnsAndMissesNobodyWhoRegistersBetweenThem) {
  constexpr std::size_t kMany = 3000;
  const TaskId top = world_.RegisterOne(world_.Work()).id;
  RegisterRequest request;
  NewTask child = world_.Work("child");
  child.parent = top;
  request.tasks.assign(kMany, child);
  ASSERT_THAT(world_.Register(request), IsOk());
  const auto writer = std::make_shared<RecordingWriter>(*world_.executor);
  Principal who;
  who.transport = Principal::Transport::kLoopback;
  world_.node->OnRequest(ApplyRequest{{world_.Cancel(top)}}, who, world_.clock.Now() + 5s, writer);
  ListRequest children;
  children.filter.actions = {"child"};
  const auto cancelled = [](const SeenTask& task) { return task.cancelled; };
  const RegisteredTask late = world_.RegisterChild(top);
  EXPECT_TRUE(late.cancel.has_value()) << "it slipped in between two turns";
  world_.Settle();
  ASSERT_TRUE(writer->reply.has_value()) << "no answer";
  const std::vector<SeenTask> tasks = world_.List(children);
  ASSERT_THAT(tasks, SizeIs(kMany + 1));
  EXPECT_TRUE(std::all_of(tasks.begin(), tasks.end(), cancelled)) << "some run on";
  EXPECT_THAT(std::get<ApplyReply>(**writer->reply).acks[0].receipts, SizeIs(kMany + 1));
}

}  // namespace
}  // namespace quell
