// Goal: one data directory is one node, also when somebody copies or restores it.
// Method: two machines with the same data on the simulated network, in fine weather.
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/hosts.h"
#include "tests/support/result_matchers.h"

namespace quell::sim {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;

SimConfig FineWeather() {
  SimConfig config;
  config.seed = 1;
  config.nodes = 2;
  return config;
}

class CopiedDataTest : public testing::Test {
 protected:
  std::unique_ptr<NodeHost> Machine(const std::string& name) {
    return std::make_unique<NodeHost>(world_, name, clock_, "boot", coordinator_.info().address);
  }
  // Registers so many tasks and notes their numbers.
  void Register(NodeHost& host, std::size_t count) {
    RegisterRequest request;
    request.tasks.resize(count);
    for (NewTask& task : request.tasks)
      task.action = "work";
    Principal who;
    who.transport = Principal::Transport::kUnixSocket;
    who.uid = 1000;
    bool answered = false;
    host.Call([&, request](Node& node) {
      node.Register(request, who, [&](const Result<RegisterReply>& reply) {
        answered = true;
        ASSERT_THAT(reply, IsOk());
        for (const RegisteredTask& task : reply->tasks) {
          EXPECT_TRUE(given_out_.insert(task.id).second) << task.id << " was given out twice";
        }
      });
    });
    ASSERT_TRUE(world_.scheduler.RunUntil([&answered] { return answered; }, 5s));
  }
  void AwaitJoined(const NodeHost& host) {
    ASSERT_TRUE(world_.scheduler.RunUntil([&host] { return host.joined(); }, 10s));
  }

  World world_{FineWeather()};
  std::shared_ptr<SimClock> clock_ = std::make_shared<SimClock>(world_.scheduler);
  CoordinatorHost coordinator_{world_, clock_, "boot"};
  std::set<TaskId> given_out_;
};

TEST_F(CopiedDataTest, TheSecondOfTwoLivingDaemonsIsRefusedAndTheFirstGoesOn) {
  auto first = Machine("node1");
  auto twin = Machine("node2");
  coordinator_.Start();
  first->Start();
  AwaitJoined(*first);
  std::optional<Error> refused;
  twin->on_refused = [&refused](const Error& error) { refused = error; };
  twin->CopyData(first->id(), first->file);
  twin->Start();
  ASSERT_TRUE(world_.scheduler.RunUntil([&refused] { return refused.has_value(); }, 10s));
  EXPECT_EQ(refused->code, ErrorCode::kAlreadyExists);
  EXPECT_FALSE(twin->joined());
  twin->Crash();
  world_.scheduler.Advance(5s);
  Register(*first, 3);
  EXPECT_THAT(world_.violations, IsEmpty());
}

TEST_F(CopiedDataTest, TheCopyTakesOverWhenTheFirstIsDead) {
  auto first = Machine("node1");
  auto copy = Machine("node2");
  coordinator_.Start();
  first->Start();
  AwaitJoined(*first);
  Register(*first, 3);
  first->Crash();
  copy->CopyData(first->id(), first->file);
  copy->Start();
  AwaitJoined(*copy);
  Register(*copy, 3);
  EXPECT_THAT(world_.violations, IsEmpty());
}

TEST_F(CopiedDataTest, ARestoredOldCopyIsLetInAtOnceAfterAKillAndRefusedBesideALivingDaemon) {
  auto first = Machine("node1");
  auto restored = Machine("node2");
  coordinator_.Start();
  first->Start();
  AwaitJoined(*first);
  const JournalFile backup = first->file;
  first->Crash();
  first->Start();
  AwaitJoined(*first);
  first->Crash();
  first->Start();
  AwaitJoined(*first);
  std::optional<Error> refused;
  restored->on_refused = [&refused](const Error& error) { refused = error; };
  restored->CopyData(first->id(), backup);
  restored->Start();
  ASSERT_TRUE(world_.scheduler.RunUntil([&refused] { return refused.has_value(); }, 10s));
  EXPECT_EQ(refused->code, ErrorCode::kAlreadyExists);
  restored->Crash();
  restored->CopyData(first->id(), backup);
  refused.reset();
  first->Crash();
  const MonoTime killed = world_.now();
  restored->Start();
  AwaitJoined(*restored);
  EXPECT_FALSE(refused) << refused->message;
  EXPECT_LT(world_.now() - killed, 2s) << "long before the killed one counts as silent";
  EXPECT_THAT(world_.violations, IsEmpty());
}

TEST_F(CopiedDataTest, ARestoredOldCopyUsesNoNumberAgain) {
  auto first = Machine("node1");
  auto restored = Machine("node2");
  coordinator_.Start();
  first->Start();
  AwaitJoined(*first);
  Register(*first, 3);
  const JournalFile backup = first->file;
  for (int i = 0; i < 4; ++i)
    Register(*first, 700);
  world_.scheduler.Advance(3s);  // Heartbeats tell the coordinator how far it has come.
  first->Crash();
  world_.scheduler.Advance(5s);  // It is silent long enough to be given up.
  restored->CopyData(first->id(), backup);
  restored->Start();
  AwaitJoined(*restored);
  Register(*restored, 3);
  EXPECT_THAT(world_.violations, IsEmpty());
}

}  // namespace
}  // namespace quell::sim
