// Goal: joins, heartbeats and leaves arrive as they were made and are answered once, whichever end
// is slow, full, stopping or gone.
// Method: a real client and a real server over loopback; the coordinator's executor is a second
// loop.
#include <map>

#include <gtest/gtest.h>

#include "core/limits.h"
#include "tests/unit/grpc/random_values.h"
#include "tests/unit/grpc/support.h"
#include "transport/grpc/convert.h"
#include "transport/grpc/heartbeat_parts.h"
#include "transport/grpc/membership_client.h"
#include "transport/grpc/membership_server.h"

namespace quell {
namespace {

using testing::_;
using testing::Field;
using testing::SizeIs;
using namespace std::chrono_literals;

// A handler made of functions; by default each call is kept unanswered.
class ScriptedCoordinator final : public MembershipHandler {
 public:
  template <typename Reply>
  using Answer = std::function<void(Result<Reply>)>;

  void OnJoin(JoinRequest request, const Principal& who, Answer<JoinReply> reply) override {
    who_ = who;
    on_join(std::move(request), std::move(reply));
  }
  void OnHeartbeat(HeartbeatRequest request, const Principal&,
                   Answer<HeartbeatReply> reply) override {
    on_heartbeat(std::move(request), std::move(reply));
  }
  void OnLeave(LeaveRequest request, const Principal&, std::function<void(Status)> reply) override {
    on_leave(std::move(request), std::move(reply));
  }

  std::function<void(JoinRequest, Answer<JoinReply>)> on_join = [this](const JoinRequest&,
                                                                       Answer<JoinReply> reply) {
    kept.push_back(std::move(reply));
    asked.Set();
  };
  std::function<void(HeartbeatRequest, Answer<HeartbeatReply>)> on_heartbeat;
  std::function<void(LeaveRequest, std::function<void(Status)>)> on_leave;
  std::vector<Answer<JoinReply>> kept;
  Event asked;
  Principal who_;
};

// A coordinator daemon's way to the world. Its executor is a loop of its own, as it is Asio's
// there.
class TestCoordinator {
 public:
  explicit TestCoordinator(const std::string& address = "127.0.0.1:0") {
    auto server = GrpcServer::Listen(*loop_, address, {&service_});
    if (!server) {
      ADD_FAILURE() << server.error();
      return;
    }
    server_ = std::move(*server);
    address_ = server_->address();
    service_.Serve(handler);
  }
  ~TestCoordinator() { Stop(); }

  void Stop() {
    if (!server_) return;
    executor_.Run([this] { service_.Close(); });
    server_->Shutdown();
    loop_->Stop();
    executor_->Stop();
    server_ = nullptr;
  }
  const std::string& address() const { return address_; }
  RunningLoop& executor() { return executor_; }

  ScriptedCoordinator handler;

 private:
  std::string address_;
  RunningLoop executor_;
  RunningLoop loop_;
  GrpcMembershipServer service_{*loop_, *executor_};
  std::unique_ptr<GrpcServer> server_;
};

// A call's end, for the thread that waits for it.
template <typename T>
class Ending {
 public:
  std::function<void(Result<T>)> Done() {
    return [state = state_](Result<T> result) {
      EXPECT_FALSE(state->done.IsSet()) << "told twice";
      state->result = std::move(result);
      state->done.Set();
    };
  }
  Result<T> Wait() {
    if (!state_->done.Wait()) return Error{ErrorCode::kInternal, "the test waited in vain"};
    return *state_->result;
  }

 private:
  struct State {
    Event done;
    std::optional<Result<T>> result;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// A node daemon's end: everything on its loop.
class TestMember {
 public:
  explicit TestMember(const std::string& coordinator) : client_(*loop_, coordinator) {}

  Ending<JoinReply> Join(JoinRequest request, MonoClock::duration time = kForever) {
    Ending<JoinReply> ending;
    loop_.Run([&] { client_.Join(std::move(request), loop_.In(time), ending.Done()); });
    return ending;
  }
  Ending<HeartbeatReply> Heartbeat(HeartbeatRequest request) {
    Ending<HeartbeatReply> ending;
    loop_.Run([&] { client_.Heartbeat(std::move(request), loop_.In(kForever), ending.Done()); });
    return ending;
  }
  Ending<void> Leave(LeaveRequest request) {
    Ending<void> ending;
    loop_.Run([&] { client_.Leave(request, loop_.In(kForever), ending.Done()); });
    return ending;
  }
  RunningLoop& loop() { return loop_; }
  GrpcMembershipClient& client() { return client_; }

 private:
  RunningLoop loop_;
  GrpcMembershipClient client_;
};

JoinRequest AJoin() {
  return {RandomValues(1).Info(), 17};
}

void SendJoinReply(const JoinRequest&, const ScriptedCoordinator::Answer<JoinReply>& reply) {
  JoinReply welcome;
  welcome.coordinator = NodeOf(9);
  welcome.wall = WallFromMicros(1);
  reply(welcome);
}

TEST(GrpcMembershipTest, JoinsAndIsAnswered) {
  RandomValues random(2);
  JoinReply welcome{NodeOf(9), "coordinator", 1234, {random.AnIntent()}, random.Moment(), {}};
  JoinRequest seen;
  TestCoordinator coordinator;
  coordinator.handler.on_join = [&](JoinRequest request, const auto& reply) {
    EXPECT_TRUE(coordinator.executor()->IsOwnThread());
    seen = std::move(request);
    reply(welcome);
  };
  TestMember member(coordinator.address());
  const Result<JoinReply> reply = member.Join(AJoin()).Wait();
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->coordinator, welcome.coordinator);
  EXPECT_EQ(reply->pending, welcome.pending);
  EXPECT_EQ(reply->clock, welcome.clock);
  coordinator.Stop();
  EXPECT_EQ(seen.node, AJoin().node);
  EXPECT_EQ(seen.next_number, 17U);
  EXPECT_EQ(coordinator.handler.who_.transport, Principal::Transport::kLoopback);
}

TEST(GrpcMembershipTest, BeatsAndLeaves) {
  RandomValues random(3);
  HeartbeatRequest beat{NodeOf(1), Incarnation{2}, 5, {random.Ack()}};
  beat.cancelled_running = CancelledRunning{3, 4};
  beat.handoff = {random.AnIntent()};
  beat.host_load = random.Load();
  beat.life = random.Life();
  beat.live_tasks = 77;
  beat.draining = true;
  TestCoordinator coordinator;
  coordinator.handler.on_heartbeat = [&](const HeartbeatRequest& request, const auto& reply) {
    EXPECT_EQ(request.node, beat.node);
    EXPECT_EQ(request.incarnation, beat.incarnation);
    EXPECT_EQ(request.next_number, beat.next_number);
    EXPECT_EQ(request.acks, beat.acks);
    EXPECT_EQ(request.cancelled_running, beat.cancelled_running);
    EXPECT_EQ(request.handoff, beat.handoff);
    EXPECT_EQ(request.host_load, beat.host_load);
    EXPECT_EQ(request.life, beat.life);
    EXPECT_EQ(request.live_tasks, beat.live_tasks);
    EXPECT_EQ(request.draining, beat.draining);
    reply(HeartbeatReply{true, {}, {}, WallFromMicros(7)});
  };
  coordinator.handler.on_leave = [](const LeaveRequest& request, const auto& reply) {
    EXPECT_EQ(request.incarnation, Incarnation{2});
    reply({});
  };
  TestMember member(coordinator.address());
  EXPECT_THAT(member.Heartbeat(beat).Wait(), IsOkAnd(Field(&HeartbeatReply::rejoin, true)));
  EXPECT_THAT(member.Leave({NodeOf(1), Incarnation{2}}).Wait(), IsOk());
}

TEST(GrpcMembershipTest, EachErrorOfTheCoordinatorComesAsItIs) {
  TestCoordinator coordinator;
  Error error;
  coordinator.handler.on_leave = [&](const LeaveRequest&, const auto& reply) { reply(error); };
  TestMember member(coordinator.address());
  for (int i = 0; i <= static_cast<int>(ErrorCode::kOutcomeUnknown); ++i) {
    const Error wanted{static_cast<ErrorCode>(i), "because"};
    if (wanted.code == ErrorCode::kDraining) continue;  // Never on the wire: it is for programs.
    coordinator.executor().Run([&] { error = wanted; });
    EXPECT_EQ(member.Leave({NodeOf(1), Incarnation{1}}).Wait().error(), wanted);
  }
}

TEST(GrpcMembershipTest, AnswersThatComeLaterAndInAnyOrderReachTheirCallers) {
  TestCoordinator coordinator;
  std::map<std::uint64_t, ScriptedCoordinator::Answer<HeartbeatReply>> kept;
  Event all;
  coordinator.handler.on_heartbeat = [&](const HeartbeatRequest& request, auto reply) {
    kept[request.next_number] = std::move(reply);
    if (kept.size() == 3) all.Set();
  };
  TestMember member(coordinator.address());
  std::vector<Ending<HeartbeatReply>> endings;
  for (std::uint64_t i = 0; i < 3; ++i)
    endings.push_back(member.Heartbeat({NodeOf(1), Incarnation{1}, i, {}}));
  ASSERT_TRUE(all.Wait());
  for (int i = 2; i >= 0; --i) {
    coordinator.executor().Run([&] {
      kept[static_cast<std::size_t>(i)](HeartbeatReply{false, {}, {}, WallFromMicros(i)});
    });
    EXPECT_THAT(endings[static_cast<std::size_t>(i)].Wait(),
                IsOkAnd(Field(&HeartbeatReply::wall, WallFromMicros(i))));
  }
}

TEST(GrpcMembershipTest, EndsAtTheDeadlineIfTheCoordinatorIsSilent) {
  TestCoordinator coordinator;
  TestMember member(coordinator.address());
  EXPECT_THAT(member.Join(AJoin(), 100ms).Wait(), FailsWith(ErrorCode::kDeadlineExceeded));
  const DeadEnd silent(true);
  TestMember lost(silent.address());
  EXPECT_THAT(lost.Join(AJoin(), 100ms).Wait(), FailsWith(ErrorCode::kDeadlineExceeded));
}

TEST(GrpcMembershipTest, FailsFastIfNobodyListensAndComesBackAtOnce) {
  auto first = std::make_unique<TestCoordinator>();
  const std::string address = first->address();
  first->handler.on_join = SendJoinReply;
  TestMember member(address);
  EXPECT_THAT(member.Join(AJoin()).Wait(), IsOk());
  first = nullptr;
  // Often enough for gRPC to back off for longer than this test has patience.
  for (int i = 0; i < 10; ++i)
    EXPECT_THAT(member.Join(AJoin(), 1h).Wait(), FailsWith(ErrorCode::kUnavailable));
  TestCoordinator second(address);
  second.handler.on_join = SendJoinReply;
  EXPECT_THAT(member.Join(AJoin()).Wait(), IsOk());
}

TEST(GrpcMembershipTest, AReplyThatIsDroppedEndsItsCall) {
  TestCoordinator coordinator;
  coordinator.handler.on_join = [](const JoinRequest&, const auto&) {};
  TestMember member(coordinator.address());
  EXPECT_THAT(member.Join(AJoin(), 1h).Wait(), FailsWith(ErrorCode::kUnavailable));
}

TEST(GrpcMembershipTest, ASecondReplyDoesNothing) {
  TestCoordinator coordinator;
  coordinator.handler.on_join = [](const JoinRequest& request, const auto& reply) {
    SendJoinReply(request, reply);
    reply(Error{ErrorCode::kAlreadyExists, "too late"});
  };
  TestMember member(coordinator.address());
  EXPECT_THAT(member.Join(AJoin()).Wait(), IsOk());
  EXPECT_THAT(member.Join(AJoin()).Wait(), IsOk());
}

TEST(GrpcMembershipTest, CallsEndWhenTheCoordinatorStops) {
  TestCoordinator coordinator;
  TestMember member(coordinator.address());
  auto ending = member.Join(AJoin(), 1h);
  ASSERT_TRUE(coordinator.handler.asked.Wait());
  coordinator.Stop();
  EXPECT_THAT(ending.Wait(), FailsWith(ErrorCode::kUnavailable, "stopping"));
  SendJoinReply({}, coordinator.handler.kept.at(0));  // Harmless.
}

TEST(GrpcMembershipTest, CallsEndWhenTheNodeStops) {
  TestCoordinator coordinator;
  Ending<JoinReply> ending;
  Ending<JoinReply> later;
  {
    TestMember member(coordinator.address());
    ending = member.Join(AJoin(), 1h);
    ASSERT_TRUE(coordinator.handler.asked.Wait());
    member.loop().Run([&] { member.client().Close(); });
    later = member.Join(AJoin(), 1h);
    EXPECT_THAT(later.Wait(), FailsWith(ErrorCode::kCancelled));
  }
  EXPECT_THAT(ending.Wait(), FailsWith(ErrorCode::kCancelled));
}

TEST(GrpcMembershipTest, RefusesAnAddressThatIsNone) {
  TestMember member("coordinator:9400");
  EXPECT_THAT(member.Join(AJoin()).Wait(),
              FailsWith(ErrorCode::kInvalidArgument, "coordinator:9400"));
}

TEST(GrpcMembershipTest, RefusesGarbageAndNamesIt) {
  TestCoordinator coordinator;
  TestMember member(coordinator.address());
  JoinRequest nobody = AJoin();
  nobody.node.incarnation = Incarnation::kNone;
  EXPECT_THAT(member.Join(nobody).Wait(), FailsWith(ErrorCode::kInvalidArgument, "incarnation"));
}

TEST(GrpcMembershipTest, RefusesCallsBeyondWhatItMayHaveInFlight) {
  TestCoordinator coordinator;
  std::vector<ScriptedCoordinator::Answer<HeartbeatReply>> kept;
  coordinator.handler.on_heartbeat = [&](const HeartbeatRequest&, auto reply) {
    kept.push_back(std::move(reply));
  };
  // gRPC lets one connection have a hundred calls, so it takes many members.
  std::vector<std::unique_ptr<TestMember>> members;
  std::vector<Ending<HeartbeatReply>> endings;
  constexpr std::size_t kEach = 100;
  for (std::size_t i = 0; i < limits::kMembershipCallsMax; ++i) {
    if (i % kEach == 0) members.push_back(std::make_unique<TestMember>(coordinator.address()));
    endings.push_back(members.back()->Heartbeat({NodeOf(1), Incarnation{1}, 1, {}}));
  }
  std::size_t in_flight = 0;
  const MonoTime patience = coordinator.executor().In(kForever);
  while (in_flight < limits::kMembershipCallsMax && coordinator.executor().In(0s) < patience)
    coordinator.executor().Run([&] { in_flight = kept.size(); });
  ASSERT_EQ(in_flight, limits::kMembershipCallsMax);
  TestMember one_more(coordinator.address());
  EXPECT_THAT(one_more.Heartbeat({NodeOf(1), Incarnation{1}, 1, {}}).Wait(),
              FailsWith(ErrorCode::kResourceExhausted));
  coordinator.executor().Run([&] {
    for (const auto& reply : kept)
      reply(HeartbeatReply{});
  });
  for (auto& ending : endings)
    EXPECT_THAT(ending.Wait(), IsOk());
}

TEST(GrpcMembershipTest, AHeartbeatWithMoreAcksThanAMessageHoldsArrivesWhole) {
  RandomValues random(4);
  HeartbeatRequest beat{NodeOf(1), Incarnation{2}, 5, {}};
  for (int i = 0; i < 5; ++i) {
    IntentAck& ack = beat.acks.emplace_back(random.Ack());
    for (int receipt = 0; receipt < 8000; ++receipt)
      ack.receipts.push_back(random.AReceipt());
  }
  std::vector<IntentAck> seen;
  int parts = 0;
  TestCoordinator coordinator;
  coordinator.handler.on_heartbeat = [&](const HeartbeatRequest& request, const auto& reply) {
    EXPECT_EQ(request.node, beat.node);
    EXPECT_EQ(request.incarnation, beat.incarnation);
    EXPECT_EQ(request.next_number, beat.next_number);
    ++parts;
    v1::HeartbeatRequest message;
    ToProto(request, &message);
    EXPECT_THAT(AppendAcks(message.acks(), &seen), IsOk());
    reply(HeartbeatReply{false, {}, {}, WallFromMicros(parts)});
  };
  TestMember member(coordinator.address());
  const Result<HeartbeatReply> reply = member.Heartbeat(beat).Wait();
  coordinator.Stop();
  EXPECT_GT(parts, 1);
  EXPECT_EQ(seen, beat.acks);
  EXPECT_THAT(reply, IsOkAnd(Field(&HeartbeatReply::wall, WallFromMicros(parts))));
}

TEST(GrpcMembershipTest, APartOfAHeartbeatThatFailsEndsIt) {
  RandomValues random(5);
  HeartbeatRequest beat{NodeOf(1), Incarnation{2}, 5, {random.Ack()}};
  for (int receipt = 0; receipt < 20'000; ++receipt)
    beat.acks[0].receipts.push_back(random.AReceipt());
  int parts = 0;
  TestCoordinator coordinator;
  coordinator.handler.on_heartbeat = [&](const HeartbeatRequest&, const auto& reply) {
    if (++parts == 2) return reply(Error{ErrorCode::kResourceExhausted, "full"});
    reply(HeartbeatReply{});
  };
  TestMember member(coordinator.address());
  EXPECT_THAT(member.Heartbeat(beat).Wait(), FailsWith(ErrorCode::kResourceExhausted, "full"));
  coordinator.Stop();
  EXPECT_EQ(parts, 2);
}

TEST(HeartbeatPartsTest, AHeartbeatWithoutAcksIsOneMessage) {
  EXPECT_THAT(rpc::HeartbeatParts({NodeOf(1), Incarnation{2}, 5, {}}, 1000), SizeIs(1));
}

class HeartbeatPartsSeedTest : public testing::TestWithParam<std::uint64_t> {};

TEST_P(HeartbeatPartsSeedTest, PartsAreBoundedAndTogetherTheWhole) {
  constexpr std::size_t kBytes = 2000;
  RandomValues random(GetParam());
  HeartbeatRequest beat{NodeOf(1), Incarnation{2}, 5,  {}, CancelledRunning{3, 4},
                        {},        random.Load(),  {}, 7,  true};
  for (std::uint64_t i = random.Below(6); i > 0; --i) {
    IntentAck& ack = beat.acks.emplace_back(random.Ack());
    for (std::uint64_t receipt = random.Below(40); receipt > 0; --receipt)
      ack.receipts.push_back(random.AReceipt());
    for (std::uint64_t task = random.Below(100); task > 0; --task)
      ack.doubtful.push_back(random.Task());
  }
  std::vector<IntentAck> seen;
  for (const v1::HeartbeatRequest& part : rpc::HeartbeatParts(beat, kBytes)) {
    EXPECT_LE(part.ByteSizeLong(), kBytes + 600);
    EXPECT_THAT(AppendAcks(part.acks(), &seen), IsOk());
    const auto rest = FromProto(part);
    ASSERT_THAT(rest, IsOk());
    EXPECT_EQ(rest->node, beat.node);
    EXPECT_EQ(rest->incarnation, beat.incarnation);
    EXPECT_EQ(rest->next_number, beat.next_number);
    EXPECT_EQ(rest->cancelled_running, beat.cancelled_running);
    EXPECT_EQ(rest->host_load, beat.host_load);
    EXPECT_EQ(rest->live_tasks, beat.live_tasks);
    EXPECT_EQ(rest->draining, beat.draining);
  }
  EXPECT_EQ(seen, beat.acks);
}

INSTANTIATE_TEST_SUITE_P(Seeds, HeartbeatPartsSeedTest, testing::Range<std::uint64_t>(1, 30));

}  // namespace
}  // namespace quell
