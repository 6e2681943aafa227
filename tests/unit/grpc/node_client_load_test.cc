// Goal: bounds are kept, nothing is lost or doubled, and all ends in order, however much is asked,
// answered, or stopped in the middle.
// Method: real servers and a real client over loopback; floods, large answers, and seeded mixtures
// of everything that can go wrong.
#include <map>
#include <thread>

#include <gtest/gtest.h>

#include "core/limits.h"
#include "tests/unit/grpc/support.h"
#include "transport/grpc/node_client.h"

namespace quell {
namespace {

using testing::Field;
using testing::SizeIs;
using testing::VariantWith;
using namespace std::chrono_literals;

TEST(GrpcNodeClientLoadTest, RefusesMoreAsksThanMayWait) {
  std::vector<ScriptedNode::Writer> kept;
  TestNode node([&](NodeRequest, MonoTime, ScriptedNode::Writer writer) {
    kept.push_back(std::move(writer));
  });
  TestClient client;
  client.client.Connect(node.info());
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (std::size_t i = 0; i < limits::kAsksPerNodeMax; ++i)
    sinks.push_back(client.Ask(NodeOf(1), ProbeRequest{}, 1h));
  EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{}, 1h)->Wait(),
              FailsWith(ErrorCode::kResourceExhausted, "too much is waiting"));
  node.Stop();
  for (const auto& sink : sinks)
    EXPECT_THAT(sink->Wait(), FailsWith(ErrorCode::kUnavailable));
}

TEST(GrpcNodeClientLoadTest, AnswersThousandsOfAsksFromManyThreads) {
  TestNode node([](NodeRequest request, MonoTime, ScriptedNode::Writer writer) {
    AnswerList(writer, std::get<ListRequest>(request).filter.actions.size());
  });
  TestClient client;
  client.client.Connect(node.info());
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&client, t] {
      for (std::uint64_t round = 0; round < 20; ++round) {
        std::vector<std::shared_ptr<RecordingSink>> sinks;
        for (std::uint64_t i = 0; i < 50; ++i) {
          ListRequest list;
          list.filter.actions.resize((t + round + i) % 7, "*");
          sinks.push_back(client.Ask(NodeOf(1), list));
        }
        for (std::uint64_t i = 0; i < 50; ++i)
          ASSERT_THAT(sinks[i]->Wait(), IsListOf((t + round + i) % 7));
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
}

TEST(GrpcNodeClientLoadTest, BringsAListOfManyPagesToASlowReader) {
  constexpr std::uint64_t kTasks = 20'000;
  TestNode node(
      [](NodeRequest, MonoTime, ScriptedNode::Writer writer) { AnswerList(writer, kTasks); });
  TestClient client;
  client.client.Connect(node.info());
  // A reader that does other things on its thread before it takes the next page.
  const auto sink = std::make_shared<RecordingSink>([&] {
    for (int i = 0; i < 100; ++i)
      client.loop->Post([] {});
  });
  client.client.Ask(NodeOf(1), ListRequest{}, client.loop.In(kForever), sink);
  EXPECT_THAT(sink->Wait(), IsListOf(kTasks));
  const std::vector<SeenTask> tasks = sink->tasks();
  ASSERT_THAT(tasks, SizeIs(kTasks));
  for (std::uint64_t i = 0; i < kTasks; ++i)
    ASSERT_EQ(tasks[i].id.number, i + 1);
}

TEST(GrpcNodeClientLoadTest, CutsPagesThatAreTooLargeForAMessage) {
  // 500 tasks of 20 KiB are ten messages' worth.
  const std::string description(limits::kDescriptionMax, 'd');
  const std::string status = R"({"s":")" + std::string(limits::kStatusMax - 8, 's') + R"("})";
  TestNode node([&](NodeRequest, MonoTime, ScriptedNode::Writer writer) {
    std::vector<SeenTask> tasks;
    for (std::uint64_t number = 1; number <= limits::kPageTasks; ++number) {
      tasks.push_back(TaskOf(number));
      tasks.back().description = description;
      tasks.back().status_json = status;
    }
    std::vector<TaskView> views;
    for (const SeenTask& task : tasks)
      views.push_back(task.View());
    writer->Tasks(views, [writer] { writer->Finish(NodeReply(ListReply{limits::kPageTasks})); });
  });
  TestClient client;
  client.client.Connect(node.info());
  const auto sink = client.Ask(NodeOf(1), ListRequest{});
  EXPECT_THAT(sink->Wait(), IsListOf(limits::kPageTasks));
  EXPECT_GT(sink->pages(), 10);
  ASSERT_THAT(sink->tasks(), SizeIs(limits::kPageTasks));
  EXPECT_EQ(sink->tasks().back().status_json, status);
}

TEST(GrpcNodeClientLoadTest, BringsMoreReceiptsThanAMessageHolds) {
  constexpr std::uint64_t kReceipts = 60'000;
  ApplyReply applied;
  for (std::uint64_t intent = 0; intent < 3; ++intent) {
    IntentAck& ack = applied.acks.emplace_back();
    ack.intent = IntentOf(intent);
    for (std::uint64_t i = 0; i < kReceipts / 3; ++i) {
      Receipt& receipt = ack.receipts.emplace_back();
      receipt.task = {NodeOf(1), i + 1};
      receipt.intent = ack.intent;
      receipt.recorded_at = WallFromMicros(1'700'000'000'000'000);
      receipt.note =
          "words of the program about what it does with the cancel: " + std::string(i % 30, 'x');
    }
    ack.doubtful = {{NodeOf(1), 1}, {NodeOf(1), 2}};
  }
  TestNode node([&](NodeRequest, MonoTime, ScriptedNode::Writer writer) {
    writer->Finish(NodeReply(applied));
  });
  TestClient client;
  client.client.Connect(node.info());
  EXPECT_THAT(client.Ask(NodeOf(1), ApplyRequest{})->Wait(),
              IsReply(VariantWith<ApplyReply>(Field(&ApplyReply::acks, applied.acks))));
}

TEST(GrpcNodeClientLoadTest, StopsUnderLoadWithAsksInFlight) {
  for (int round = 0; round < 20; ++round) {
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    TestNode node(
        [](NodeRequest, MonoTime, ScriptedNode::Writer writer) { AnswerList(writer, 1500); });
    {
      TestClient client;
      client.client.Connect(node.info());
      Event busy;
      sinks.push_back(std::make_shared<RecordingSink>([&] { busy.Set(); }));
      client.client.Ask(NodeOf(1), ListRequest{}, client.loop.In(kForever), sinks[0]);
      for (int i = 0; i < 200; ++i)
        sinks.push_back(client.Ask(NodeOf(1), ListRequest{}));
      ASSERT_TRUE(busy.Wait());
      // Now one end goes, now the other.
      if (round % 2 == 0) node.Stop();
    }
    for (const auto& sink : sinks) {
      const Result<NodeReply> reply = sink->Wait();
      if (!reply) {
        EXPECT_THAT(reply, FailsWith(ErrorCode::kUnavailable));
      }
      EXPECT_EQ(sink->ends(), 1);
    }
  }
}

// Everything at once: nodes that answer, stall, die and come back, connections replaced, deadlines
// that are met and missed. Only one thing is asked: each ask ends once.
class GrpcNodeClientSeedTest : public testing::TestWithParam<std::uint64_t> {};

TEST_P(GrpcNodeClientSeedTest, EndsEachAskExactlyOnce) {
  SeededRandom random(GetParam());
  std::map<std::uint64_t, std::unique_ptr<TestNode>> nodes;
  const auto start = [&](std::uint64_t number) {
    auto kept = std::make_shared<std::vector<ScriptedNode::Writer>>();
    auto choice = std::make_shared<SeededRandom>(random.Next());
    nodes[number] = std::make_unique<TestNode>(
        [kept, choice](NodeRequest, MonoTime, ScriptedNode::Writer writer) {
          switch (choice->Below(8)) {
            case 0:
              return kept->push_back(writer);  // Later, perhaps.
            case 1:
              return;  // Drops it.
            case 2:
              for (const auto& late : *kept)
                AnswerList(late, choice->Below(3));
              return kept->clear();
            default:
              return AnswerList(writer, choice->Below(1200));
          }
        },
        NodeOf(number));
  };
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  {
    TestClient client;
    for (std::uint64_t number = 0; number < 3; ++number) {
      start(number);
      client.client.Connect(nodes[number]->info());
    }
    for (int step = 0; step < 400; ++step) {
      const std::uint64_t number = random.Below(3);
      switch (random.Below(60)) {
        case 0:
          nodes[number]->Stop();
          break;
        case 1:
          start(number);
          client.client.Connect(nodes[number]->info());
          break;
        case 2:
          client.client.Connect(nodes[number]->info());
          break;
        case 3:
          client.client.Disconnect(NodeOf(number));
          break;
        case 4:
          if (!sinks.empty()) sinks[random.Below(sinks.size())]->Wait();
          break;
        default:
          sinks.push_back(client.Ask(NodeOf(number), ListRequest{},
                                     std::chrono::milliseconds(random.Below(200))));
      }
    }
    if (random.Below(2) == 0) client.client.Close();
    for (const auto& sink : sinks)
      EXPECT_THAT(sink->Wait(), testing::Not(FailsWith(ErrorCode::kInternal, "in vain")));
  }
  for (const auto& sink : sinks)
    EXPECT_EQ(sink->ends(), 1);
}

INSTANTIATE_TEST_SUITE_P(Seeds, GrpcNodeClientSeedTest, testing::Range<std::uint64_t>(1, 13));

}  // namespace
}  // namespace quell
