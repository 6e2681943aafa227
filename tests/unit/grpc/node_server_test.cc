// Goal: whatever a coordinator does, the node's handler is called as its contract says, and what
// waits for a coordinator is bounded.
// Method: a real server; raw coordinators that send what they like, do not read, or go away.
#include "transport/grpc/node_server.h"

#include <gtest/gtest.h>

#include "core/limits.h"
#include "tests/unit/grpc/raw.h"

namespace quell {
namespace {

using testing::AllOf;
using testing::HasSubstr;

v1::NodeRequest ProbeOf(std::uint64_t id) {
  v1::NodeRequest request;
  request.set_id(id);
  request.mutable_probe();
  return request;
}

v1::NodeRequest ListOf(std::uint64_t id) {
  v1::NodeRequest request;
  request.set_id(id);
  request.mutable_list();
  return request;
}

// The replies up to an end for request `id`.
std::vector<v1::NodeReply> ReadAnswer(RawLink& link, std::uint64_t id) {
  std::vector<v1::NodeReply> answer;
  while (std::optional<v1::NodeReply> reply = link.Read()) {
    if (reply->id() != id) continue;
    answer.push_back(std::move(*reply));
    if (answer.back().end_case() != v1::NodeReply::END_NOT_SET) return answer;
  }
  ADD_FAILURE() << "the stream ended before the answer did";
  return answer;
}

TEST(GrpcNodeServerTest, SendsTheEndOfAShortAnswerWithItsPage) {
  TestNode node([](NodeRequest, MonoTime, ScriptedNode::Writer writer) { AnswerList(writer, 10); });
  RawLink link(node.info().address);
  ASSERT_TRUE(link.Write(ListOf(1)));
  const std::vector<v1::NodeReply> answer = ReadAnswer(link, 1);
  ASSERT_EQ(answer.size(), 1U);
  EXPECT_EQ(answer[0].tasks_size(), 10);
  EXPECT_EQ(answer[0].list().count(), 10U);
}

TEST(GrpcNodeServerTest, SendsALongAnswerPageByPageWithoutALostOrDoubledTask) {
  TestNode node(
      [](NodeRequest, MonoTime, ScriptedNode::Writer writer) { AnswerList(writer, 1001, 250); });
  RawLink link(node.info().address);
  ASSERT_TRUE(link.Write(ListOf(1)));
  const std::vector<v1::NodeReply> answer = ReadAnswer(link, 1);
  ASSERT_EQ(answer.size(), 5U);
  std::uint64_t next = 1;
  for (const v1::NodeReply& reply : answer) {
    for (const v1::Task& task : reply.tasks())
      EXPECT_EQ(task.number(), next++);
  }
  EXPECT_EQ(next, 1002U);
}

TEST(GrpcNodeServerTest, TellsTheHandlerThatItsCallerHasGoneAway) {
  Event asked;
  Event gone;
  ScriptedNode::Writer kept;
  TestNode node([&](NodeRequest, MonoTime, ScriptedNode::Writer writer) {
    kept = std::move(writer);
    kept->OnGone([&] { gone.Set(); });
    asked.Set();
  });
  {
    RawLink link(node.info().address);
    ASSERT_TRUE(link.Write(ProbeOf(1)));
    ASSERT_TRUE(asked.Wait());
    EXPECT_FALSE(gone.IsSet());
  }
  EXPECT_TRUE(gone.Wait()) << "the coordinator is gone";
  node.loop().Run([&] { kept = nullptr; });
}

TEST(GrpcNodeServerTest, TellsTheHandlerWhoAsks) {
  TestNode node(AnswerProbes);
  RawLink link(node.info().address);
  ASSERT_TRUE(link.Write(ProbeOf(1)));
  ReadAnswer(link, 1);
  node.Stop();
  EXPECT_EQ(node.handler().who().transport, Principal::Transport::kLoopback);
  EXPECT_THAT(node.handler().who().address, HasSubstr("127.0.0.1:"));
}

TEST(GrpcNodeServerTest, RefusesARequestItDoesNotUnderstandAndServesTheNext) {
  TestNode node(AnswerProbes);
  RawLink link(node.info().address);
  v1::NodeRequest wrong;
  wrong.set_id(1);
  wrong.mutable_get();  // Number 0.
  ASSERT_TRUE(link.Write(wrong));
  EXPECT_EQ(ReadAnswer(link, 1).back().error().code(), v1::ERROR_CODE_INVALID_ARGUMENT);
  v1::NodeRequest unknown;
  unknown.set_id(2);
  ASSERT_TRUE(link.Write(unknown));
  EXPECT_EQ(ReadAnswer(link, 2).back().error().code(), v1::ERROR_CODE_INVALID_ARGUMENT);
  ASSERT_TRUE(link.Write(ProbeOf(3)));
  EXPECT_TRUE(ReadAnswer(link, 3).back().has_probe());
}

TEST(GrpcNodeServerTest, EndsAStreamOfBytesThatAreNoRequests) {
  TestNode node(AnswerProbes);
  RawLink link(node.info().address);
  ASSERT_TRUE(link.Write(BytesOf(std::string("\xFF\xFF\xFF\xFF nonsense"))));
  EXPECT_EQ(link.Read(), std::nullopt);
  EXPECT_EQ(link.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  RawLink other(node.info().address);
  ASSERT_TRUE(other.Write(ProbeOf(1)));
  EXPECT_TRUE(ReadAnswer(other, 1).back().has_probe());
}

TEST(GrpcNodeServerTest, EndsAStreamThatUsesAnIdTwiceAtATime) {
  std::vector<ScriptedNode::Writer> kept;
  TestNode node([&](NodeRequest, MonoTime, ScriptedNode::Writer writer) {
    kept.push_back(std::move(writer));
  });
  RawLink link(node.info().address);
  ASSERT_TRUE(link.Write(ProbeOf(7)));
  ASSERT_TRUE(link.Write(ProbeOf(7)));
  EXPECT_EQ(link.Read(), std::nullopt);
  EXPECT_THAT(link.Finish().error_message(), HasSubstr("7"));
}

TEST(GrpcNodeServerTest, AnswersWhatIsDueAfterTheCoordinatorSaysThatItAsksNoMore) {
  ScriptedNode::Writer kept;
  Event asked;
  TestNode node([&](NodeRequest, MonoTime, ScriptedNode::Writer writer) {
    kept = std::move(writer);
    asked.Set();
  });
  RawLink link(node.info().address);
  ASSERT_TRUE(link.Write(ProbeOf(1)));
  link.HalfClose();
  ASSERT_TRUE(asked.Wait());
  node.loop().Run([&] { AnswerProbe(kept); });
  EXPECT_TRUE(ReadAnswer(link, 1).back().has_probe());
  EXPECT_EQ(link.Read(), std::nullopt);
  EXPECT_EQ(link.Finish().ok(), true);
}

TEST(GrpcNodeServerTest, AnswersAnErrorForARequestThatTheHandlerDrops) {
  TestNode node([](NodeRequest, MonoTime, ScriptedNode::Writer) {});
  RawLink link(node.info().address);
  ASSERT_TRUE(link.Write(ProbeOf(1)));
  EXPECT_EQ(ReadAnswer(link, 1).back().error().code(), v1::ERROR_CODE_INTERNAL);
}

TEST(GrpcNodeServerTest, AsksNoMorePagesOfAWithdrawnRequest) {
  ScriptedNode::Writer kept;
  Event asked;
  bool went_on = false;
  TestNode node([&](NodeRequest request, MonoTime, ScriptedNode::Writer writer) {
    if (std::holds_alternative<ProbeRequest>(request)) return AnswerProbe(writer);
    kept = std::move(writer);
    asked.Set();
  });
  RawLink link(node.info().address);
  ASSERT_TRUE(link.Write(ListOf(1)));
  ASSERT_TRUE(asked.Wait());
  v1::NodeRequest withdraw;
  withdraw.mutable_withdraw()->set_id(1);
  ASSERT_TRUE(link.Write(withdraw));
  // Answered after the withdrawal, on the same stream.
  ASSERT_TRUE(link.Write(ProbeOf(2)));
  EXPECT_TRUE(ReadAnswer(link, 2).back().has_probe());
  node.loop().Run([&] {
    const SeenTask task = TaskOf(1);
    const TaskView view = task.View();
    kept->Tasks({&view, 1}, [&] { went_on = true; });
    kept->Finish(NodeReply(ListReply{1}));
  });
  ASSERT_TRUE(link.Write(ProbeOf(3)));
  const std::optional<v1::NodeReply> next = link.Read();
  ASSERT_TRUE(next) << "the stream ended";
  EXPECT_EQ(next->id(), 3U);
  node.Stop();
  EXPECT_FALSE(went_on);
}

TEST(GrpcNodeServerTest, ForgetsACoordinatorThatGoesAway) {
  Event asked;
  Event forgotten;
  TestNode node([&](NodeRequest, MonoTime, ScriptedNode::Writer writer) {
    asked.Set();
    // Goes on as long as it is wanted.
    const auto guard = std::shared_ptr<void>(nullptr, [&](void*) { forgotten.Set(); });
    const auto again = std::make_shared<std::function<void()>>();
    *again = [writer, guard, weak = std::weak_ptr(again)] {
      writer->Tasks({}, [again = weak.lock()] { (*again)(); });
    };
    (*again)();
  });
  RawLink link(node.info().address);
  ASSERT_TRUE(link.Write(ListOf(1)));
  ASSERT_TRUE(asked.Wait());
  link.Cancel();
  EXPECT_TRUE(forgotten.Wait());
}

TEST(GrpcNodeServerTest, HoldsBackPagesThatNobodyReads) {
  // Large enough for what gRPC and the kernel buffer, which is megabytes.
  constexpr int kPages = 400;
  int pages = 0;
  const std::string description(limits::kDescriptionMax, 'd');
  TestNode* self = nullptr;
  Event stalled;
  TestNode node([&](NodeRequest request, MonoTime, ScriptedNode::Writer writer) {
    if (std::holds_alternative<ProbeRequest>(request)) return AnswerProbe(writer);
    const auto again = std::make_shared<std::function<void()>>();
    *again = [&, writer, weak = std::weak_ptr(again)] {
      if (++pages == kPages) return writer->Finish(NodeReply(ListReply{0}));
      std::vector<SeenTask> tasks(100, TaskOf(1));
      std::vector<TaskView> views;
      for (SeenTask& task : tasks) {
        task.description = description;
        views.push_back(task.View());
      }
      writer->Tasks(views, [again = weak.lock()] { (*again)(); });
    };
    (*again)();
  });
  self = &node;
  RawLink link(node.info().address);
  ASSERT_TRUE(link.Write(ListOf(1)));
  // Another coordinator is served many times meanwhile.
  RawLink other(node.info().address);
  int before = -1;
  int now = 0;
  for (std::uint64_t id = 1; before != now; ++id) {
    before = now;
    for (std::uint64_t i = 0; i < 20; ++i) {
      ASSERT_TRUE(other.Write(ProbeOf(id * 100 + i)));
      ReadAnswer(other, id * 100 + i);
    }
    self->loop().Run([&] { now = pages; });
  }
  EXPECT_LT(now, kPages) << "nothing held it back";
  // Then it is read after all.
  EXPECT_TRUE(ReadAnswer(link, 1).back().has_list());
}

TEST(GrpcNodeServerTest, AnswersThatNobodyReadsKeepListsOutAndNoCancel) {
  constexpr std::uint64_t kLists = 60;  // Of 1.2 MB each.
  const std::string description(limits::kDescriptionMax, 'd');
  TestNode node([&](NodeRequest request, MonoTime, ScriptedNode::Writer writer) {
    if (std::holds_alternative<GetRequest>(request)) {
      return writer->Finish(Error{ErrorCode::kNotFound, "no such task"});
    }
    std::vector<SeenTask> tasks(300, TaskOf(1));
    std::vector<TaskView> views;
    for (SeenTask& task : tasks) {
      task.description = description;
      views.push_back(task.View());
    }
    writer->Tasks(views, [] {});
    writer->Finish(NodeReply(ListReply{300}));
  });
  RawLink link(node.info().address);
  for (std::uint64_t id = 1; id <= kLists; ++id)
    ASSERT_TRUE(link.Write(ListOf(id)));
  v1::NodeRequest get;
  get.set_id(kLists + 1);
  get.mutable_get()->set_number(7);
  ASSERT_TRUE(link.Write(get));
  std::size_t refused = 0;
  for (;;) {
    const std::optional<v1::NodeReply> reply = link.Read();
    ASSERT_TRUE(reply) << "the stream ended";
    if (reply->id() == kLists + 1) {
      EXPECT_EQ(reply->error().code(), v1::ERROR_CODE_NOT_FOUND) << "it was let in";
      break;
    }
    if (reply->has_error()) ++refused;
  }
  EXPECT_GT(refused, 0U) << "the limit was not met";
}

TEST(GrpcNodeServerTest, RefusesRequestsBeyondWhatMayBeInFlight) {
  std::vector<ScriptedNode::Writer> kept;
  TestNode node([&](NodeRequest, MonoTime, ScriptedNode::Writer writer) {
    kept.push_back(std::move(writer));
  });
  RawLink link(node.info().address);
  for (std::uint64_t id = 1; id <= limits::kAsksPerNodeMax + 1; ++id)
    ASSERT_TRUE(link.Write(ProbeOf(id)));
  EXPECT_EQ(ReadAnswer(link, limits::kAsksPerNodeMax + 1).back().error().code(),
            v1::ERROR_CODE_RESOURCE_EXHAUSTED);
  node.loop().Run([&] { AnswerProbe(kept.front()); });
  EXPECT_TRUE(ReadAnswer(link, 1).back().has_probe());
}

TEST(GrpcNodeServerTest, ServesAsManyCoordinatorsAsItMayAndNoMore) {
  TestNode node(AnswerProbes);
  std::vector<std::unique_ptr<RawLink>> links;
  for (std::size_t i = 0; i < limits::kLinksMax; ++i) {
    links.push_back(std::make_unique<RawLink>(node.info().address));
    ASSERT_TRUE(links.back()->Write(ProbeOf(1)));
    EXPECT_TRUE(ReadAnswer(*links.back(), 1).back().has_probe());
  }
  {
    RawLink one_more(node.info().address);
    EXPECT_EQ(one_more.Read(), std::nullopt);
    EXPECT_EQ(one_more.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
  // One goes, another may come; when it has gone is for the node to notice.
  links.pop_back();
  for (;;) {
    RawLink next(node.info().address);
    next.Write(ProbeOf(1));
    if (const auto reply = next.Read()) {
      EXPECT_TRUE(reply->has_probe());
      break;
    }
    ASSERT_EQ(next.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
}

TEST(GrpcNodeServerTest, RefusesACoordinatorThatMeansAnotherNode) {
  TestNode node(AnswerProbes, NodeOf(1));
  RawLink wrong(node.info().address, NodeOf(2).ToString());
  EXPECT_EQ(wrong.Read(), std::nullopt);
  EXPECT_EQ(wrong.Finish().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  RawLink right(node.info().address, NodeOf(1).ToString());
  ASSERT_TRUE(right.Write(ProbeOf(1)));
  EXPECT_TRUE(ReadAnswer(right, 1).back().has_probe());
}

TEST(GrpcNodeServerTest, TellsCoordinatorsThatItStops) {
  Event asked;
  ScriptedNode::Writer kept;
  TestNode node([&](NodeRequest, MonoTime, ScriptedNode::Writer writer) {
    kept = std::move(writer);
    asked.Set();
  });
  RawLink link(node.info().address);
  ASSERT_TRUE(link.Write(ProbeOf(1)));
  ASSERT_TRUE(asked.Wait());
  node.Stop();
  EXPECT_EQ(link.Read(), std::nullopt);
  EXPECT_THAT(link.Finish().error_message(), HasSubstr("stopping"));
  AnswerProbe(kept);  // Harmless, now and later.
}

}  // namespace
}  // namespace quell
