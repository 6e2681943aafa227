// Goal: a node that answers garbage harms its own asks, and nothing else.
// Method: a real client against a raw server that writes whatever bytes the test likes.
#include <gtest/gtest.h>

#include "core/limits.h"
#include "tests/unit/grpc/raw.h"
#include "transport/grpc/node_client.h"

namespace quell {
namespace {

using testing::_;
using testing::IsEmpty;
using testing::VariantWith;

v1::NodeReply ReplyTo(const v1::NodeRequest& request) {
  v1::NodeReply reply;
  reply.set_id(request.id());
  return reply;
}

v1::Task* AddTask(v1::NodeReply& reply, std::uint64_t number) {
  v1::Task* task = reply.add_tasks();
  task->set_number(number);
  task->set_action("a");
  task->set_state(v1::TASK_STATE_RUNNING);
  return task;
}

void SetProbe(v1::NodeReply& reply) {
  reply.mutable_probe()->set_node(NodeOf(1).ToString());
  reply.mutable_probe()->set_incarnation(1);
}

// Answers probes well, and everything else by `spoil`.
RawNode::Script WellButFor(std::function<std::vector<grpc::ByteBuffer>(v1::NodeReply)> spoil) {
  return [spoil = std::move(spoil)](const v1::NodeRequest& request) {
    v1::NodeReply reply = ReplyTo(request);
    if (!request.has_probe()) {
      if (request.has_withdraw()) return std::vector<grpc::ByteBuffer>();
      return spoil(std::move(reply));
    }
    SetProbe(reply);
    return std::vector{BytesOf(reply)};
  };
}

class GarbageTest : public testing::Test {
 protected:
  // What an ask gets from such a node; then the node is asked something that it answers well.
  Result<NodeReply> Ask(NodeRequest request,
                        std::function<std::vector<grpc::ByteBuffer>(v1::NodeReply)> spoil) {
    RawNode node(WellButFor(std::move(spoil)));
    TestClient client;
    client.client.Connect(node.info());
    sink_ = client.Ask(NodeOf(1), std::move(request));
    const Result<NodeReply> reply = sink_->Wait();
    EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{})->Wait(), IsReply(VariantWith<ProbeReply>(_)));
    EXPECT_EQ(sink_->ends(), 1);
    return reply;
  }

  std::shared_ptr<RecordingSink> sink_;
};

TEST_F(GarbageTest, BytesThatAreNoMessageEndTheAsk) {
  EXPECT_THAT(Ask(GetRequest{1},
                  [](const v1::NodeReply&) {
                    return std::vector{BytesOf(std::string("\xFF\xFF\xFF\xFF nonsense"))};
                  }),
              FailsWith(ErrorCode::kInternal, "garbage"));
}

TEST_F(GarbageTest, AMessageThatIsTooLargeEndsTheAsk) {
  EXPECT_THAT(Ask(GetRequest{1},
                  [](v1::NodeReply reply) {
                    reply.mutable_error()->set_message(std::string(limits::kGrpcMessageMax, 'x'));
                    return std::vector{BytesOf(reply)};
                  }),
              FailsWith(ErrorCode::kResourceExhausted));
}

TEST_F(GarbageTest, AReplyToAnotherQuestionEndsTheAsk) {
  EXPECT_THAT(Ask(GetRequest{1},
                  [](v1::NodeReply reply) {
                    reply.mutable_list();
                    return std::vector{BytesOf(reply)};
                  }),
              FailsWith(ErrorCode::kInternal, "another question"));
}

TEST_F(GarbageTest, AWaitThatCountsOtherTasksThanItBringsEndsTheAsk) {
  EXPECT_THAT(Ask(AwaitRequest{},
                  [](v1::NodeReply reply) {
                    AddTask(reply, 1);
                    reply.mutable_await()->set_count(2);
                    return std::vector{BytesOf(reply)};
                  }),
              FailsWith(ErrorCode::kInternal, "not as long"));
}

TEST_F(GarbageTest, AnEndThatIsUnknownEndsNothingButAnUnknownErrorCodeDoes) {
  EXPECT_THAT(Ask(GetRequest{1},
                  [](v1::NodeReply reply) {
                    const v1::NodeReply nothing = reply;
                    reply.mutable_error()->set_code(static_cast<v1::ErrorCode>(99));
                    reply.mutable_error()->set_message("from a later version");
                    return std::vector{BytesOf(nothing), BytesOf(reply)};
                  }),
              FailsWith(ErrorCode::kInternal, "from a later version"));
}

TEST_F(GarbageTest, AnInvalidTaskIsNamedAndCostsItselfAlone) {
  EXPECT_THAT(Ask(ListRequest{},
                  [](v1::NodeReply reply) {
                    AddTask(reply, 1);
                    AddTask(reply, 2)->set_status_json("[1]");
                    AddTask(reply, 3);
                    reply.mutable_list()->set_count(3);
                    return std::vector{BytesOf(reply)};
                  }),
              IsReply(VariantWith<ListReply>(_)));
  ASSERT_THAT(sink_->tasks(), testing::SizeIs(2));
  EXPECT_EQ(sink_->tasks()[1].id.number, 3U);
  ASSERT_THAT(sink_->unreadable(), testing::SizeIs(1));
  EXPECT_EQ(sink_->unreadable()[0].node, NodeOf(1));
  EXPECT_EQ(sink_->unreadable()[0].number, 2U);
  EXPECT_THAT(sink_->unreadable()[0].reason, testing::HasSubstr("status"));
}

TEST_F(GarbageTest, APageOfTooManyTasksEndsTheAsk) {
  EXPECT_THAT(Ask(ListRequest{},
                  [](v1::NodeReply reply) {
                    for (std::uint64_t number = 1; number <= limits::kPageTasks + 1; ++number)
                      AddTask(reply, number);
                    reply.mutable_list()->set_count(limits::kPageTasks + 1);
                    return std::vector{BytesOf(reply)};
                  }),
              FailsWith(ErrorCode::kInternal, "too many"));
}

TEST_F(GarbageTest, MoreThanOneTaskForAGetEndsTheAsk) {
  EXPECT_THAT(Ask(GetRequest{1},
                  [](v1::NodeReply reply) {
                    AddTask(reply, 1);
                    AddTask(reply, 2);
                    reply.mutable_get();
                    return std::vector{BytesOf(reply)};
                  }),
              FailsWith(ErrorCode::kInternal, "too many"));
}

TEST_F(GarbageTest, ATaskThatComesTwiceEndsTheAsk) {
  EXPECT_THAT(Ask(ListRequest{},
                  [](v1::NodeReply reply) {
                    v1::NodeReply page = reply;
                    AddTask(page, 5);
                    AddTask(reply, 5);
                    reply.mutable_list()->set_count(2);
                    return std::vector{BytesOf(page), BytesOf(reply)};
                  }),
              FailsWith(ErrorCode::kInternal, "out of order"));
}

TEST_F(GarbageTest, EndedTasksFollowTheLiveOnesInAnOrderOfTheirOwn) {
  const auto list = [this](std::vector<std::pair<std::uint64_t, v1::TaskState>> tasks) {
    return Ask(ListRequest{}, [tasks](v1::NodeReply reply) {
      for (const auto& [number, state] : tasks) {
        AddTask(reply, number);
        reply.mutable_tasks(reply.tasks_size() - 1)->set_state(state);
      }
      reply.mutable_list()->set_count(tasks.size());
      return std::vector{BytesOf(reply)};
    });
  };
  EXPECT_THAT(
      list({{7, v1::TASK_STATE_RUNNING}, {2, v1::TASK_STATE_LOST}, {5, v1::TASK_STATE_FAILED}}),
      IsOk());
  EXPECT_THAT(list({{2, v1::TASK_STATE_LOST}, {7, v1::TASK_STATE_RUNNING}}),
              FailsWith(ErrorCode::kInternal, "out of order"));
}

TEST_F(GarbageTest, AListOfWhichAPageIsMissingEndsTheAsk) {
  EXPECT_THAT(Ask(ListRequest{},
                  [](v1::NodeReply reply) {
                    AddTask(reply, 5);
                    reply.mutable_list()->set_count(2);
                    return std::vector{BytesOf(reply)};
                  }),
              FailsWith(ErrorCode::kInternal, "not as long"));
}

TEST_F(GarbageTest, AcksThatNobodyAskedForEndTheAsk) {
  EXPECT_THAT(Ask(GetRequest{1},
                  [](v1::NodeReply reply) {
                    reply.add_acks()->set_intent(IntentOf(1).ToString());
                    return std::vector{BytesOf(reply)};
                  }),
              FailsWith(ErrorCode::kInternal, "acks"));
}

TEST_F(GarbageTest, AnAnswerToAnUnknownIdIsDropped) {
  EXPECT_THAT(Ask(GetRequest{1},
                  [](v1::NodeReply reply) {
                    v1::NodeReply other = reply;
                    other.set_id(reply.id() + 1000);
                    AddTask(other, 1);
                    other.mutable_get();
                    reply.mutable_get()->set_ended(true);
                    return std::vector{BytesOf(other), BytesOf(reply)};
                  }),
              IsReply(VariantWith<GetReply>(_)));
  EXPECT_THAT(sink_->tasks(), IsEmpty());
}

TEST_F(GarbageTest, AnAnswerThatComesTwiceIsTakenOnce) {
  EXPECT_THAT(Ask(GetRequest{1},
                  [](v1::NodeReply reply) {
                    reply.mutable_get()->set_ended(true);
                    return std::vector{BytesOf(reply), BytesOf(reply)};
                  }),
              IsReply(VariantWith<GetReply>(_)));
}

// Single bytes of a good answer are changed, over and over.
class MutationTest : public testing::TestWithParam<std::uint64_t> {};

TEST_P(MutationTest, EveryAskEndsOnceWhateverBytesCome) {
  SeededRandom random(GetParam());
  RawNode node([&](const v1::NodeRequest& request) {
    v1::NodeReply reply = ReplyTo(request);
    for (std::uint64_t number = 1; number <= 3; ++number) {
      v1::Task* task = AddTask(reply, number);
      task->set_status_json(R"({"phase":"merge","left":[1,2.5e3,null]})");
      task->mutable_parent()->set_node(NodeOf(2).ToString());
      task->mutable_parent()->set_number(number);
      task->add_headers()->set_name("X-Opaque-Id");
    }
    reply.mutable_list()->set_count(3);
    std::string bytes = reply.SerializeAsString();
    for (std::uint64_t i = random.Below(3); i > 0; --i)
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Below(256));
    if (random.Below(20) == 0) bytes.resize(random.Below(bytes.size()));
    return std::vector{BytesOf(bytes)};
  });
  TestClient client;
  client.client.Connect(node.info());
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int round = 0; round < 300; ++round) {
    // Not the ids: then the answer is late, which is another test's subject.
    const auto sink = client.Ask(NodeOf(1), ListRequest{}, std::chrono::milliseconds(500));
    const Result<NodeReply> reply = sink->Wait();
    if (reply) {
      EXPECT_EQ(sink->tasks().size() + sink->unreadable().size(), 3U);
    }
    EXPECT_THAT(reply, testing::Not(FailsWith(ErrorCode::kInternal, "in vain")));
    sinks.push_back(sink);
  }
  for (const auto& sink : sinks)
    EXPECT_EQ(sink->ends(), 1);
}

INSTANTIATE_TEST_SUITE_P(Seeds, MutationTest, testing::Range<std::uint64_t>(1, 5));

}  // namespace
}  // namespace quell
