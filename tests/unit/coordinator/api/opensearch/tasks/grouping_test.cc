// Goal: group_by=none and group_by=parents show each task once, as a real server does, and failures
// in either; a cancel that has committed is never answered as if it had not.
// Method: requests go through the real router, API and coordinator; nodes answer as told.
#include <gmock/gmock.h>

#include "core/limits.h"
#include "tests/unit/coordinator/api_fixtures.h"

namespace quell::opensearch {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

class GroupingTest : public ApiTest {
 protected:
  GroupingTest() {
    Join(Info(1));
    Join(Info(2));
    NodesAnswer();
  }
  // A parent on one node, its child on the other, whose child is on the first again.
  void AFamily() {
    tasks_ = {MakeTask(1, 1), MakeTask(2, 2), MakeTask(1, 3)};
    tasks_[1].parent = tasks_[0].id;
    tasks_[2].parent = tasks_[1].id;
  }
  static std::string Body(const TaskView& task, const std::string& more = "") {
    return R"({"node":")" + task.id.node.ToString() + R"(","id":)" +
           std::to_string(task.id.number) +
           R"(,"type":"transport","action":"job:run","start_time_in_millis":0,)"
           R"("running_time_in_nanos":0,"cancellable":true,"cancelled":false,)" +
           (task.parent ? R"("parent_task_id":")" + task.parent->ToString() + R"(",)" : "") +
           R"("headers":{})" + more + "}";
  }
};

TEST_F(GroupingTest, NoneIsAFlatList) {
  AFamily();
  const std::string list =
      "[" + Body(tasks_[0]) + "," + Body(tasks_[2]) + "," + Body(tasks_[1]) + "]";
  EXPECT_EQ(Get("/_tasks?group_by=none&actions=job:*", Strict()).body, R"({"tasks":)" + list + "}");
  EXPECT_EQ(Get("/_tasks?group_by=none&actions=job:*").body,
            R"({"node_failures":[],"tasks":)" + list + "}");
}

TEST_F(GroupingTest, ParentsHoldTheirChildrenOfAllNodes) {
  AFamily();
  const std::string grandchild = R"(,"children":[)" + Body(tasks_[2]) + "]";
  const std::string child = R"(,"children":[)" + Body(tasks_[1], grandchild) + "]";
  const std::string tree =
      R"({")" + tasks_[0].id.ToString() + R"(":)" + Body(tasks_[0], child) + "}";
  EXPECT_EQ(Get("/_tasks?group_by=parents", Strict()).body, R"({"tasks":)" + tree + "}");
  EXPECT_EQ(Get("/_tasks?group_by=parents").body, R"({"node_failures":[],"tasks":)" + tree + "}");
}

TEST_F(GroupingTest, AChildWithoutItsParentInTheAnswerStandsAtTheTop) {
  AFamily();
  tasks_.erase(tasks_.begin());
  const TestResponse got = Get("/_tasks?group_by=parents", Strict());
  EXPECT_EQ(got.body, R"({"tasks":{")" + tasks_[0].id.ToString() + R"(":)" +
                          Body(tasks_[0], R"(,"children":[)" + Body(tasks_[1]) + "]") + "}}");
}

TEST_F(GroupingTest, NothingIsAnEmptyGroup) {
  EXPECT_EQ(Get("/_tasks?group_by=parents", Strict()).body, R"({"tasks":{}})");
  EXPECT_EQ(Get("/_tasks?group_by=none", Strict()).body, R"({"tasks":[]})");
  EXPECT_EQ(Post("/_tasks/_cancel?group_by=parents", Strict()).body, R"({"tasks":{}})");
}

TEST_F(GroupingTest, FailuresComeFirst) {
  const std::string ghost =
      R"({"node_failures":[{"type":"failed_node_exception","reason":"Failed node [foo]",)"
      R"("node_id":"foo","caused_by":{"type":"no_such_node_exception",)"
      R"("reason":"No such node [foo]","node_id":"foo"}}],)";
  EXPECT_EQ(Post("/_tasks/foo:1/_cancel?group_by=none", Strict()).body, ghost + R"("tasks":[]})");
  const TestResponse got = Post("/_tasks/foo:1/_cancel?group_by=parents");
  EXPECT_EQ(got.body, ghost + R"("tasks":{}})");
  EXPECT_EQ(got.Header("Quell-Nodes"), "selected=1 answered=0 failed=1");
}

TEST_F(GroupingTest, ACancelIsGroupedInItsOwnShape) {
  AFamily();
  const TestResponse got = Post("/_tasks/_cancel?group_by=parents");
  EXPECT_THAT(got.body, StartsWith(R"({"node_failures":[],"tasks":{")" + tasks_[0].id.ToString()));
  EXPECT_THAT(got.body, HasSubstr(R"("action":"job:run","status":"cancelled","description":"")"));
  EXPECT_EQ(got.Header("Quell-Operation"), file_.intents.begin()->first.ToString());
}

TEST_F(GroupingTest, AWrongGroupingCancelsNothing) {
  AFamily();
  EXPECT_EQ(Post("/_tasks/_cancel?group_by=foo").body,
            Refusal("[group_by] must be one of [nodes], [parents] or [none] but was [foo]"));
  EXPECT_THAT(file_.intents, SizeIs(0));
}

TEST_F(GroupingTest, TooManyTasksForAListByParentsAreRefusedWithTheWayOut) {
  for (std::uint64_t n = 1; n <= limits::kGroupParentsMax; ++n)
    tasks_.push_back(MakeTask(1, n));
  EXPECT_EQ(Get("/_tasks?group_by=parents").status, 200);
  tasks_.push_back(MakeTask(2, 1));
  EXPECT_EQ(Get("/_tasks?group_by=parents").body,
            Refusal("[group_by=parents] is served for at most [100000] tasks and [100001] match: "
                    "use [group_by=nodes], or a filter ([nodes], [actions], [parent_task_id])"));
  EXPECT_EQ(Get("/_tasks?group_by=none").status, 200);
}

TEST_F(GroupingTest, TooManyTasksDoNotTurnACancelIntoAnError) {
  for (std::uint64_t n = 1; n <= limits::kGroupParentsMax + 1; ++n)
    tasks_.push_back(MakeTask(1, n));
  tasks_[1].parent = tasks_[0].id;
  const TestResponse got = Post("/_tasks/_cancel?group_by=parents");
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.Header("Quell-Grouping"), "flat");
  EXPECT_THAT(got.body, HasSubstr("\"" + tasks_[1].id.ToString() + "\":{"));
  EXPECT_THAT(got.body, HasSubstr("\"" + tasks_.back().id.ToString() + "\":{"));
}

}  // namespace
}  // namespace quell::opensearch
