// Goal: the registry finds tasks by number and by ancestor, and forgets only what it may.
// Method: the plain class, with small limits.
#include "node/tasks/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quell {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const NodeId kNode = *NodeId::Parse("NNNNNNNNNNNNNNNNNNNNNg");

Task MakeTask(std::uint64_t number, std::vector<std::uint64_t> ancestors = {},
              std::uint32_t uid = 1) {
  Task task;
  task.id = {kNode, number};
  for (const std::uint64_t ancestor : ancestors)
    task.ancestors.push_back({kNode, ancestor});
  task.owner_uid = uid;
  return task;
}

void End(Registry& registry, std::uint64_t number) {
  LiveTask& live = *registry.Find(number);
  ASSERT_TRUE(live.task.Move(TaskState::kSucceeded, MonoTime(), WallTime()).has_value())
      << "it had ended";
  registry.End(live);
}

std::vector<std::uint64_t> Below(Registry& registry, std::uint64_t ancestor,
                                 std::uint64_t after = 0) {
  std::vector<std::uint64_t> numbers;
  registry.ScanBelow(TaskId{kNode, ancestor}, after, [&](const LiveTask& live) {
    numbers.push_back(live.task.id.number);
    return true;
  });
  return numbers;
}

TEST(RegistryTest, ScansInAscendingOrderWhateverTheOrderOfRegistration) {
  Registry registry;
  for (const std::uint64_t number : {7, 3, 9, 5})
    registry.Add(MakeTask(number));
  std::vector<std::uint64_t> numbers;
  EXPECT_TRUE(registry.Scan(3, [&](const LiveTask& live) {
    numbers.push_back(live.task.id.number);
    return true;
  }));
  EXPECT_THAT(numbers, ElementsAre(5, 7, 9));
}

TEST(RegistryTest, StopsAScanWhenItIsTold) {
  Registry registry;
  for (const std::uint64_t number : {1, 2, 3})
    registry.Add(MakeTask(number));
  std::size_t visits = 0;
  EXPECT_FALSE(registry.Scan(0, [&visits](const LiveTask&) { return ++visits < 2; }));
  EXPECT_EQ(visits, 2u);
}

TEST(RegistryTest, FindsDescendantsAtAnyDepthAlsoWhenThoseBetweenHaveEnded) {
  Registry registry;
  registry.Add(MakeTask(1));
  registry.Add(MakeTask(2, {1}));
  registry.Add(MakeTask(3, {2, 1}));
  registry.Add(MakeTask(4, {3, 2, 1}));
  registry.Add(MakeTask(5));
  End(registry, 2);
  EXPECT_THAT(Below(registry, 1), ElementsAre(3, 4));
  EXPECT_THAT(Below(registry, 2), ElementsAre(3, 4));
  EXPECT_THAT(Below(registry, 1, 3), ElementsAre(4));
  EXPECT_EQ(registry.CountBelow(TaskId{kNode, 1}), 2u);
  End(registry, 3);
  End(registry, 4);
  EXPECT_THAT(Below(registry, 1), IsEmpty());
}

TEST(RegistryTest, TellsTasksOfOtherNodesFromItsOwn) {
  Registry registry;
  Task task = MakeTask(1);
  const TaskId elsewhere{*NodeId::Parse("OOOOOOOOOOOOOOOOOOOOOg"), 7};
  task.ancestors = {elsewhere};
  registry.Add(std::move(task));
  EXPECT_THAT(Below(registry, 7), IsEmpty());
  EXPECT_EQ(registry.CountBelow(elsewhere), 1u);
}

TEST(RegistryTest, CountsTheLiveTasksOfEachUser) {
  Registry registry;
  registry.Add(MakeTask(1, {}, 10));
  registry.Add(MakeTask(2, {}, 10));
  registry.Add(MakeTask(3, {}, 20));
  End(registry, 1);
  EXPECT_EQ(registry.CountOf(10), 1u);
  EXPECT_EQ(registry.CountOf(20), 1u);
  EXPECT_EQ(registry.CountOf(30), 0u);
}

TEST(RegistryTest, ForgetsTheOldestEndedTaskAtTheLimit) {
  Registry registry(2);
  for (const std::uint64_t number : {1, 2, 3}) {
    registry.Add(MakeTask(number));
    End(registry, number);
  }
  EXPECT_EQ(registry.FindEnded(1), nullptr);
  EXPECT_NE(registry.FindEnded(2), nullptr);
  EXPECT_NE(registry.FindEnded(3), nullptr);
  EXPECT_EQ(registry.size(), 0u);
}

TEST(RegistryTest, AKeyIsForgottenWithItsTask) {
  Registry registry(1);
  Task first = MakeTask(1);
  first.owner_uid = 7;
  registry.Add(first, "k");
  EXPECT_EQ(registry.FindKey(7, "k"), 1u);
  EXPECT_EQ(registry.FindKey(8, "k"), 0u);
  EXPECT_EQ(registry.FindKey(7, "other"), 0u);
  registry.End(*registry.Find(1));
  EXPECT_EQ(registry.FindKey(7, "k"), 1u) << "it is remembered with the ended task";
  registry.End(registry.Add(MakeTask(2)));
  EXPECT_EQ(registry.FindEnded(1), nullptr);
  EXPECT_EQ(registry.FindKey(7, "k"), 0u);
}

}  // namespace
}  // namespace quell
