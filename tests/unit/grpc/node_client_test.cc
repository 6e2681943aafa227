// Goal: whatever a node does, each ask ends exactly once, in time, and with the right error.
// Method: real servers and a real client in one process, over loopback sockets; nodes that answer,
// lie, stall, or go away in the middle.
#include "transport/grpc/node_client.h"

#include <cstdlib>
#include <map>
#include <thread>

#include <gtest/gtest.h>

#include "core/limits.h"
#include "tests/unit/grpc/support.h"

namespace quell {
namespace {

using testing::_;
using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::Ge;
using testing::Lt;
using testing::SizeIs;
using testing::VariantWith;
using namespace std::chrono_literals;

auto IsProbe() {
  return IsReply(VariantWith<ProbeReply>(_));
}

TEST(GrpcNodeClientTest, BringsANodesTasksAndItsReply) {
  TestNode node([](NodeRequest request, MonoTime, ScriptedNode::Writer writer) {
    ASSERT_TRUE(std::get<ListRequest>(request).detailed);
    AnswerList(writer, 3);
  });
  TestClient client;
  client.client.Connect(node.info());
  const auto sink = client.Ask(NodeOf(1), ListRequest{{}, true});
  EXPECT_THAT(sink->Wait(), IsListOf(3));
  EXPECT_THAT(sink->tasks(), SizeIs(3));
  EXPECT_EQ(sink->tasks()[2].id, (TaskId{NodeOf(1), 3}));
}

TEST(GrpcNodeClientTest, CarriesEveryKindOfRequestAndReply) {
  Receipt receipt;
  receipt.task = {NodeOf(1), 7};
  receipt.intent = IntentOf(1);
  receipt.delivered_at = WallFromMicros(5);
  TestNode node([&](NodeRequest request, MonoTime, ScriptedNode::Writer writer) {
    if (const auto* get = std::get_if<GetRequest>(&request)) {
      EXPECT_EQ(get->number, 7U);
      const SeenTask task = TaskOf(7);
      const TaskView view = task.View();
      writer->Tasks({&view, 1}, [=] { writer->Finish(NodeReply(GetReply{true, receipt})); });
    } else if (const auto* apply = std::get_if<ApplyRequest>(&request)) {
      const IntentId id = apply->intents.at(0).id;
      writer->Finish(NodeReply(ApplyReply{{{id, {receipt}, {{NodeOf(1), 9}}}}}));
    } else {
      AnswerProbe(writer);
    }
  });
  TestClient client;
  client.client.Connect(node.info());

  const auto get = client.Ask(NodeOf(1), GetRequest{7});
  EXPECT_THAT(
      get->Wait(),
      IsReply(VariantWith<GetReply>(AllOf(Field(&GetReply::ended, true),
                                          Field(&GetReply::receipt, std::optional(receipt))))));
  EXPECT_THAT(get->tasks(), SizeIs(1));

  Intent intent;
  intent.id = IntentOf(1);
  intent.target = TaskFilter{};
  const auto apply = client.Ask(NodeOf(1), ApplyRequest{{intent}});
  const IntentAck ack{IntentOf(1), {receipt}, {{NodeOf(1), 9}}};
  EXPECT_THAT(apply->Wait(),
              IsReply(VariantWith<ApplyReply>(Field(&ApplyReply::acks, ElementsAre(ack)))));

  const auto probe = client.Ask(NodeOf(1), ProbeRequest{});
  EXPECT_THAT(
      probe->Wait(),
      IsReply(VariantWith<ProbeReply>(AllOf(Field(&ProbeReply::node, NodeOf(1)),
                                            Field(&ProbeReply::incarnation, Incarnation{1})))));
}

TEST(GrpcNodeClientTest, PassesTheNodesOwnErrorOn) {
  TestNode node([](NodeRequest, MonoTime, ScriptedNode::Writer writer) {
    writer->Finish(Error{ErrorCode::kNotFound, "task 9 was never issued"});
  });
  TestClient client;
  client.client.Connect(node.info());
  EXPECT_THAT(client.Ask(NodeOf(1), GetRequest{9})->Wait(),
              FailsWith(ErrorCode::kNotFound, "task 9 was never issued"));
}

TEST(GrpcNodeClientTest, TellsTheNodeHowMuchTimeIsLeft) {
  Event answered;
  MonoClock::duration left{};
  TestNode* self = nullptr;
  TestNode node([&](NodeRequest, MonoTime deadline, ScriptedNode::Writer writer) {
    left = deadline - self->loop()->clock().Now();
    AnswerProbe(writer);
  });
  self = &node;
  TestClient client;
  client.client.Connect(node.info());
  EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{}, 30s)->Wait(), IsProbe());
  EXPECT_THAT(left, AllOf(Ge(1s), Lt(30s)));
}

TEST(GrpcNodeClientTest, EndsAnAskOfAnUnknownNodeButNotInsideTheCall) {
  TestClient client;
  std::thread::id teller;
  Event done;
  struct Sink final : ReplySink {
    void OnTasks(std::span<const TaskView>) override {}
    void OnDone(Result<NodeReply> reply) override { on_done(std::move(reply)); }
    std::function<void(Result<NodeReply>)> on_done;
  };
  const auto sink = std::make_shared<Sink>();
  sink->on_done = [&](const Result<NodeReply>& reply) {
    EXPECT_THAT(reply, FailsWith(ErrorCode::kUnavailable, "not connected"));
    EXPECT_TRUE(client.loop->IsOwnThread());
    done.Set();
  };
  // On the loop's own thread, where nothing but a deferral keeps it from being told inside.
  client.loop.Run([&] {
    client.client.Ask(NodeOf(5), ProbeRequest{}, client.loop.In(kForever), sink);
    EXPECT_FALSE(done.IsSet());
  });
  EXPECT_TRUE(done.Wait());
}

TEST(GrpcNodeClientTest, FailsFastIfTheConnectionIsRefused) {
  const DeadEnd refusing(false);
  TestClient client;
  NodeInfo info;
  info.id = NodeOf(1);
  info.address = refusing.address();
  client.client.Connect(info);
  // A deadline beyond the test's own patience: only a refusal that is passed on can end them. The
  // later ones meet a channel that knows already.
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{}, 1h)->Wait(),
                FailsWith(ErrorCode::kUnavailable));
  }
}

TEST(GrpcNodeClientTest, EndsAtTheDeadlineIfNobodySpeaks) {
  const DeadEnd silent(true);
  TestClient client;
  NodeInfo info;
  info.id = NodeOf(1);
  info.address = silent.address();
  client.client.Connect(info);
  const MonoTime before = client.loop.In(0s);
  EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{}, 100ms)->Wait(),
              FailsWith(ErrorCode::kDeadlineExceeded));
  EXPECT_GE(client.loop.In(0s) - before, 100ms);
}

TEST(GrpcNodeClientTest, EndsAsUnavailableIfTheAddressIsNoAddress) {
  TestClient client;
  NodeInfo info;
  info.id = NodeOf(1);
  info.address = "node-1:9300";
  client.client.Connect(info);
  EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{})->Wait(),
              FailsWith(ErrorCode::kUnavailable, "node-1:9300"));
}

TEST(GrpcNodeClientTest, EndsAtTheDeadlineIfTheNodeNeverAnswersAndDropsALateAnswer) {
  ScriptedNode::Writer kept;
  Event asked;
  TestNode node([&](NodeRequest request, MonoTime, ScriptedNode::Writer writer) {
    if (std::holds_alternative<ProbeRequest>(request)) return AnswerProbe(writer);
    kept = std::move(writer);
    asked.Set();
  });
  TestClient client;
  client.client.Connect(node.info());
  const auto late = client.Ask(NodeOf(1), GetRequest{1}, 300ms);
  ASSERT_TRUE(asked.Wait());
  EXPECT_THAT(late->Wait(), FailsWith(ErrorCode::kDeadlineExceeded));
  node.loop().Run([&] { kept->Finish(NodeReply(GetReply{})); });
  // The stream is as good as before.
  EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{})->Wait(), IsProbe());
  EXPECT_EQ(late->ends(), 1);
}

TEST(GrpcNodeClientTest, TellsTheNodeThatNobodyWaitsAnyMore) {
  Event asked;
  Event dropped;  // The script gives its writer up only when it is told not to go on.
  TestNode node([&](NodeRequest request, MonoTime, ScriptedNode::Writer writer) {
    if (std::holds_alternative<ProbeRequest>(request)) return AnswerProbe(writer);
    asked.Set();
    const auto guard = std::shared_ptr<void>(nullptr, [&](void*) { dropped.Set(); });
    // For ever: each page asks for the next one.
    const auto again = std::make_shared<std::function<void(std::uint64_t)>>();
    *again = [writer, guard, weak = std::weak_ptr(again)](std::uint64_t number) {
      const SeenTask task = TaskOf(number);
      const TaskView view = task.View();
      writer->Tasks({&view, 1}, [again = weak.lock(), number] { (*again)(number + 1); });
    };
    (*again)(1);
  });
  TestClient client;
  client.client.Connect(node.info());
  const auto sink = client.Ask(NodeOf(1), ListRequest{}, 300ms);
  ASSERT_TRUE(asked.Wait());
  EXPECT_THAT(sink->Wait(), FailsWith(ErrorCode::kDeadlineExceeded));
  EXPECT_TRUE(dropped.Wait());
}

TEST(GrpcNodeClientTest, AWithdrawnAskEndsAtOnceAndTheNodeIsTold) {
  Event asked;
  Event gone;
  ScriptedNode::Writer kept;
  TestNode node([&](NodeRequest request, MonoTime, ScriptedNode::Writer writer) {
    if (std::holds_alternative<ProbeRequest>(request)) return AnswerProbe(writer);
    kept = std::move(writer);
    kept->OnGone([&] { gone.Set(); });
    asked.Set();
  });
  TestClient client;
  client.client.Connect(node.info());
  const auto sink = client.Ask(NodeOf(1), AwaitRequest{}, 1h);
  ASSERT_TRUE(asked.Wait());
  client.client.Withdraw(NodeOf(2), *sink);  // Another node's: nothing happens.
  client.client.Withdraw(NodeOf(1), *sink);
  EXPECT_THAT(sink->Wait(), FailsWith(ErrorCode::kCancelled));
  EXPECT_TRUE(gone.Wait()) << "the node goes on for nobody";
  client.client.Withdraw(NodeOf(1), *sink);
  EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{})->Wait(), IsProbe());
  EXPECT_EQ(sink->ends(), 1);
}

TEST(GrpcNodeClientTest, AWaitMayTakeLongerThanOtherCalls) {
  Event asked;
  MonoClock::duration left{};
  RunningLoop* loop = nullptr;
  TestNode node([&](NodeRequest, MonoTime deadline, ScriptedNode::Writer writer) {
    left = deadline - loop->In(0s);
    writer->Finish(AwaitReply{0, 0});
    asked.Set();
  });
  loop = &node.loop();
  TestClient client;
  client.client.Connect(node.info());
  EXPECT_THAT(client.Ask(NodeOf(1), AwaitRequest{}, 10h)->Wait(),
              IsReply(VariantWith<AwaitReply>(testing::_)));
  ASSERT_TRUE(asked.Wait());
  EXPECT_GT(left, limits::kNodeDeadlineMax);
  EXPECT_LE(left, limits::kWaitMax + limits::kWaitMargin);
}

TEST(GrpcNodeClientTest, EndsAllAsksIfTheNodeDiesMeanwhile) {
  Event asked;
  std::vector<ScriptedNode::Writer> kept;
  TestNode node([&](NodeRequest, MonoTime, ScriptedNode::Writer writer) {
    kept.push_back(std::move(writer));
    if (kept.size() == 3) asked.Set();
  });
  TestClient client;
  client.client.Connect(node.info());
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 3; ++i)
    sinks.push_back(client.Ask(NodeOf(1), ProbeRequest{}, 1h));
  ASSERT_TRUE(asked.Wait());
  node.Stop();
  for (const auto& sink : sinks)
    EXPECT_THAT(sink->Wait(), FailsWith(ErrorCode::kUnavailable));
  // Dead it stays, and says so at once.
  EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{}, 1h)->Wait(),
              FailsWith(ErrorCode::kUnavailable));
}

TEST(GrpcNodeClientTest, EndsAnAskIfTheNodeDiesBetweenTwoPages) {
  Event page_sent;
  ScriptedNode::Writer kept;
  TestNode node([&](NodeRequest, MonoTime, ScriptedNode::Writer writer) {
    kept = writer;
    const SeenTask task = TaskOf(1);
    const TaskView view = task.View();
    writer->Tasks({&view, 1}, [writer] {
      const SeenTask second = TaskOf(2);
      const TaskView second_view = second.View();
      writer->Tasks({&second_view, 1}, [] {});
    });
  });
  TestClient client;
  client.client.Connect(node.info());
  const auto sink = std::make_shared<RecordingSink>([&] { page_sent.Set(); });
  client.client.Ask(NodeOf(1), ListRequest{}, client.loop.In(1h), sink);
  ASSERT_TRUE(page_sent.Wait());
  node.Stop();
  EXPECT_THAT(sink->Wait(), FailsWith(ErrorCode::kUnavailable));
  EXPECT_EQ(sink->pages(), 1);
}

TEST(GrpcNodeClientTest, ReachesANewLifeAtAnotherAddressAfterConnect) {
  auto first = std::make_unique<TestNode>(AnswerProbes);
  TestClient client;
  client.client.Connect(first->info());
  EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{})->Wait(), IsProbe());
  first = nullptr;
  EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{}, 1h)->Wait(),
              FailsWith(ErrorCode::kUnavailable));
  TestNode second(AnswerProbes);
  client.client.Connect(second.info());
  EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{})->Wait(), IsProbe());
}

TEST(GrpcNodeClientTest, ReachesANewLifeAtTheSameAddressAtOnce) {
  auto first = std::make_unique<TestNode>(AnswerProbes);
  const std::string address = first->info().address;
  TestClient client;
  client.client.Connect(first->info());
  EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{})->Wait(), IsProbe());
  first = nullptr;
  // gRPC now backs off from this address...
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{}, 1h)->Wait(),
                FailsWith(ErrorCode::kUnavailable));
  }
  TestNode second(AnswerProbes, NodeOf(1), address);
  // ...which a new connection does not know of.
  client.client.Connect(second.info());
  EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{})->Wait(), IsProbe());
}

TEST(GrpcNodeClientTest, EndsWhatIsInFlightWhenTheConnectionIsReplaced) {
  Event asked;
  std::vector<ScriptedNode::Writer> kept;
  TestNode node([&](NodeRequest request, MonoTime, ScriptedNode::Writer writer) {
    if (std::holds_alternative<ProbeRequest>(request)) return AnswerProbe(writer);
    kept.push_back(std::move(writer));
    asked.Set();
  });
  TestClient client;
  client.client.Connect(node.info());
  const auto old = client.Ask(NodeOf(1), GetRequest{1}, 1h);
  ASSERT_TRUE(asked.Wait());
  client.client.Connect(node.info());
  EXPECT_THAT(old->Wait(), FailsWith(ErrorCode::kUnavailable, "former life"));
  EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{})->Wait(), IsProbe());
}

TEST(GrpcNodeClientTest, EndsWhatIsInFlightAndLaterWhenDisconnected) {
  Event asked;
  ScriptedNode::Writer kept;
  TestNode node([&](NodeRequest, MonoTime, ScriptedNode::Writer writer) {
    kept = std::move(writer);
    asked.Set();
  });
  TestClient client;
  client.client.Connect(node.info());
  const auto sink = client.Ask(NodeOf(1), GetRequest{1}, 1h);
  ASSERT_TRUE(asked.Wait());
  client.client.Disconnect(NodeOf(1));
  EXPECT_THAT(sink->Wait(), FailsWith(ErrorCode::kUnavailable, "disconnected"));
  EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{}, 1h)->Wait(),
              FailsWith(ErrorCode::kUnavailable));
}

TEST(GrpcNodeClientTest, DoesNotTakeAnotherNodeAtTheAddressForTheOneItMeans) {
  auto first = std::make_unique<TestNode>(AnswerProbes, NodeOf(1));
  const std::string address = first->info().address;
  TestClient client;
  client.client.Connect(first->info());
  EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{})->Wait(), IsProbe());
  first = nullptr;
  int asked = 0;
  TestNode other(
      [&](NodeRequest, MonoTime, ScriptedNode::Writer writer) {
        ++asked;
        AnswerProbe(writer, NodeOf(2));
      },
      NodeOf(2), address);
  NodeInfo info = other.info();
  info.id = NodeOf(1);
  client.client.Connect(info);
  EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{}, 1h)->Wait(),
              FailsWith(ErrorCode::kUnavailable, "another node"));
  other.Stop();
  EXPECT_EQ(asked, 0);
}

TEST(GrpcNodeClientTest, HealsAConnectionThatWasLostWhileNobodyAsked) {
  auto first = std::make_unique<TestNode>(AnswerProbes);
  const std::string address = first->info().address;
  TestClient client;
  client.client.Connect(first->info());
  EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{})->Wait(), IsProbe());
  first = nullptr;
  TestNode second(AnswerProbes, NodeOf(1), address);
  // Nobody joins anew; gRPC comes back by itself, with its back-off.
  const MonoTime patience = client.loop.In(kForever);
  Result<NodeReply> reply = client.Ask(NodeOf(1), ProbeRequest{})->Wait();
  while (!reply && client.loop.In(0s) < patience)
    reply = client.Ask(NodeOf(1), ProbeRequest{})->Wait();
  EXPECT_THAT(reply, IsProbe());
}

TEST(GrpcNodeClientTest, SurvivesTextsThatAreNoUtf8) {
  TestNode node([](NodeRequest, MonoTime, ScriptedNode::Writer writer) {
    SeenTask task = TaskOf(1);
    task.description = "caf\xE9 \xFF";
    const TaskView view = task.View();
    writer->Tasks({&view, 1}, [writer] { writer->Finish(NodeReply(ListReply{1})); });
  });
  TestClient client;
  client.client.Connect(node.info());
  const auto sink = client.Ask(NodeOf(1), ListRequest{});
  EXPECT_THAT(sink->Wait(), IsListOf(1));
  EXPECT_EQ(sink->tasks().at(0).description, "caf\xEF\xBF\xBD \xEF\xBF\xBD");
}

TEST(GrpcNodeClientTest, IsNotCapturedByAProxyInTheEnvironment) {
  const DeadEnd proxy(false);
  const std::string url = "http://" + proxy.address();
  for (const char* name : {"http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY"})
    ::setenv(name, url.c_str(), 1);
  TestNode node(AnswerProbes);
  TestClient client;
  client.client.Connect(node.info());
  EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{})->Wait(), IsProbe());
  for (const char* name : {"http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY"})
    ::unsetenv(name);
}

TEST(GrpcNodeClientTest, EndsAllThatIsInFlightWhenItCloses) {
  Event asked;
  std::vector<ScriptedNode::Writer> kept;
  TestNode node([&](NodeRequest, MonoTime, ScriptedNode::Writer writer) {
    kept.push_back(std::move(writer));
    if (kept.size() == 10) asked.Set();
  });
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  {
    TestClient client;
    client.client.Connect(node.info());
    for (int i = 0; i < 10; ++i)
      sinks.push_back(client.Ask(NodeOf(1), ProbeRequest{}, 1h));
    ASSERT_TRUE(asked.Wait());
    client.client.Close();
    EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{}, 1h)->Wait(),
                FailsWith(ErrorCode::kUnavailable));
  }
  for (const auto& sink : sinks)
    EXPECT_THAT(sink->Wait(), FailsWith(ErrorCode::kUnavailable, "stopping"));
}

}  // namespace
}  // namespace quell
