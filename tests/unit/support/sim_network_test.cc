// Goal: the simulated network is as bad as it is told to be, and keeps the contracts of the
// transport interfaces all the same.
// Method: one coordinator's client and one node's handler on simulated time, in chosen weather.
#include "tests/support/sim_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "tests/support/result_matchers.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// Answers each request with as many pages of one task as it is told to.
class Echo final : public NodeHandler {
 public:
  void OnRequest(NodeRequest request, const Principal& who, MonoTime deadline,
                 std::shared_ptr<ReplyWriter> writer) override {
    EXPECT_THAT(Authorize(who, Permission::kNodeAsk), IsOk());
    ++requests;
    last_deadline = deadline;
    last_request = request.index();
    if (silent) {
      kept.push_back(std::move(writer));
      return;
    }
    Page(0, std::move(writer));
  }
  void Page(std::uint64_t number, std::shared_ptr<ReplyWriter> writer) {
    if (number == pages) return writer->Finish(NodeReply(ListReply{pages}));
    TaskView task;
    task.id.number = number + 1;
    auto* raw = writer.get();
    raw->Tasks({&task, 1},
               [this, number, writer = std::move(writer)] { Page(number + 1, writer); });
  }

  std::uint64_t pages = 0;
  bool silent = false;
  int requests = 0;
  MonoTime last_deadline;
  std::size_t last_request = 99;
  std::vector<std::shared_ptr<ReplyWriter>> kept;
};

class Sink final : public ReplySink {
 public:
  void OnTasks(std::span<const TaskView> page) override {
    EXPECT_THAT(ends, IsEmpty());
    for (const TaskView& task : page)
      numbers.push_back(task.id.number);
  }
  void OnDone(Result<NodeReply> reply) override { ends.push_back(std::move(reply)); }

  std::vector<std::uint64_t> numbers;
  std::vector<Result<NodeReply>> ends;
};

class Members final : public MembershipHandler {
 public:
  void OnJoin(JoinRequest request, const Principal&,
              std::function<void(Result<JoinReply>)> reply) override {
    JoinReply answer;
    answer.next_number = request.next_number + static_cast<std::uint64_t>(++membership);
    reply(answer);
  }
  void OnHeartbeat(HeartbeatRequest, const Principal&,
                   std::function<void(Result<HeartbeatReply>)> reply) override {
    kept.push_back(std::move(reply));
  }
  void OnLeave(LeaveRequest, const Principal&, std::function<void(Status)> reply) override {
    reply(Status());
  }

  int membership = 0;
  std::vector<std::function<void(Result<HeartbeatReply>)>> kept;
};

class SimNetworkTest : public testing::Test {
 protected:
  SimNetworkTest() {
    network_.taps.violation = [this](const std::string& text) { violations_.push_back(text); };
    network_.ServeNode("node:9300", node_executor_, echo_);
    network_.ServeMembership("coordinator:9400", executor_, members_);
    info_.id = NodeId::Make(random_);
    info_.address = "node:9300";
    client_->Connect(info_);
  }
  ~SimNetworkTest() override { EXPECT_THAT(violations_, IsEmpty()); }

  std::shared_ptr<Sink> Ask(MonoClock::duration timeout = 1s) {
    auto sink = std::make_shared<Sink>();
    client_->Ask(info_.id, ListRequest{}, clock_.Now() + timeout, sink);
    EXPECT_THAT(sink->ends, IsEmpty());
    return sink;
  }

  SimScheduler scheduler_;
  SeededRandom random_{7};
  SimClock clock_{scheduler_};
  SimClock node_clock_{scheduler_, {.mono_ahead = 77s}};
  SimNetwork network_{scheduler_, random_};
  SimExecutor executor_{scheduler_, clock_};
  SimExecutor node_executor_{scheduler_, node_clock_};
  Echo echo_;
  Members members_;
  NodeInfo info_;
  std::unique_ptr<NodeClient> client_ = network_.MakeNodeClient("coordinator", executor_);
  std::unique_ptr<MembershipClient> membership_ =
      network_.MakeMembershipClient("node", node_executor_, "coordinator:9400");
  std::vector<std::string> violations_;
};

TEST_F(SimNetworkTest, CarriesPagesAndTheEndInOrder) {
  echo_.pages = 3;
  const auto sink = Ask();
  scheduler_.Advance(1s);
  EXPECT_THAT(sink->numbers, ElementsAre(1, 2, 3));
  ASSERT_THAT(sink->ends, SizeIs(1));
  EXPECT_THAT(sink->ends[0], IsOk());
}

TEST_F(SimNetworkTest, ToldTheDeadlineInTheNodesOwnTime) {
  Ask(1s);
  scheduler_.Advance(100us);
  EXPECT_EQ(echo_.last_deadline, node_clock_.Now() + 1s);
}

TEST_F(SimNetworkTest, PutsPagesBackInOrderAndFiltersDoublesInAnyWeather) {
  network_.weather.delay_max = 50ms;
  network_.weather.overtaking = true;
  network_.weather.doubled_per_thousand = 500;
  echo_.pages = 3;
  for (int i = 0; i < 50; ++i) {
    const auto sink = Ask(10s);
    scheduler_.Advance(10s);
    EXPECT_THAT(sink->numbers, ElementsAre(1, 2, 3));
    EXPECT_THAT(sink->ends, SizeIs(1));
  }
  EXPECT_GT(echo_.requests, 60) << "doubled requests reach the handler twice";
  EXPECT_EQ(network_.open_calls(), 0u);
}

TEST_F(SimNetworkTest, EndsByTheDeadlineWhenTheNodeIsSilentOrTheMessageIsLost) {
  network_.weather.lost_per_thousand = 1000;
  const auto lost = Ask(1s);
  scheduler_.Advance(1s);
  ASSERT_THAT(lost->ends, SizeIs(1));
  EXPECT_THAT(lost->ends[0], FailsWith(ErrorCode::kDeadlineExceeded));
  EXPECT_EQ(echo_.requests, 0);

  network_.weather.lost_per_thousand = 0;
  echo_.silent = true;
  const auto silent = Ask(1s);
  scheduler_.Advance(1s);
  ASSERT_THAT(silent->ends, SizeIs(1));
  echo_.kept[0]->Finish(NodeReply(ListReply{}));
  scheduler_.Advance(1s);
  EXPECT_THAT(silent->ends, SizeIs(1)) << "a late answer is dropped";
}

TEST_F(SimNetworkTest, LosesWhatIsOneWayBlockedUntilItHeals) {
  network_.Block("node", "coordinator");
  const auto deaf = Ask(1s);
  scheduler_.Advance(1s);
  EXPECT_EQ(echo_.requests, 1);
  EXPECT_THAT(deaf->ends[0], FailsWith(ErrorCode::kDeadlineExceeded));
  network_.Heal();
  const auto heard = Ask(1s);
  scheduler_.Advance(1s);
  EXPECT_THAT(heard->ends[0], IsOk());
}

TEST_F(SimNetworkTest, RefusesWhereNobodyListensAndBreaksWhenTheProcessEnds) {
  echo_.silent = true;
  const auto broken = Ask();
  scheduler_.Advance(1ms);
  network_.Close("node:9300");
  const auto refused = Ask();
  scheduler_.Advance(1ms);
  ASSERT_THAT(broken->ends, SizeIs(1));
  EXPECT_THAT(broken->ends[0], FailsWith(ErrorCode::kUnavailable, "broke"));
  ASSERT_THAT(refused->ends, SizeIs(1));
  EXPECT_THAT(refused->ends[0], FailsWith(ErrorCode::kUnavailable, "refused"));
}

TEST_F(SimNetworkTest, ANewConnectionEndsWhatIsInFlightOnTheOldOne) {
  echo_.silent = true;
  const auto old = Ask();
  scheduler_.Advance(1ms);
  client_->Connect(info_);
  EXPECT_THAT(old->ends, IsEmpty()) << "not inside the call";
  scheduler_.RunReady();
  ASSERT_THAT(old->ends, SizeIs(1));
  EXPECT_THAT(old->ends[0], FailsWith(ErrorCode::kUnavailable));
  client_->Disconnect(info_.id);
  const auto unknown = Ask();
  scheduler_.RunReady();
  EXPECT_THAT(unknown->ends[0], FailsWith(ErrorCode::kUnavailable));
}

TEST_F(SimNetworkTest, BoundsWhatWaitsForOneNode) {
  network_.Block("coordinator", "node");
  std::vector<std::shared_ptr<Sink>> sinks;
  for (std::size_t i = 0; i <= limits::kAsksPerNodeMax; ++i)
    sinks.push_back(Ask());
  scheduler_.RunReady();
  EXPECT_THAT(sinks.front()->ends, IsEmpty());
  ASSERT_THAT(sinks.back()->ends, SizeIs(1));
  EXPECT_THAT(sinks.back()->ends[0], FailsWith(ErrorCode::kResourceExhausted));
}

TEST_F(SimNetworkTest, AnswersAMembershipCallOnceThoughTheHandlerIsCalledTwice) {
  network_.weather.doubled_per_thousand = 1000;
  std::vector<std::uint64_t> answers;
  membership_->Join(JoinRequest{{}, 40}, node_clock_.Now() + 1s,
                    [&answers](const Result<JoinReply>& reply) {
                      ASSERT_THAT(reply, IsOk());
                      answers.push_back(reply->next_number);
                    });
  EXPECT_THAT(answers, IsEmpty());
  scheduler_.Advance(1s);
  EXPECT_EQ(members_.membership, 2);
  EXPECT_THAT(answers, ElementsAre(41));
}

TEST_F(SimNetworkTest, EndsAMembershipCallWhenTheCoordinatorDiesOrIsSilent) {
  std::vector<ErrorCode> codes;
  const auto note = [&codes](const Result<HeartbeatReply>& reply) {
    ASSERT_FALSE(reply.has_value());
    codes.push_back(reply.error().code);
  };
  membership_->Heartbeat({}, node_clock_.Now() + 1s, note);
  scheduler_.Advance(1s);
  membership_->Heartbeat({}, node_clock_.Now() + 1s, note);
  scheduler_.Advance(1ms);
  network_.Close("coordinator:9400");
  scheduler_.Advance(1ms);
  membership_->Heartbeat({}, node_clock_.Now() + 1s, note);
  scheduler_.Advance(1ms);
  EXPECT_THAT(codes, ElementsAre(ErrorCode::kDeadlineExceeded, ErrorCode::kUnavailable,
                                 ErrorCode::kUnavailable));
}

TEST_F(SimNetworkTest, NoticesAHandlerThatBreaksItsContract) {
  echo_.silent = true;
  const auto sink = Ask();
  scheduler_.Advance(1ms);
  echo_.kept[0]->Finish(NodeReply(ListReply{}));
  echo_.kept[0]->Finish(NodeReply(ListReply{}));
  EXPECT_THAT(violations_, SizeIs(1));
  const auto dropped = Ask();
  scheduler_.Advance(1ms);
  echo_.kept.clear();
  EXPECT_THAT(violations_, SizeIs(2));
  violations_.clear();
}

}  // namespace
}  // namespace quell
