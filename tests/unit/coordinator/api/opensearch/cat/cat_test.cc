// Goal: `_cat/tasks` is the table that a real server prints, to the blank; failures are seen in the
// documented profile.
// Method: requests go through the real router, API and coordinator; nodes answer as told. Expected
// texts are laid out as an OpenSearch 3.8 was seen to send them.
#include <gmock/gmock.h>

#include "coordinator/api/opensearch/cat/table.h"
#include "coordinator/api/opensearch/format/human.h"
#include "core/limits.h"
#include "tests/unit/coordinator/api_fixtures.h"

namespace quell::opensearch {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class CatTest : public ApiTest {
 protected:
  // A child on the other node began before a later, unrelated task of the first.
  CatTest() {
    NodeInfo first = Info(1, "opensearch-node1");
    NodeInfo second = Info(2, "w2");
    first.version = second.version = "3.8.0";
    Join(first);
    Join(second);
    NodesAnswer();
    tasks_ = {MakeTask(1, 1505), MakeTask(2, 678), MakeTask(1, 7)};
    Starts(0, 1795401798830, 735860507);
    Starts(1, 1795401798908, 78'600);
    Starts(2, 1795401798899, 2'000'000'000);
    tasks_[0].headers = {&opaque_, 1};
    tasks_[1].parent = tasks_[0].id;
    tasks_[1].action = "job:run[part]";
  }
  void Starts(std::size_t task, std::int64_t millis, std::int64_t running) {
    tasks_[task].start_wall = WallFromMicros(millis * 1000);
    tasks_[task].running = std::chrono::nanoseconds(running);
  }
  std::string Text(const std::string& query) { return Get("/_cat/tasks?" + query, Strict()).body; }

  const Header opaque_{"X-Opaque-Id", "My Job 1"};
};

TEST_F(CatTest, TheTableIsARealServers) {
  const std::string parent = Id(1).ToString() + ":1505";
  const std::string child = Id(2).ToString() + ":678";
  const TestResponse got = Get("/_cat/tasks?v", Strict());
  EXPECT_EQ(got.content_type, "text/plain; charset=UTF-8");
  EXPECT_EQ(got.body,
            "action        task_id                     parent_task_id              type      "
            "start_time    timestamp running_time ip        node\n"
            "job:run       " +
                parent +
                " -                           transport 1795401798830 "
                "02:43:18  735.8ms      127.0.0.1 opensearch-node1\n"
                "job:run[part] " +
                child + "  " + parent +
                " transport 1795401798908 "
                "02:43:18  78.6micros   127.0.0.1 w2\n"
                "job:run       " +
                Id(1).ToString() +
                ":7    -                           transport "
                "1795401798899 02:43:18  2s           127.0.0.1 opensearch-node1\n");
  EXPECT_EQ(got.Header("Quell-Nodes"), "selected=3 answered=3 failed=0");
}

TEST_F(CatTest, HChoosesColumnsByNameAliasAndPattern) {
  EXPECT_EQ(Text("v&h=node,id"),
            "node             id\nopensearch-node1 1505\nw2               678\n"
            "opensearch-node1 7\n");
  EXPECT_EQ(Text("v&h=ac,nosuch,ac,%20id,action"),
            "ac            action\njob:run       job:run\njob:run[part] job:run[part]\n"
            "job:run       job:run\n");
  EXPECT_THAT(Text("v&h=*time*"),
              StartsWith("start_time    timestamp running_time_ns running_time\n"));
  EXPECT_THAT(Text("v&h=t*"), HasSubstr(" type      timestamp running_time_ns running_time\n"));
  EXPECT_THAT(Text("v&h=time"), StartsWith("time\n735.8ms\n"));
  EXPECT_EQ(Text("v&h=nosuch"), "\n\n\n\n");
  EXPECT_EQ(Text("v&h="), "\n\n\n\n");
  EXPECT_EQ(Text("h=x_opaque_id,po,ni,version"),
            "My Job 1 9301 node 3.8.0\n-        9302 node 3.8.0\n-        9301 node 3.8.0\n");
}

TEST_F(CatTest, SSortsNumbersAsNumbersAndTextAsText) {
  EXPECT_EQ(Text("h=id&s=id"), "7\n678\n1505\n");
  EXPECT_EQ(Text("h=id&s=id:desc"), "1505\n678\n7\n");
  EXPECT_EQ(Text("h=id&s=n:desc,id:asc"), "678\n7\n1505\n");
  EXPECT_EQ(Text("h=id&s=time:desc"), "7\n1505\n678\n");
  EXPECT_EQ(Text("h=id&s=x"), "678\n7\n1505\n");
  EXPECT_EQ(Text("h=id&s=id,id:desc"), Text("h=id&s=id")) << "the first key of a column counts";
  std::string many = "id";
  for (std::size_t i = 1; i < limits::kSortKeysMax; ++i)
    many += ",id";
  EXPECT_EQ(Text("h=id&s=" + many), Text("h=id&s=id"));
  EXPECT_EQ(Get("/_cat/tasks?s=" + many + ",id").body,
            Refusal("[s] has more than [64] sort keys: use fewer"));
  EXPECT_EQ(Text("h=id&s="), "1505\n678\n7\n");
  const TestResponse strict = Get("/_cat/tasks?s=id:up", Strict());
  EXPECT_EQ(strict.status, 500);
  EXPECT_THAT(strict.body, HasSubstr(R"({"type":"unsupported_operation_exception","reason":)"
                                     R"("Unable to sort by unknown sort key `id:up`"})"));
  EXPECT_EQ(Get("/_cat/tasks?s=description").status, 400);
  EXPECT_EQ(Get("/_cat/tasks?s=description&detailed").status, 200);
}

TEST_F(CatTest, TimeAndTsChangeWhatTheySay) {
  EXPECT_EQ(Text("h=running_time&time=ms"), "735\n0\n2000\n");
  EXPECT_EQ(Text("h=running_time&time=w"), "735.8ms\n78.6micros\n2s\n");
  EXPECT_EQ(Text("v&ts=false&h=timestamp,id"), "id\n1505\n678\n7\n");
  EXPECT_EQ(Get("/_cat/tasks?ts=no").body,
            Refusal("Failed to parse value [no] as only [true] or [false] are allowed."));
}

TEST_F(CatTest, JsonHasEveryValueAsText) {
  const std::string json =
      R"([{"id":"1505","ac":"job:run"},{"id":"678","ac":"job:run[part]"},{"id":"7","ac":"job:run"}])";
  EXPECT_EQ(Text("format=json&h=id,ac"), json);
  const TestResponse got = Get("/_cat/tasks?h=id,ac", {{"Accept", "application/json"}});
  EXPECT_EQ(got.body, json);
  EXPECT_EQ(got.content_type, "application/json; charset=UTF-8");
  EXPECT_EQ(Get("/_cat/tasks?h=id&format=text", {{"Accept", "application/json"}}).body,
            "1505\n678\n7\n");
  tasks_.clear();
  EXPECT_EQ(Text("format=json"), "[]");
  EXPECT_EQ(Text("format=json&pretty"), "[ ]\n");
  EXPECT_EQ(Text(""), "");
  EXPECT_EQ(Text("v"),
            "action task_id parent_task_id type start_time timestamp running_time ip "
            "node\n");
}

TEST_F(CatTest, DetailedAddsTheDescriptionAndARowStaysALine) {
  tasks_ = {MakeTask(1, 1)};
  tasks_[0].description = "two\nlines";
  EXPECT_EQ(Get("/_cat/tasks?h=id,description").body, "1\n");
  EXPECT_EQ(Get("/_cat/tasks?h=id,desc&detailed").body, "1 two lines\n");
  EXPECT_THAT(Text("h=resource_stats&detailed"), StartsWith("{\n  \"average\" : {\n"));
  EXPECT_EQ(Get("/_cat/tasks?h=resource_stats&detailed").body, "-\n");
  tasks_[0].resources.Take({{}, 4096});
  EXPECT_THAT(Get("/_cat/tasks?h=resource_stats&detailed").body,
              StartsWith(R"({"average":{"memory_in_bytes":4096},"total":)"));
}

TEST_F(CatTest, HelpNeedsNoNode) {
  nodes_.answer = {};
  const std::string help = Text("help&v&h=id");
  EXPECT_THAT(help, StartsWith("id              |               | id of the task with the node\n"
                               "action          | ac            | task action                 \n"));
  EXPECT_THAT(help, HasSubstr("timestamp       | ts,hms,hhmmss | start time in HH:MM:SS      \n"));
  EXPECT_THAT(
      Text("help&detailed"),
      HasSubstr("resource_stats  |               | resource consumption info of the task\n"));
  EXPECT_EQ(Get("/_cat/tasks?help&nodes=_all").body,
            Refusal("request [/_cat/tasks] contains unrecognized parameter: [nodes]"));
}

TEST_F(CatTest, ParametersAreAsStrictAsElsewhere) {
  for (const char* name : {"limit", "full_id", "local", "group_by", "task_id", "bogus"}) {
    EXPECT_EQ(Get("/_cat/tasks?h=id&" + std::string(name) + "=1").body,
              Refusal("request [/_cat/tasks] contains unrecognized parameter: [" +
                      std::string(name) + "]"));
  }
  EXPECT_EQ(Get("/_cat/tasks?node_id=_local").body,
            Refusal("request [/_cat/tasks] contains unrecognized parameter: [node_id] -> did you "
                    "mean [nodes]?"));
  EXPECT_EQ(Get("/_cat/tasks?parent_task_id=abc").body, Refusal("malformed task id abc"));
  EXPECT_EQ(Get("/_cat/tasks?bytes=kb&size=k&pri&timeout=1s").status, 200);
}

TEST_F(CatTest, AFailedNodeIsALineAndNotASilence) {
  tasks_ = {MakeTask(1, 1)};
  const TestResponse got = Get("/_cat/tasks?h=id&nodes=ghost,opensearch-node1");
  EXPECT_EQ(got.body,
            "1\n# node [ghost] is missing: no_such_node_exception: No such node "
            "[ghost]\n");
  EXPECT_EQ(got.Header("Quell-Nodes"), "selected=2 answered=1 failed=1");
  nodes_.answer = {};
  const TestResponse strict = Get("/_cat/tasks?timeout=1s", Strict());
  EXPECT_EQ(strict.body, "");
  EXPECT_EQ(strict.Header("Quell-Nodes"), "selected=3 answered=1 failed=2");
}

TEST_F(CatTest, TooManyRowsAreRefusedWithTheWayOut) {
  tasks_.assign(limits::kGroupParentsMax + 1, MakeTask(1, 1));
  EXPECT_THAT(Get("/_cat/tasks").body, HasSubstr("at most [100000] tasks and [100001] match"));
}

TEST_F(CatTest, TheIndexNamesTheTables) {
  EXPECT_EQ(Get("/_cat").body,
            "=^.^=\n/_cat/cluster_manager\n/_cat/nodes\n/_cat/tasks\n/_cat/pending_tasks\n");
  EXPECT_EQ(Get("/_cat?bogus").status, 400);
}

TEST_F(CatTest, EveryAnswerRepeatsTheOpaqueId) {
  for (const char* target :
       {"/_cat/tasks", "/_cat/tasks?bogus", "/_tasks", "/_tasks?bogus", "/_cat", "/"}) {
    EXPECT_EQ(Get(target, {{"x-opaque-id", "nightly"}}).Header("X-Opaque-Id"), "nightly") << target;
  }
  EXPECT_EQ(Get("/_tasks").Header("X-Opaque-Id"), "");
}

TEST(TableTest, DurationsAreCutToOneDigit) {
  const std::pair<std::int64_t, const char*> cases[] = {{0, "0s"},
                                                        {999, "999nanos"},
                                                        {1'000, "1micros"},
                                                        {78'699, "78.6micros"},
                                                        {735'860'507, "735.8ms"},
                                                        {1'449'999'999, "1.4s"},
                                                        {60'000'000'000, "1m"},
                                                        {5'400'000'000'000, "1.5h"},
                                                        {20780LL * 86'400'000'000'000, "20780d"}};
  for (const auto& [nanos, text] : cases)
    EXPECT_EQ(HumanDuration(nanos), text);
}

}  // namespace
}  // namespace quell::opensearch
