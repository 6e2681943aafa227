// Goal: a cancel that was born at a node reaches what is below on other nodes, also when nobody
// could be told of it when it was born. Method: a small simulated cluster; the coordinator, and in
// half of the seeds the node too, is dead at the moment of the birth.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/hosts.h"
#include "tests/support/result_matchers.h"

namespace quell::sim {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;

SimConfig Weather(std::uint64_t seed) {
  SimConfig config;
  config.seed = seed;
  config.nodes = 2;
  return config;
}

class OwedTest : public testing::TestWithParam<std::uint64_t> {
 protected:
  OwedTest() {
    coordinator_.Start();
    for (NodeHost* host : {&here_, &there_}) {
      host->Start();
      EXPECT_TRUE(world_.scheduler.RunUntil([host] { return host->joined(); }, 10s));
    }
  }
  TaskId Register(NodeHost& host, NewTask task) {
    RegisterRequest request;
    task.action = "work";
    request.tasks.push_back(std::move(task));
    Principal who;
    who.transport = Principal::Transport::kUnixSocket;
    who.uid = 1000;
    std::optional<TaskId> id;
    host.Call([&, request](Node& node) {
      node.Register(request, who, [&](const Result<RegisterReply>& reply) {
        ASSERT_THAT(reply, IsOk());
        id = reply->tasks.front().id;
      });
    });
    EXPECT_TRUE(world_.scheduler.RunUntil([&id] { return id.has_value(); }, 5s));
    return id.value_or(TaskId());
  }

  World world_{Weather(GetParam())};
  std::shared_ptr<SimClock> clock_ = std::make_shared<SimClock>(world_.scheduler);
  CoordinatorHost coordinator_{world_, clock_, "boot"};
  NodeHost here_{world_, "here", clock_, "boot", coordinator_.info().address};
  NodeHost there_{world_, "there", clock_, "boot", coordinator_.info().address};
};

TEST_P(OwedTest, ReachesWhatIsBelowOnAnotherNodeWhenTheCoordinatorIsBack) {
  NewTask spec;
  spec.pid = here_.processes.Spawn(1000);
  const TaskId parent = Register(here_, spec);
  NewTask orphan;
  orphan.pid = here_.processes.Spawn(1000);
  orphan.parent = parent;
  orphan.on_parent_lost = OnParentLost::kCancel;
  const TaskId child = Register(here_, orphan);
  NewTask below;
  below.pid = there_.processes.Spawn(1000);
  below.parent = child;
  below.grandparents = {parent};
  const TaskId far = Register(there_, below);
  world_.scheduler.Advance(1s);

  coordinator_.Crash();
  here_.processes.Kill(spec.pid);
  world_.scheduler.Advance(world_.dice.Between(2s, 4s));
  EXPECT_TRUE(here_.file.tombstones.contains(child.number)) << "it is not carried out at once";
  EXPECT_FALSE(there_.file.tombstones.contains(far.number)) << "who has told it?";
  if (world_.dice.Percent(50)) {
    here_.Crash();
    world_.scheduler.Advance(world_.dice.Between(0ms, 2s));
    here_.Start();
  }
  coordinator_.Start();
  world_.scheduler.Advance(10s);
  EXPECT_TRUE(there_.file.tombstones.contains(far.number)) << "the cancel has not come";
  EXPECT_EQ(coordinator_.file.intents.size(), 1u);
  for (const auto& [id, applied] : here_.file.applied)
    EXPECT_FALSE(applied.handoff) << "the store has it";
  EXPECT_THAT(world_.violations, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, OwedTest, testing::Range<std::uint64_t>(1, 21));

}  // namespace
}  // namespace quell::sim
