// A whole node on simulated time that is asked as a coordinator asks: what its applier is tested
// with.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/node/fixtures.h"

namespace quell {

class ApplyTest : public testing::Test {
 protected:
  // Asks and takes the one acknowledgement.
  IntentAck Apply(Intent intent) {
    const auto writer = world_.Ask(ApplyRequest{{std::move(intent)}});
    shown_ = NumbersOf(writer->tasks);
    EXPECT_TRUE(writer->reply.has_value()) << "no answer";
    if (!writer->reply || !*writer->reply) {
      ADD_FAILURE() << (writer->reply ? writer->reply->error().message : "silence");
      return {};
    }
    const auto& acks = std::get<ApplyReply>(**writer->reply).acks;
    EXPECT_THAT(acks, testing::SizeIs(1));
    return acks.empty() ? IntentAck() : acks.front();
  }
  static std::vector<std::uint64_t> Of(const IntentAck& ack) {
    std::vector<std::uint64_t> numbers;
    for (const Receipt& receipt : ack.receipts)
      numbers.push_back(receipt.task.number);
    return numbers;
  }
  bool IsCancelled(const TaskId& task) { return world_.Show(task).cancelled; }
  // A session with one task and an open stream.
  RegisteredTask RegisterListening(std::shared_ptr<RecordingSink> sink) {
    const auto reply = world_.Register({std::nullopt, {world_.Work()}});
    EXPECT_THAT(reply, IsOk());
    EXPECT_THAT(world_.node->OpenCommands(reply->session, NodeWorld::User(), std::move(sink)),
                IsOk());
    return reply->tasks.front();
  }
  // Nothing says that the node was there when it was asked for: as one that is handed over.
  Intent FromAfar(Intent intent) {
    intent.horizon.life = LifeId::Make(world_.random);
    return intent;
  }
  RegisterRequest ResumeOf(const TaskId& task, WallTime start,
                           std::optional<TaskId> parent = {}) const {
    NewTask again = world_.Work();
    again.resume = task;
    again.start_wall = start;
    again.start_boot = world_.clock.Boot() - (world_.wall() - start);
    again.parent = parent;
    return {std::nullopt, {again}};
  }

  NodeWorld world_;
  std::vector<std::uint64_t> shown_;  // By the last Apply().
};

}  // namespace quell
