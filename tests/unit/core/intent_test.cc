// Goal: an intent only ever grows stronger; a filter means exactly what it says.
// Method: examples for each member that may change, and that no other does.
#include "core/intent.h"

#include <gtest/gtest.h>

namespace quell {
namespace {

using namespace std::chrono_literals;

const NodeId kNode = *NodeId::Parse("oTUltX4IQMOUUVeiohTt8A");

Intent MakeIntent(bool cascade = true, std::chrono::milliseconds grace = 10s) {
  return {IntentId(), TaskId{kNode, 54}, WallTime(5s), {}, {}, "loopback", "first", cascade, grace};
}

Task MakeTask(std::string action, std::vector<TaskId> ancestors = {}) {
  Task task;
  task.id = {kNode, 54};
  task.action = std::move(action);
  task.ancestors = std::move(ancestors);
  return task;
}

TEST(StrengthenTest, TurnsCascadeOnAndNeverOff) {
  Intent kept = MakeIntent(false);
  EXPECT_TRUE(Strengthen(kept, MakeIntent(true)));
  EXPECT_TRUE(kept.cascade);
  EXPECT_FALSE(Strengthen(kept, MakeIntent(false)));
  EXPECT_TRUE(kept.cascade);
}

TEST(StrengthenTest, ShortensTheGraceAndNeverLengthensIt) {
  Intent kept = MakeIntent(true, 10s);
  EXPECT_TRUE(Strengthen(kept, MakeIntent(true, 2s)));
  EXPECT_EQ(kept.grace, 2s);
  EXPECT_FALSE(Strengthen(kept, MakeIntent(true, 3s)));
  EXPECT_EQ(kept.grace, 2s);
}

TEST(StrengthenTest, KeepsIdTimeAndNamesOfTheFirst) {
  Intent kept = MakeIntent(false, 10s);
  Intent second = MakeIntent(true, 1s);
  SeededRandom random(1);
  second.id = IntentId::Make(random);
  second.requested_at = WallTime(9s);
  second.by = "uid:0";
  second.reason = "second";
  EXPECT_TRUE(Strengthen(kept, second));
  EXPECT_EQ(kept, MakeIntent(true, 1s));
}

TEST(StrengthenTest, IsAsIfItWereAskedForNow) {
  Intent kept = MakeIntent();
  kept.moment = {"boot", BootTime(5s)};
  Intent second = MakeIntent();
  second.moment = {"another boot", BootTime(1s)};
  EXPECT_FALSE(Strengthen(kept, second));
  EXPECT_EQ(kept.moment, second.moment);
  EXPECT_FALSE(Strengthen(kept, MakeIntent())) << "that of an older coordinator has none";
  EXPECT_EQ(kept.moment, second.moment);
}

TEST(IntentTest, HasATaskOrAFilterAsItsTarget) {
  Intent intent = MakeIntent();
  ASSERT_NE(intent.task(), nullptr);
  EXPECT_EQ(*intent.task(), (TaskId{kNode, 54}));
  EXPECT_EQ(intent.filter(), nullptr);
  intent.target = TaskFilter{{"job:*"}, {}};
  EXPECT_EQ(intent.task(), nullptr);
  ASSERT_NE(intent.filter(), nullptr);
  EXPECT_EQ(intent.filter()->actions.size(), 1U);
}

TEST(TaskFilterTest, MatchesEverythingWhenItIsEmpty) {
  EXPECT_TRUE(TaskFilter().Matches(MakeTask("job:run")));
}

TEST(TaskFilterTest, MatchesAnyOfItsPatterns) {
  const TaskFilter filter{{"job:*", "*build"}, {}};
  EXPECT_TRUE(filter.Matches(MakeTask("job:run")));
  EXPECT_TRUE(filter.Matches(MakeTask("nightly build")));
  EXPECT_FALSE(filter.Matches(MakeTask("builder")));
}

TEST(TaskFilterTest, MatchesDirectChildrenOnly) {
  const TaskId parent{kNode, 7};
  const TaskFilter filter{{}, parent};
  EXPECT_TRUE(filter.Matches(MakeTask("a", {parent, {kNode, 3}})));
  EXPECT_FALSE(filter.Matches(MakeTask("a", {{kNode, 9}, parent})));
  EXPECT_FALSE(filter.Matches(MakeTask("a")));
}

TEST(TaskFilterTest, WantsActionAndParentTogether) {
  const TaskId parent{kNode, 7};
  const TaskFilter filter{{"job:*"}, parent};
  EXPECT_TRUE(filter.Matches(MakeTask("job:run", {parent})));
  EXPECT_FALSE(filter.Matches(MakeTask("build", {parent})));
  EXPECT_FALSE(filter.Matches(MakeTask("job:run")));
}

}  // namespace
}  // namespace quell
