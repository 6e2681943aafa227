// Goal: what node and coordinator say arrives as it was said, whatever it was; and what nobody of
// ours can have said is refused, with the field named.
// Method: random values of every kind go to bytes and back; then single fields of good messages are
// spoiled.
#include "transport/grpc/convert.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/limits.h"
#include "core/utf8.h"
#include "tests/support/result_matchers.h"
#include "tests/unit/grpc/random_values.h"
#include "transport/grpc/fields.h"
#include "transport/grpc/status.h"

namespace quell {
namespace {

using testing::_;
using testing::ElementsAre;
using testing::SizeIs;
using testing::VariantWith;

// To the bytes of the wire and back.
template <typename Message, typename Value>
Message Sent(const Value& value) {
  Message message;
  ToProto(value, &message);
  Message received;
  EXPECT_TRUE(received.ParseFromString(message.SerializeAsString())) << message.DebugString();
  return received;
}

constexpr int kRounds = 200;

class ConvertTest : public testing::TestWithParam<std::uint64_t> {
 protected:
  RandomValues random_{GetParam()};
};

TEST_P(ConvertTest, TasksComeAsViewsOfWhatWasShown) {
  TaskPage reader;  // The same one for all, as its memory is used again.
  for (int round = 0; round < kRounds; ++round) {
    const NodeId node = random_.Node();
    std::vector<SeenTask> shown(random_.Below(6));
    v1::NodeReply message;
    for (SeenTask& task : shown) {
      task = random_.Shown(node);
      ToProto(task.View(), message.add_tasks());
    }
    v1::NodeReply received;
    ASSERT_TRUE(received.ParseFromString(message.SerializeAsString()));
    const auto page = reader.Read(node, received.tasks());
    ASSERT_THAT(page, IsOkAnd(SizeIs(shown.size())));
    for (std::size_t i = 0; i < shown.size(); ++i) {
      const SeenTask& sent = shown[i];
      const SeenTask seen((*page)[i]);
      EXPECT_EQ(seen.id, sent.id);
      EXPECT_EQ(seen.type, sent.type);
      EXPECT_EQ(seen.action, sent.action);
      EXPECT_EQ(seen.description, sent.description);
      EXPECT_EQ(seen.status_json, sent.status_json);
      EXPECT_EQ(seen.state, sent.state);
      EXPECT_EQ(seen.cancellable, sent.cancellable);
      EXPECT_EQ(seen.detached, sent.detached);
      EXPECT_EQ(seen.cancelled, sent.cancelled);
      EXPECT_EQ(seen.cancelled_at, sent.cancelled_at);
      EXPECT_EQ(seen.cancelled_by, sent.cancelled_by);
      EXPECT_EQ(seen.cancel_reason, sent.cancel_reason);
      EXPECT_EQ(seen.start_wall, sent.start_wall);
      EXPECT_EQ(seen.running, sent.running);
      EXPECT_EQ(seen.parent, sent.parent);
      EXPECT_EQ(seen.headers, sent.headers);
      EXPECT_EQ(seen.owner_uid, sent.owner_uid);
      EXPECT_EQ(seen.pid, sent.pid);
      EXPECT_EQ(seen.on_parent_lost, sent.on_parent_lost);
      EXPECT_EQ(seen.last_check, sent.last_check);
      EXPECT_EQ(seen.resources, sent.resources);
    }
  }
}

TEST_P(ConvertTest, RequestsOfACoordinatorArriveAsTheyWereMade) {
  for (int round = 0; round < kRounds; ++round) {
    ListRequest list{random_.Filter(), random_.Coin(), random_.Number(), random_.Number()};
    if (random_.Coin()) list.ended_since = random_.Time();
    const auto listed = FromProto(Sent<v1::NodeRequest>(NodeRequest(list)));
    ASSERT_THAT(listed, IsOkAnd(VariantWith<ListRequest>(_)));
    EXPECT_EQ(std::get<ListRequest>(*listed).filter, list.filter);
    EXPECT_EQ(std::get<ListRequest>(*listed).detailed, list.detailed);
    EXPECT_EQ(std::get<ListRequest>(*listed).after, list.after);
    EXPECT_EQ(std::get<ListRequest>(*listed).limit, list.limit);
    EXPECT_EQ(std::get<ListRequest>(*listed).ended_since, list.ended_since);

    const GetRequest get{random_.Number()};
    const auto got = FromProto(Sent<v1::NodeRequest>(NodeRequest(get)));
    ASSERT_THAT(got, IsOkAnd(VariantWith<GetRequest>(_)));
    EXPECT_EQ(std::get<GetRequest>(*got).number, get.number);

    ApplyRequest apply;
    for (std::uint64_t i = random_.Below(4); i > 0; --i)
      apply.intents.push_back(random_.AnIntent());
    const auto applied = FromProto(Sent<v1::NodeRequest>(NodeRequest(apply)));
    ASSERT_THAT(applied, IsOkAnd(VariantWith<ApplyRequest>(_)));
    EXPECT_EQ(std::get<ApplyRequest>(*applied).intents, apply.intents);

    EXPECT_THAT(FromProto(Sent<v1::NodeRequest>(NodeRequest(ProbeRequest{}))),
                IsOkAnd(VariantWith<ProbeRequest>(_)));

    const DrainRequest drain{random_.Coin(), random_.Coin()};
    const auto drained = FromProto(Sent<v1::NodeRequest>(NodeRequest(drain)));
    ASSERT_THAT(drained, IsOkAnd(VariantWith<DrainRequest>(_)));
    EXPECT_EQ(std::get<DrainRequest>(*drained).off, drain.off);
    EXPECT_EQ(std::get<DrainRequest>(*drained).leave, drain.leave);

    AwaitRequest await;
    if (random_.Coin()) {
      await.which = random_.Filter();
    } else {
      await.which = std::vector{random_.Number(), random_.Number()};
    }
    await.descendants = random_.Coin();
    await.detailed = random_.Coin();
    await.limit = std::chrono::microseconds(random_.Below(1'000'000'000));
    const auto awaited = FromProto(Sent<v1::NodeRequest>(NodeRequest(await)));
    ASSERT_THAT(awaited, IsOkAnd(VariantWith<AwaitRequest>(_)));
    EXPECT_EQ(std::get<AwaitRequest>(*awaited).which, await.which);
    EXPECT_EQ(std::get<AwaitRequest>(*awaited).descendants, await.descendants);
    EXPECT_EQ(std::get<AwaitRequest>(*awaited).detailed, await.detailed);
    EXPECT_EQ(std::get<AwaitRequest>(*awaited).limit, await.limit);
  }
}

TEST_P(ConvertTest, AWaitForNothingOrForTooMuchIsRefusedAndALongOneCut) {
  v1::NodeRequest request;
  v1::AwaitRequest& await = *request.mutable_await();
  EXPECT_THAT(FromProto(request), FailsWith(ErrorCode::kInternal, "awaited"));
  await.mutable_numbers()->add_numbers(0);
  EXPECT_THAT(FromProto(request), FailsWith(ErrorCode::kInternal, "awaited number"));
  for (std::size_t i = 0; i <= limits::kTasksPerNodeMax; ++i)
    await.mutable_numbers()->add_numbers(1);
  EXPECT_THAT(FromProto(request), FailsWith(ErrorCode::kInternal, "too many"));
  await.mutable_filter();
  await.set_limit_micros(~std::uint64_t{0});
  const auto longest = FromProto(request);
  ASSERT_THAT(longest, IsOkAnd(VariantWith<AwaitRequest>(_)));
  EXPECT_EQ(std::get<AwaitRequest>(*longest).limit, limits::kWaitMax);
}

TEST_P(ConvertTest, RepliesOfANodeArriveAsTheyWereMade) {
  for (int round = 0; round < kRounds; ++round) {
    const ListReply list{random_.Below(1'000'000), random_.Coin()};
    const auto listed = FromProto(Sent<v1::NodeReply>(NodeReply(list)), {});
    ASSERT_THAT(listed, IsOkAnd(VariantWith<ListReply>(_)));
    EXPECT_EQ(std::get<ListReply>(*listed).count, list.count);
    EXPECT_EQ(std::get<ListReply>(*listed).more, list.more);

    GetReply get;
    get.ended = random_.Coin();
    if (random_.Coin()) get.receipt = random_.AReceipt();
    const auto got = FromProto(Sent<v1::NodeReply>(NodeReply(get)), {});
    ASSERT_THAT(got, IsOkAnd(VariantWith<GetReply>(_)));
    EXPECT_EQ(std::get<GetReply>(*got).ended, get.ended);
    EXPECT_EQ(std::get<GetReply>(*got).receipt, get.receipt);

    ApplyReply apply;
    for (std::uint64_t i = random_.Below(4); i > 0; --i)
      apply.acks.push_back(random_.Ack());
    const auto applied = FromProto(Sent<v1::NodeReply>(NodeReply(apply)), {});
    ASSERT_THAT(applied, IsOkAnd(VariantWith<ApplyReply>(_)));
    EXPECT_EQ(std::get<ApplyReply>(*applied).acks, apply.acks);

    const ProbeReply probe{random_.Node(), Incarnation{1 + random_.Below(1000)}};
    const auto probed = FromProto(Sent<v1::NodeReply>(NodeReply(probe)), {});
    ASSERT_THAT(probed, IsOkAnd(VariantWith<ProbeReply>(_)));
    EXPECT_EQ(std::get<ProbeReply>(*probed).node, probe.node);
    EXPECT_EQ(std::get<ProbeReply>(*probed).incarnation, probe.incarnation);

    const AwaitReply await{random_.Below(1000), random_.Below(1000)};
    const auto awaited = FromProto(Sent<v1::NodeReply>(NodeReply(await)), {});
    ASSERT_THAT(awaited, IsOkAnd(VariantWith<AwaitReply>(_)));
    EXPECT_EQ(std::get<AwaitReply>(*awaited).count, await.count);
    EXPECT_EQ(std::get<AwaitReply>(*awaited).running, await.running);

    const DrainReply drain{random_.Below(1000), random_.Coin(), random_.Coin()};
    const auto drained = FromProto(Sent<v1::NodeReply>(NodeReply(drain)), {});
    ASSERT_THAT(drained, IsOkAnd(VariantWith<DrainReply>(_)));
    EXPECT_EQ(std::get<DrainReply>(*drained).live, drain.live);
    EXPECT_EQ(std::get<DrainReply>(*drained).draining, drain.draining);
    EXPECT_EQ(std::get<DrainReply>(*drained).leaving, drain.leaving);

    const Error error = random_.AnError();
    v1::NodeReply failed;
    ToProto(error, failed.mutable_error());
    EXPECT_EQ(FromProto(failed, {}).error(), error);
  }
}

TEST_P(ConvertTest, HowARequestShowsAsATaskArrivesWithinItsLimits) {
  const auto listed = [](RequestTask task) {
    ListRequest list;
    list.as_task = std::move(task);
    return FromProto(Sent<v1::NodeRequest>(NodeRequest(list)));
  };
  RequestTask task{"lists[n]", {}, TaskId{random_.Node(), 7}, {{"X-Opaque-Id", "me"}}};
  const Result<NodeRequest> got = listed(task);
  ASSERT_THAT(got, IsOkAnd(VariantWith<ListRequest>(_)));
  const std::optional<RequestTask>& arrived = std::get<ListRequest>(*got).as_task;
  ASSERT_TRUE(arrived);
  EXPECT_EQ(arrived->action, task.action);
  EXPECT_EQ(arrived->parent, task.parent);
  EXPECT_EQ(arrived->headers, task.headers);

  AwaitRequest await;
  await.as_task = task;
  const auto awaited = FromProto(Sent<v1::NodeRequest>(NodeRequest(await)));
  ASSERT_THAT(awaited, IsOkAnd(VariantWith<AwaitRequest>(_)));
  EXPECT_EQ(std::get<AwaitRequest>(*awaited).as_task->action, task.action);

  EXPECT_THAT(listed(RequestTask{""}), FailsWith(ErrorCode::kInternal, "action"));
  EXPECT_THAT(listed(RequestTask{std::string(limits::kActionMax + 1, 'a')}),
              FailsWith(ErrorCode::kInternal, "action"));
  task.headers.front().value.assign(limits::kHeaderValueMax + 1, 'v');
  EXPECT_THAT(listed(task), FailsWith(ErrorCode::kInternal, "header"));
  task.headers.assign(limits::kHeadersMax + 1, {"a", "b"});
  EXPECT_THAT(listed(task), FailsWith(ErrorCode::kInternal, "headers"));
}

TEST_P(ConvertTest, MembershipArrivesAsItWasMade) {
  for (int round = 0; round < kRounds; ++round) {
    JoinRequest join{random_.Info(), random_.Number()};
    for (std::uint64_t i = random_.Below(4); i > 0; --i)
      join.former_lives.push_back(random_.Life());
    const auto joined = FromProto(Sent<v1::JoinRequest>(join));
    ASSERT_THAT(joined, IsOk());
    EXPECT_EQ(joined->node, join.node);
    EXPECT_EQ(joined->next_number, join.next_number);
    EXPECT_EQ(joined->former_lives, join.former_lives);

    JoinReply welcome{random_.Node(),
                      random_.Text(100),
                      random_.Number(),
                      {},
                      random_.Coin() ? random_.Moment() : BootMoment(),
                      random_.Time()};
    for (std::uint64_t i = random_.Below(4); i > 0; --i)
      welcome.pending.push_back(random_.AnIntent());
    const auto welcomed = FromProto(Sent<v1::JoinReply>(welcome));
    ASSERT_THAT(welcomed, IsOk());
    EXPECT_EQ(welcomed->coordinator, welcome.coordinator);
    EXPECT_EQ(welcomed->coordinator_name, welcome.coordinator_name);
    EXPECT_EQ(welcomed->next_number, welcome.next_number);
    EXPECT_EQ(welcomed->pending, welcome.pending);
    EXPECT_EQ(welcomed->wall, welcome.wall);
    EXPECT_EQ(welcomed->clock, welcome.clock);

    HeartbeatRequest beat{random_.Node(), Incarnation{1 + random_.Below(9)}, random_.Number(), {}};
    for (std::uint64_t i = random_.Below(4); i > 0; --i)
      beat.acks.push_back(random_.Ack());
    if (random_.Coin())
      beat.cancelled_running = CancelledRunning{random_.Number(), random_.Number()};
    if (random_.Coin()) beat.live_tasks = random_.Below(1000);
    beat.draining = random_.Coin();
    for (std::uint64_t i = random_.Below(4); i > 0; --i)
      beat.handoff.push_back(random_.AnIntent());
    if (random_.Coin()) beat.host_load = random_.Load();
    if (random_.Coin()) beat.life = random_.Life();
    const auto beaten = FromProto(Sent<v1::HeartbeatRequest>(beat));
    ASSERT_THAT(beaten, IsOk());
    EXPECT_EQ(beaten->node, beat.node);
    EXPECT_EQ(beaten->incarnation, beat.incarnation);
    EXPECT_EQ(beaten->next_number, beat.next_number);
    EXPECT_EQ(beaten->acks, beat.acks);
    EXPECT_EQ(beaten->life, beat.life);
    EXPECT_EQ(beaten->cancelled_running, beat.cancelled_running);
    EXPECT_EQ(beaten->handoff, beat.handoff);
    EXPECT_EQ(beaten->host_load, beat.host_load);
    EXPECT_EQ(beaten->live_tasks, beat.live_tasks);
    EXPECT_EQ(beaten->draining, beat.draining);

    HeartbeatReply echo{
        random_.Coin(), {}, random_.Coin() ? random_.Moment() : BootMoment(), random_.Time()};
    for (std::uint64_t i = random_.Below(4); i > 0; --i)
      echo.pending.push_back(random_.AnIntent());
    for (std::uint64_t i = random_.Below(4); i > 0; --i)
      echo.settled.push_back(random_.AnIntent().id);
    const auto echoed = FromProto(Sent<v1::HeartbeatReply>(echo));
    ASSERT_THAT(echoed, IsOk());
    EXPECT_EQ(echoed->rejoin, echo.rejoin);
    EXPECT_EQ(echoed->pending, echo.pending);
    EXPECT_EQ(echoed->settled, echo.settled);
    EXPECT_EQ(echoed->wall, echo.wall);
    EXPECT_EQ(echoed->clock, echo.clock);

    const LeaveRequest leave{random_.Node(), Incarnation{1 + random_.Below(9)}, random_.Coin()};
    const auto left = FromProto(Sent<v1::LeaveRequest>(leave));
    ASSERT_THAT(left, IsOk());
    EXPECT_EQ(left->node, leave.node);
    EXPECT_EQ(left->incarnation, leave.incarnation);
    EXPECT_EQ(left->for_good, leave.for_good);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ConvertTest, testing::Range<std::uint64_t>(1, 6));

TEST(ConvertEnumTest, EveryValueOfTheDomainHasOneOfTheWireAndBack) {
  for (int i = 0; i <= static_cast<int>(TaskState::kRejected); ++i) {
    const auto state = static_cast<TaskState>(i);
    EXPECT_THAT(FromProto(ToProto(state)), IsOkAnd(state));
  }
  for (int i = 0; i <= static_cast<int>(ReceiptState::kEnded); ++i) {
    const auto state = static_cast<ReceiptState>(i);
    EXPECT_THAT(FromProto(ToProto(state)), IsOkAnd(state));
  }
  for (int i = 0; i <= static_cast<int>(ErrorCode::kOutcomeUnknown); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    if (code == ErrorCode::kDraining) continue;  // Never on the wire: it is for programs.
    EXPECT_EQ(FromProto(ToProto(code)), code);
  }
}

TEST(ConvertEnumTest, AnUnknownValueIsRefusedButForErrorCodes) {
  EXPECT_THAT(FromProto(v1::TASK_STATE_UNSPECIFIED), FailsWith(ErrorCode::kInternal));
  EXPECT_THAT(FromProto(static_cast<v1::TaskState>(77)), FailsWith(ErrorCode::kInternal));
  EXPECT_THAT(FromProto(v1::RECEIPT_STATE_UNSPECIFIED), FailsWith(ErrorCode::kInternal));
  EXPECT_THAT(FromProto(static_cast<v1::ReceiptState>(77)), FailsWith(ErrorCode::kInternal));
  EXPECT_EQ(FromProto(v1::ERROR_CODE_UNSPECIFIED), ErrorCode::kInternal);
  EXPECT_EQ(FromProto(static_cast<v1::ErrorCode>(77)), ErrorCode::kInternal);
}

TEST(HeartbeatGarbageTest, RefusesFiguresThatNoHostHas) {
  v1::HeartbeatRequest beat;
  ToProto(HeartbeatRequest{RandomValues(1).Node(), Incarnation{1}, 1, {}}, &beat);
  ASSERT_THAT(FromProto(beat), IsOk());
  EXPECT_FALSE(beat.has_host_load());
  beat.mutable_host_load()->set_cpu_percent(101);
  EXPECT_THAT(FromProto(beat), FailsWith(ErrorCode::kInternal, "host's load"));
  beat.mutable_host_load()->set_cpu_percent(100);
  ASSERT_THAT(FromProto(beat), IsOk());
  beat.mutable_host_load()->mutable_averages()->set_five(std::nan(""));
  EXPECT_THAT(FromProto(beat), FailsWith(ErrorCode::kInternal, "host's load"));
}

// A good task, and what refuses it once a field is spoiled.
class TaskGarbageTest : public testing::Test {
 protected:
  TaskGarbageTest() {
    task()->set_number(1);
    task()->set_action("a");
    task()->set_state(v1::TASK_STATE_RUNNING);
  }
  v1::Task* task() {
    if (page_.tasks_size() == 0) page_.add_tasks();
    return page_.mutable_tasks(0);
  }
  // It costs itself alone: a good one beside it is taken.
  void ExpectRefused(const std::string& word) {
    v1::NodeReply page = page_;
    v1::Task* good = page.add_tasks();
    good->set_number(2);
    good->set_action("b");
    good->set_state(v1::TASK_STATE_RUNNING);
    const NodeId node = RandomValues(1).Node();
    const auto read = reader_.Read(node, page.tasks());
    ASSERT_THAT(read, IsOkAnd(SizeIs(1))) << word;
    EXPECT_EQ(read->front().id, (TaskId{node, 2}));
    EXPECT_EQ(read->front().action, "b");
    ASSERT_THAT(reader_.unreadable(), SizeIs(1)) << word;
    EXPECT_THAT(reader_.unreadable().front().reason, testing::HasSubstr(word));
    EXPECT_EQ(reader_.unreadable().front().node, node);
  }

  v1::NodeReply page_;
  TaskPage reader_;
};

TEST_F(TaskGarbageTest, TheUnspoiledTaskIsTaken) {
  EXPECT_THAT(reader_.Read(NodeId(), page_.tasks()), IsOkAnd(SizeIs(1)));
}

TEST_F(TaskGarbageTest, RefusesNumbersThatCannotHaveBeenIssued) {
  task()->set_number(0);
  ExpectRefused("number");
  task()->set_number(TaskId::kNumberMax + 1);
  ExpectRefused("number");
}

TEST_F(TaskGarbageTest, RefusesUnknownStates) {
  task()->set_state(v1::TASK_STATE_UNSPECIFIED);
  ExpectRefused("state");
}

TEST_F(TaskGarbageTest, RefusesTimesBefore1970) {
  task()->set_start_micros(-1);
  ExpectRefused("start");
  task()->set_start_micros(0);
  task()->mutable_cancel()->set_at_micros(-1);
  ExpectRefused("cancel");
  task()->clear_cancel();
  task()->set_running_nanos(~std::uint64_t{0});
  ExpectRefused("running");
}

TEST_F(TaskGarbageTest, RefusesMalformedParents) {
  task()->mutable_parent()->set_number(1);
  ExpectRefused("node");
  task()->mutable_parent()->set_node("-AAAAAAAAAAAAAAAAAAAAA");
  ExpectRefused("node");
  task()->mutable_parent()->set_node(std::string(22, 'A'));  // The null id.
  ExpectRefused("node");
}

TEST_F(TaskGarbageTest, RefusesAStatusThatIsNoObject) {
  for (const char* status : {"[]", "1", "{", "{} {}", "{\"a\":}", "{\"a\":1,}", "{'a':1}"}) {
    task()->set_status_json(status);
    ExpectRefused("status");
  }
}

TEST_F(TaskGarbageTest, RefusesWhatIsLongerThanItMayBe) {
  const auto spoil = [this](std::string* field, std::size_t max, const std::string& word) {
    const std::string good = *field;
    field->assign(max + 1, 'x');
    ExpectRefused(word);
    *field = good;
  };
  spoil(task()->mutable_type(), limits::kActionMax, "type");
  spoil(task()->mutable_action(), limits::kActionMax, "action");
  spoil(task()->mutable_description(), limits::kDescriptionMax, "description");
  spoil(task()->mutable_status_json(), limits::kStatusMax, "status");
  spoil(task()->mutable_cancel()->mutable_by(), limits::kPrincipalMax, "principal");
  spoil(task()->mutable_cancel()->mutable_reason(), limits::kReasonMax, "reason");
  v1::Header* header = task()->add_headers();
  header->set_name("a");
  spoil(header->mutable_name(), limits::kHeaderNameMax, "header");
  spoil(header->mutable_value(), limits::kHeaderValueMax, "header");
  for (std::size_t i = 1; i <= limits::kHeadersMax; ++i)
    task()->add_headers();
  ExpectRefused("headers");
}

TEST_F(TaskGarbageTest, RefusesAnEmptyActionAndANegativePid) {
  task()->clear_action();
  ExpectRefused("action");
  task()->set_action("a");
  task()->set_pid(-1);
  ExpectRefused("pid");
}

// A good intent, spoiled.
class IntentGarbageTest : public testing::Test {
 protected:
  IntentGarbageTest() { ToProto(RandomValues(1).AnIntent(), &intent_); }
  void ExpectRefused(const std::string& word) {
    EXPECT_THAT(FromProto(intent_), FailsWith(ErrorCode::kInternal, word));
  }
  v1::Intent intent_;
};

TEST_F(IntentGarbageTest, RefusesMalformedIds) {
  intent_.set_id("short");
  ExpectRefused("id");
}

TEST_F(IntentGarbageTest, RefusesATargetThatIsAbsentOrMalformed) {
  intent_.clear_target();
  ExpectRefused("target");
  intent_.mutable_task()->set_number(1);
  ExpectRefused("node");
}

TEST_F(IntentGarbageTest, RefusesAFilterThatIsTooLarge) {
  for (std::size_t i = 0; i <= limits::kActionPatternsMax; ++i)
    intent_.mutable_filter()->add_actions("*");
  ExpectRefused("patterns");
  intent_.mutable_filter()->clear_actions();
  intent_.mutable_filter()->add_actions(std::string(limits::kActionPatternMax + 1, '*'));
  ExpectRefused("pattern");
}

TEST_F(IntentGarbageTest, RefusesTimesOutOfRange) {
  intent_.set_requested_micros(-1);
  ExpectRefused("moment");
  intent_.set_requested_micros(1);
  intent_.set_grace_millis(-1);
  ExpectRefused("grace");
  intent_.set_grace_millis(std::numeric_limits<std::int64_t>::max());
  ExpectRefused("grace");
}

TEST_F(IntentGarbageTest, RefusesMoreIntentsThanAMessageMayHave) {
  v1::NodeRequest request;
  v1::HeartbeatReply reply;
  for (std::size_t i = 0; i <= limits::kIntentsPerReply; ++i) {
    *request.mutable_apply()->add_intents() = intent_;
    *reply.add_pending() = intent_;
  }
  EXPECT_THAT(FromProto(request), FailsWith(ErrorCode::kInternal, "intents"));
  EXPECT_THAT(FromProto(reply), FailsWith(ErrorCode::kInternal, "intents"));
}

TEST(MembershipGarbageTest, RefusesALifeThatIsNone) {
  v1::HeartbeatRequest beat;
  beat.set_node(RandomValues(1).Node().ToString());
  EXPECT_THAT(FromProto(beat), FailsWith(ErrorCode::kInternal, "incarnation"));
  beat.set_incarnation(1);
  EXPECT_THAT(FromProto(beat), IsOk());
  beat.set_next_number(TaskId::kNumberMax + 2);
  EXPECT_THAT(FromProto(beat), FailsWith(ErrorCode::kInternal, "next number"));
}

TEST(MembershipGarbageTest, RefusesANodeThatSaysTooMuch) {
  v1::JoinRequest join;
  ToProto(JoinRequest{RandomValues(1).Info(), 1}, &join);
  EXPECT_THAT(FromProto(join), IsOk());
  join.mutable_node()->set_version(std::string(limits::kNodeInfoMax, 'v'));
  EXPECT_THAT(FromProto(join), FailsWith(ErrorCode::kInternal, "too long"));
}

TEST(ConvertAcksTest, JoinsWhatWasSpreadOverSeveralAcks) {
  RandomValues random(1);
  IntentAck whole = random.Ack();
  whole.receipts = {random.AReceipt(), random.AReceipt(), random.AReceipt()};
  const IntentAck other = random.Ack();
  IntentAck first = whole;
  first.receipts.resize(1);
  first.doubtful.clear();
  IntentAck rest = whole;
  rest.receipts.erase(rest.receipts.begin());
  v1::NodeReply reply;
  for (const IntentAck& ack : {first, rest, other})
    ToProto(ack, reply.add_acks());
  std::vector<IntentAck> acks;
  ASSERT_THAT(AppendAcks(reply.acks(), &acks), IsOk());
  EXPECT_THAT(acks, ElementsAre(whole, other));
}

TEST(PeerTextTest, ALongTextOfAnErrorIsCutBetweenCharacters) {
  std::string longest(limits::kPeerTextMax, 'x');
  EXPECT_EQ(fields::PeerText(longest), longest);
  EXPECT_EQ(fields::PeerText(longest + "y"), longest + "...");
  // A character of three bytes does not fit any more.
  longest.resize(limits::kPeerTextMax - 1);
  EXPECT_EQ(fields::PeerText(longest + "\xE2\x82\xAC and so on"), longest + "...");

  v1::NodeReply failed;
  failed.mutable_error()->set_code(v1::ERROR_CODE_UNAVAILABLE);
  failed.mutable_error()->set_message(std::string(3'000'000, 'x'));
  EXPECT_EQ(FromProto(failed, {}).error().message.size(), limits::kPeerTextMax + 3);
  const grpc::Status status(grpc::StatusCode::INTERNAL, std::string(3'000'000, 'x'));
  EXPECT_EQ(rpc::FromStatus(status).message.size(), limits::kPeerTextMax + 3);
}

TEST(Utf8Test, WhatIsSentIsAlwaysWellFormed) {
  SeededRandom random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random.Below(20), ' ');
    for (char& c : text)
      c = static_cast<char>(random.Below(3) == 0 ? random.Below(256) : 'a' + random.Below(26));
    std::string sent;
    fields::SetText(text, &sent);
    EXPECT_TRUE(IsUtf8(sent)) << sent;
    if (IsUtf8(text)) {
      EXPECT_EQ(sent, text);
    }
    v1::Error message;
    message.set_message(sent);
    EXPECT_TRUE(v1::Error().ParseFromString(message.SerializeAsString())) << sent;
  }
}

}  // namespace
}  // namespace quell
