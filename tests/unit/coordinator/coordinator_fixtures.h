// A coordinator on simulated time, with nodes that answer as the test says and a store in memory
// that can be slow, fail, or not know.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "coordinator/coordinator.h"
#include "tests/unit/coordinator/fixtures.h"

namespace quell {

using namespace std::chrono_literals;

class CoordinatorTest : public CoordinatorServicesTest {
 protected:
  CoordinatorTest() { Start(); }

  void Start() {
    coordinator_ = std::make_unique<Coordinator>(
        CoordinatorOptions{Self()}, CoordinatorServices{executor_, random_, store_, nodes_},
        file_.Open());
  }

  Result<JoinReply> Join(const NodeInfo& node, std::uint64_t next_number = 100) {
    auto reply = StartJoin(node, next_number);
    scheduler_.Advance(10ms);
    EXPECT_TRUE(reply->has_value()) << "no answer to a join";
    return reply->value_or(Error{});
  }
  std::shared_ptr<std::optional<Result<JoinReply>>> StartJoin(const NodeInfo& node,
                                                              std::uint64_t next_number = 100) {
    auto got = std::make_shared<std::optional<Result<JoinReply>>>();
    coordinator_->OnJoin({node, next_number}, who_, [got](Result<JoinReply> r) { *got = r; });
    return got;
  }
  HeartbeatReply Beat(int n, std::vector<IntentAck> acks = {}, std::uint64_t incarnation = 1) {
    HeartbeatReply got;
    coordinator_->OnHeartbeat({Id(n), Incarnation{incarnation}, 100, std::move(acks)}, who_,
                              [&got](Result<HeartbeatReply> r) { got = *r; });
    return got;
  }

  struct Answer {
    std::optional<Result<Gathered>> got;
    int times = 0;
    const Slot& slot(std::size_t i) const { return (**got).slots[i]; }
    FailureCause cause(std::size_t i) const { return slot(i).failure->cause; }
  };
  std::shared_ptr<Answer> Cancel(CancelQuery query, MonoClock::duration timeout = 5s) {
    auto answer = std::make_shared<Answer>();
    coordinator_->Cancel(std::move(query), who_, timeout, NumberSinks(),
                         [answer](Result<Gathered> gathered) {
                           ++answer->times;
                           answer->got = std::move(gathered);
                         });
    return answer;
  }
  static CancelQuery OneTask(const std::string& id) {
    CancelQuery query;
    query.where = *TaskIdText::Parse(id);
    query.reason = "because";
    return query;
  }
  static CancelQuery OnNodes(std::vector<std::string> tokens) {
    CancelQuery query;
    query.where = NodeSelection{std::move(tokens), true};
    return query;
  }
  static std::string TaskOf(int n, int number) {
    return Id(n).ToString() + ":" + std::to_string(number);
  }

  // Answers the ask of node n, which must be there, with one task and `reply`.
  void AnswerWithTask(int n, const TaskView& task, NodeReply reply) {
    auto ask = nodes_.Take(n);
    ASSERT_TRUE(ask) << "node " << n << " was not asked";
    ask->sink->OnTasks({&task, 1});
    ask->sink->OnDone(std::move(reply));
    scheduler_.RunReady();
  }
  void AnswerWith(int n, Result<NodeReply> reply) {
    auto ask = nodes_.Take(n);
    ASSERT_TRUE(ask) << "node " << n << " was not asked";
    ask->sink->OnDone(std::move(reply));
    scheduler_.RunReady();
  }
  NodeReply Acks(const Intent& intent) {
    ApplyReply reply;
    reply.acks.push_back({intent.id, {}, {}});
    return reply;
  }
  std::optional<Intent> Pushed(int n) {
    for (const auto& ask : nodes_.asks) {
      const auto* apply = std::get_if<ApplyRequest>(&ask.request);
      if (ask.node == Id(n) && apply != nullptr) return apply->intents.front();
    }
    return std::nullopt;
  }

  std::unique_ptr<Coordinator> coordinator_;
};

}  // namespace quell
