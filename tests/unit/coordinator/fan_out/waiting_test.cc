// Goal: who waits for tasks to end is answered in time, with what is known; waiting takes no place
// from others and is given up when the caller leaves, while a cancel goes its way.
// Method: a coordinator on simulated time, nodes that answer as told.
#include "coordinator/fan_out/waiting.h"

#include <gtest/gtest.h>

#include "tests/support/result_matchers.h"
#include "tests/unit/coordinator/fixtures.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::SizeIs;

class WaitingTest : public CoordinatorServicesTest {
 protected:
  WaitingTest() {
    for (int n : {1, 2})
      coordinator_.OnJoin({Info(n), 1}, who_, [](Result<JoinReply>) {});
    scheduler_.Advance(10ms);
  }

  template <typename Query, typename... More>
  void Send(Query query, MonoClock::duration timeout) {
    query.wait = true;
    query.context = context_;
    const auto done = [this](Result<Gathered> answer) {
      ASSERT_FALSE(answer_.has_value()) << "answered twice";
      answered_ = scheduler_.Now();
      answer_ = std::move(answer);
    };
    if constexpr (std::is_same_v<Query, ListQuery>) {
      coordinator_.List(std::move(query), timeout, NumberSinks(), done);
    } else {
      coordinator_.Cancel(std::move(query), who_, timeout, NumberSinks(), done);
    }
    scheduler_.Advance(1ms);
  }
  void Get(MonoClock::duration timeout) {
    coordinator_.Get({*TaskIdText::Parse(Id(1).ToString() + ":7"), true, context_}, timeout,
                     NumberSinks(), [this](Result<GetAnswer> answer) {
                       ASSERT_FALSE(got_.has_value()) << "answered twice";
                       got_ = std::move(answer);
                     });
    scheduler_.Advance(1ms);
  }
  static CancelQuery CancelOf(int node, std::uint64_t number) {
    CancelQuery query;
    query.where = *TaskIdText::Parse(Id(node).ToString() + ":" + std::to_string(number));
    return query;
  }
  static CancelQuery CancelAll() {
    CancelQuery query;
    query.where = NodeSelection{};
    return query;
  }

  // The oldest ask of the node, of this kind, or a failure of the test.
  template <typename Request>
  AskedNodes::Asked Take(int node) {
    std::optional<AskedNodes::Asked> asked = nodes_.Take(node);
    if (!asked) {
      ADD_FAILURE() << "node " << node << " was not asked";
      return {{}, {}, {}, std::make_shared<Deaf>()};
    }
    EXPECT_TRUE(std::holds_alternative<Request>(asked->request)) << asked->request.index();
    return *asked;
  }
  void Answer(const AskedNodes::Asked& ask, std::vector<std::uint64_t> numbers, NodeReply reply) {
    for (const std::uint64_t number : numbers) {
      TaskView task = MakeTask(ask.node == Id(1) ? 1 : 2, number);
      ask.sink->OnTasks({&task, 1});
    }
    ask.sink->OnDone(std::move(reply));
    scheduler_.Advance(1ms);
  }
  // Check and push of one cancel, or the push of one by filter, which hits `numbers`.
  void Push(int node, std::vector<std::uint64_t> numbers) {
    const auto ask = Take<ApplyRequest>(node);
    ApplyReply reply;
    reply.acks.push_back({std::get<ApplyRequest>(ask.request).intents.front().id, {}, {}});
    Answer(ask, std::move(numbers), reply);
  }
  std::vector<std::uint64_t> Shown(std::size_t slot) {
    return static_cast<const NumbersSink&>(*(**answer_).slots[slot].sink).numbers;
  }
  // Of the slot with this node.
  std::size_t SlotOf(int node) {
    const std::vector<Slot>& slots = (**answer_).slots;
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (slots[i].node->id == Id(node)) return i;
    }
    ADD_FAILURE() << "node " << node << " is not in it";
    return 0;
  }

  struct Deaf final : ReplySink {
    void OnTasks(std::span<const TaskView>) override {}
    void OnDone(Result<NodeReply>) override {}
  };

  Coordinator coordinator_{{Self()}, {executor_, random_, store_, nodes_}, {}};
  std::shared_ptr<RequestContext> context_ = std::make_shared<RequestContext>();
  std::optional<Result<Gathered>> answer_;
  std::optional<Result<GetAnswer>> got_;
  MonoTime answered_;
};

TEST_F(WaitingTest, AListTellsEachNodeHowLongToWaitAndShowsWhatTheyKnowThen) {
  ListQuery query;
  query.filter.actions = {"job:*"};
  query.detailed = true;
  Send(query, 30s);
  const auto first = Take<AwaitRequest>(1);
  const auto& asked = std::get<AwaitRequest>(first.request);
  EXPECT_EQ(std::get<TaskFilter>(asked.which), query.filter);
  EXPECT_TRUE(asked.detailed);
  EXPECT_EQ(asked.limit, 29s) << "the answer needs time to travel";
  Answer(first, {7, 8}, AwaitReply{2, 1});
  EXPECT_FALSE(answer_.has_value());
  Answer(Take<AwaitRequest>(2), {3}, AwaitReply{1, 0});
  ASSERT_TRUE(answer_.has_value()) << "no answer";
  ASSERT_THAT(*answer_, IsOk());
  EXPECT_EQ((**answer_).running, 1u);
  EXPECT_EQ((**answer_).failed(), 0u);
  EXPECT_THAT(Shown(SlotOf(1)), ElementsAre(7, 8));
}

TEST_F(WaitingTest, ANodeThatDiesOrIsSilentIsAFailureInTimeAndTheOthersAreKept) {
  const MonoTime start = scheduler_.Now();
  Send(ListQuery{}, 2s);
  Take<AwaitRequest>(2).sink->OnDone(Error{ErrorCode::kUnavailable, "it died"});
  const auto silent = Take<AwaitRequest>(1);
  scheduler_.Advance(10s);
  ASSERT_TRUE(answer_.has_value()) << "no answer";
  EXPECT_EQ(answered_ - start, 2s);
  EXPECT_EQ((**answer_).failed(), 2u);
  EXPECT_EQ((**answer_).slots[SlotOf(2)].failure->cause, FailureCause::kDisconnected);
  EXPECT_EQ((**answer_).slots[SlotOf(1)].failure->cause, FailureCause::kNoAnswer);
}

TEST_F(WaitingTest, ACallerWhoLeavesEndsTheWaitOnAllNodes) {
  Send(ListQuery{}, 30s);
  const auto first = Take<AwaitRequest>(1);
  const auto second = Take<AwaitRequest>(2);
  context_->Leave();
  scheduler_.Advance(1ms);
  ASSERT_TRUE(answer_.has_value()) << "something is kept for nobody";
  EXPECT_THAT(nodes_.withdrawn, testing::UnorderedElementsAre(first.sink.get(), second.sink.get()));
  EXPECT_FALSE(coordinator_.AtCapacity(true));
}

TEST_F(WaitingTest, ACallerWhoLeavesSaysNothingOfTheNodesConnections) {
  for (int context = 0; context < 3; ++context) {
    context_ = std::make_shared<RequestContext>();
    answer_.reset();
    Send(ListQuery{}, 30s);
    Take<AwaitRequest>(1);
    Take<AwaitRequest>(2);
    context_->Leave();
    scheduler_.Advance(10ms);
  }
  std::vector<bool> asked;
  for (int list = 0; list < 3; ++list) {
    std::optional<Result<Gathered>> got;
    ListQuery query;
    query.nodes.tokens = {Info(1).name};
    coordinator_.List(query, 1s, NumberSinks(), [&](Result<Gathered> found) { got = found; });
    Take<ListRequest>(1).sink->OnDone(Error{ErrorCode::kUnavailable, "gone"});
    scheduler_.Advance(10ms);
    ASSERT_TRUE(got);
    asked.push_back(!(*got)->slots[0].failure->action.empty());
  }
  EXPECT_THAT(asked, ElementsAre(true, true, false))
      << "the first two found it broken, the third knew";
}

TEST_F(WaitingTest, WhoHasLeftBeforeIsNotWaitedFor) {
  context_->Leave();
  Send(ListQuery{}, 30s);
  EXPECT_TRUE(answer_.has_value()) << "no answer";
  EXPECT_THAT(nodes_.withdrawn, SizeIs(2));
}

TEST_F(WaitingTest, AGetAsksForTheTaskWhenTheWaitIsOver) {
  for (const std::uint64_t running : {0u, 1u}) {
    got_.reset();
    Get(10s);
    const auto await = Take<AwaitRequest>(1);
    EXPECT_THAT(std::get<0>(std::get<AwaitRequest>(await.request).which), ElementsAre(7));
    Answer(await, {7}, AwaitReply{1, running});
    EXPECT_FALSE(got_.has_value());
    Answer(Take<GetRequest>(1), {7}, GetReply{running == 0, {}});
    ASSERT_TRUE(got_.has_value()) << "no answer";
    ASSERT_THAT(*got_, IsOk());
    EXPECT_EQ((**got_).ended, running == 0);
  }
}

TEST_F(WaitingTest, AGetOfANodeThatDiesMeanwhileSaysSo) {
  Get(10s);
  Answer(Take<AwaitRequest>(1), {}, AwaitReply{0, 0});
  Take<GetRequest>(1).sink->OnDone(Error{ErrorCode::kNotFound, "no"});
  scheduler_.Advance(1ms);
  EXPECT_THAT(*got_, FailsWith(ErrorCode::kNotFound, "isn't running"));
  got_.reset();
  Get(10s);
  Take<AwaitRequest>(1).sink->OnDone(Error{ErrorCode::kUnavailable, "it died"});
  scheduler_.Advance(1ms);
  EXPECT_THAT(*got_, FailsWith(ErrorCode::kUnavailable));
}

TEST_F(WaitingTest, ACancelByIdAnswersWhenTheTaskHasEnded) {
  Send(CancelOf(1, 7), 30s);
  const auto check = Take<GetRequest>(1);
  TaskView task = MakeTask(1, 7);
  task.cancellable = true;
  check.sink->OnTasks({&task, 1});
  check.sink->OnDone(NodeReply(GetReply{false, {}}));
  scheduler_.Advance(10ms);
  Push(1, {7});
  const auto await = Take<AwaitRequest>(1);
  const auto& asked = std::get<AwaitRequest>(await.request);
  EXPECT_THAT(std::get<0>(asked.which), ElementsAre(7));
  EXPECT_TRUE(asked.descendants);
  EXPECT_FALSE(answer_.has_value()) << "asked is not done";
  Answer(await, {7}, AwaitReply{1, 0});
  ASSERT_TRUE(answer_.has_value()) << "no answer";
  ASSERT_THAT(*answer_, IsOk());
  EXPECT_TRUE((**answer_).intent.has_value()) << "nothing was committed";
  EXPECT_THAT(Shown(0), ElementsAre(7));
}

TEST_F(WaitingTest, ACancelByFilterWaitsForWhatItHitAndLeavesTheSilentToTheIntent) {
  const MonoTime start = scheduler_.Now();
  Send(CancelAll(), 30s);
  scheduler_.Advance(10ms);
  Push(1, {7, 8});
  Take<ApplyRequest>(2);  // It does not answer.
  scheduler_.Advance(1s);
  EXPECT_FALSE(nodes_.Take(1)) << "all pushes come first";
  scheduler_.Advance(limits::kNodeDeadline);
  const auto await = Take<AwaitRequest>(1);
  EXPECT_THAT(std::get<0>(std::get<AwaitRequest>(await.request).which), ElementsAre(7, 8));
  scheduler_.Advance(10s);
  Answer(await, {7, 8}, AwaitReply{2, 0});
  ASSERT_TRUE(answer_.has_value()) << "no answer";
  ASSERT_THAT(*answer_, IsOk());
  EXPECT_LT(answered_ - start, 17s);
  EXPECT_EQ((**answer_).failed(), 1u);
  EXPECT_EQ((**answer_).selected(), 3u);
  EXPECT_THAT(Shown(SlotOf(1)), ElementsAre(7, 8));
  EXPECT_THAT(coordinator_.Members(), testing::Contains(testing::Field(&MemberStatus::pending, 1)));
}

TEST_F(WaitingTest, ACancelThatHitsNothingDoesNotWait) {
  Send(CancelAll(), 30s);
  scheduler_.Advance(10ms);
  Push(1, {});
  Push(2, {});
  ASSERT_TRUE(answer_.has_value()) << "no answer";
  EXPECT_EQ((**answer_).failed(), 0u);
}

TEST_F(WaitingTest, TheCancelOfACallerWhoLeavesIsPushedAllTheSame) {
  Send(CancelAll(), 30s);
  context_->Leave();
  scheduler_.Advance(10ms);
  Push(1, {7});
  EXPECT_THAT(nodes_.withdrawn, SizeIs(0)) << "a cancel was given up";
  Push(2, {});
  scheduler_.Advance(10ms);
  ASSERT_TRUE(answer_.has_value()) << "nobody waits";
  EXPECT_TRUE((**answer_).intent.has_value()) << "nothing was committed";
  EXPECT_THAT(nodes_.withdrawn, SizeIs(1));
}

TEST_F(WaitingTest, WaitsTakeNoPlaceFromOthersAndHaveALimitOfTheirOwn) {
  for (std::size_t i = 0; i < limits::kWaitsMax; ++i) {
    EXPECT_FALSE(coordinator_.AtCapacity(true)) << i;
    ListQuery query;
    query.wait = true;
    coordinator_.List(std::move(query), 1min, NumberSinks(), [](Result<Gathered>) {});
  }
  EXPECT_TRUE(coordinator_.AtCapacity(true));
  EXPECT_FALSE(coordinator_.AtCapacity(false));
  Send(ListQuery{}, 1s);
  EXPECT_THAT(*answer_, FailsWith(ErrorCode::kResourceExhausted, "tasks to end"));
  scheduler_.Advance(2min);
  EXPECT_FALSE(coordinator_.AtCapacity(true)) << "a place was not given back";
}

TEST_F(WaitingTest, NoWaitIsLongerThanTheLimit) {
  Send(ListQuery{}, 100h);
  EXPECT_EQ(std::get<AwaitRequest>(Take<AwaitRequest>(1).request).limit,
            limits::kWaitMax - limits::kWaitMargin);
  scheduler_.Advance(limits::kWaitMax);
  EXPECT_TRUE(answer_.has_value()) << "no answer";
}

}  // namespace
}  // namespace quell
