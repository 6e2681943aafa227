// Goal: the HTTP answers are byte for byte what the documentation (documented) or a real server
// (strict) shows, and a request that could do more than was meant is refused.
// Method: requests go through the real router, API and coordinator; nodes answer as told. The
// expected bodies are the documentation's example and what an OpenSearch 3.8 was seen to send.
#include <gmock/gmock.h>

#include "coordinator/api/opensearch/request/errors.h"
#include "tests/support/result_matchers.h"
#include "tests/unit/coordinator/api_fixtures.h"

namespace quell::opensearch {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

// ---- The documentation's example

TEST_F(ApiTest, AnswersTheDocumentedCancelAsDocumented) {
  Join(Documented(1));
  Join(Documented(2));
  NodesAnswer();
  tasks_ = {DocumentedTask(1), DocumentedTask(2)};
  const TestResponse got = Post("/_tasks/_cancel?nodes=opensearch-node1,opensearch-node2");
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(
      got.body,
      R"({"node_failures":[],"nodes":{"JzrCxdtFTCO_RaINw8ckNA":{"name":"opensearch-node1",)"
      R"("transport_address":"127.0.0.1:9300","host":"127.0.0.1","ip":"127.0.0.1:9300",)"
      R"("roles":["data","ingest","cluster_manager","remote_cluster_client"],"attributes":{},)"
      R"("tasks":{"JzrCxdtFTCO_RaINw8ckNA:54":{"node":"JzrCxdtFTCO_RaINw8ckNA","id":54,)"
      R"("type":"transport","action":"indices:data/write/bulk","status":"cancelled",)"
      R"("description":"bulk request to [test_index]","start_time_in_millis":1625145678901,)"
      R"("running_time_in_nanos":2345678,"cancellable":true,"cancelled":true,"headers":{},)"
      R"("cancellation_time_millis":1625145680000}}},)"
      R"("K8iyDdtGQCO_SbJNw9dkMA":{"name":"opensearch-node2",)"
      R"("transport_address":"127.0.0.1:9301","host":"127.0.0.1","ip":"127.0.0.1:9301",)"
      R"("roles":["data","ingest","master","remote_cluster_client"],"attributes":{},)"
      R"("tasks":{"K8iyDdtGQCO_SbJNw9dkMA:78":{"node":"K8iyDdtGQCO_SbJNw9dkMA","id":78,)"
      R"("type":"transport","action":"indices:data/write/update","status":"cancelled",)"
      R"("description":"updating document in [another_index]",)"
      R"("start_time_in_millis":1625145679012,"running_time_in_nanos":1234567,)"
      R"("cancellable":true,"cancelled":true,"headers":{},)"
      R"("cancellation_time_millis":1625145680000}}}}})");
  EXPECT_EQ(got.Header("Quell-Nodes"), "selected=2 answered=2 failed=0");
  EXPECT_EQ(got.Header("Quell-Operation"), file_.intents.begin()->first.ToString());
}

// ---- A real server's answers

TEST_F(ApiTest, StrictCancelsAsARealServerDoes) {
  NodeInfo node = Documented(1);
  node.roles = {"cluster_manager", "data", "ingest", "remote_cluster_client"};
  node.attributes = {{"rack", "r1"}};
  Join(node);
  Join(Documented(2));
  NodesAnswer();
  tasks_ = {DocumentedTask(1)};
  const TaskId parent{node.id, 40};
  const Header opaque{"X-Opaque-Id", "nightly"};
  tasks_[0].parent = parent;
  tasks_[0].headers = {&opaque, 1};
  EXPECT_EQ(Post("/_tasks/_cancel", Strict()).body,
            R"({"nodes":{"JzrCxdtFTCO_RaINw8ckNA":{"name":"opensearch-node1",)"
            R"("transport_address":"127.0.0.1:9300","host":"127.0.0.1","ip":"127.0.0.1:9300",)"
            R"("roles":["cluster_manager","data","ingest","remote_cluster_client"],)"
            R"("attributes":{"rack":"r1"},"tasks":{"JzrCxdtFTCO_RaINw8ckNA:54":)"
            R"({"node":"JzrCxdtFTCO_RaINw8ckNA","id":54,"type":"transport",)"
            R"("action":"indices:data/write/bulk","start_time_in_millis":1625145678901,)"
            R"("running_time_in_nanos":2345678,"cancellable":true,"cancelled":true,)"
            R"("parent_task_id":"JzrCxdtFTCO_RaINw8ckNA:40","headers":{"X-Opaque-Id":"nightly"},)"
            R"("cancellation_time_millis":1625145680000}}}}})");
}

TEST_F(ApiTest, FailuresAreRenderedAsARealServerDoes) {
  Join(Documented(1));
  NodesAnswer();
  const std::string id = "JzrCxdtFTCO_RaINw8ckNA:999999999";
  EXPECT_EQ(Post("/_tasks/" + id + "/_cancel", Strict()).body,
            R"({"node_failures":[{"type":"failed_node_exception","reason":"Failed node )"
            R"([JzrCxdtFTCO_RaINw8ckNA]","node_id":"JzrCxdtFTCO_RaINw8ckNA","caused_by":)"
            R"({"type":"resource_not_found_exception","reason":"task [)" +
                id + R"(] is not found"}}],"nodes":{}})");
  const TestResponse ghost = Post("/_tasks/foo:1/_cancel", Strict());
  EXPECT_EQ(ghost.body,
            R"({"node_failures":[{"type":"failed_node_exception","reason":"Failed node [foo]",)"
            R"("node_id":"foo","caused_by":{"type":"no_such_node_exception",)"
            R"("reason":"No such node [foo]","node_id":"foo"}}],"nodes":{}})");
  EXPECT_EQ(ghost.status, 200);
  EXPECT_EQ(ghost.Header("Quell-Nodes"), "selected=1 answered=0 failed=1");
  EXPECT_EQ(ghost.Header("Quell-Operation"), "");
}

TEST_F(ApiTest, NodesWithoutTasksAndUnknownTokensDifferByProfile) {
  Join(Documented(1));
  NodesAnswer();
  EXPECT_EQ(Get("/_tasks?nodes=opensearch-node1,ghost", Strict()).body, R"({"nodes":{}})");
  const std::string documented = Get("/_tasks?nodes=opensearch-node1,ghost").body;
  EXPECT_THAT(documented, StartsWith(R"({"node_failures":[{"type":"failed_node_exception")"));
  EXPECT_THAT(documented, HasSubstr(R"("attributes":{},"tasks":{}}}})"));
}

TEST_F(ApiTest, AListIsPlainUnlessDetailed) {
  Join(Documented(1));
  NodesAnswer();
  tasks_ = {DocumentedTask(1)};
  tasks_[0].status_json = R"({"phase":"epoch"})";
  const std::string plain = Get("/_tasks?nodes=opensearch-node1").body;
  EXPECT_THAT(plain, HasSubstr(R"("action":"indices:data/write/bulk","start_time_in_millis")"));
  EXPECT_THAT(plain, HasSubstr(R"("cancelled":false,"headers":{}}}}}})"));
  EXPECT_THAT(Get("/_tasks?nodes=opensearch-node1&detailed").body,
              HasSubstr(R"("status":{"phase":"epoch"},"description":"bulk request to )"
                        R"([test_index]","start_time_in_millis":1625145678901,)"));
}

// ---- Get

TEST_F(ApiTest, GetShowsWhatRunsAndWhatHasEnded) {
  Join(Documented(1));
  NodesAnswer();
  tasks_ = {DocumentedTask(1)};
  const std::string task = "/_tasks/JzrCxdtFTCO_RaINw8ckNA%3A54";
  const std::string running = Get(task).body;
  EXPECT_THAT(running, StartsWith(R"({"completed":false,"task":{"node":"JzrCxdtFTCO_RaINw8ckNA")"));
  // What nobody has measured is not told, but where clients demand the object.
  EXPECT_THAT(running, testing::Not(HasSubstr("resource_stats")));
  EXPECT_THAT(Get(task, Strict()).body, HasSubstr(R"("resource_stats":{"average":)"));
  ended_ = true;
  const std::string ended = Get("/_tasks/JzrCxdtFTCO_RaINw8ckNA:54").body;
  EXPECT_THAT(ended, StartsWith(R"({"completed":true,)"));
  EXPECT_THAT(ended, testing::Not(HasSubstr("resource_stats")));
}

// ---- What a task has used

TEST_F(ApiTest, WhatATaskHasUsedIsShownAsFarAsItIsMeasured) {
  Join(Documented(1));
  NodesAnswer();
  tasks_ = {DocumentedTask(1)};
  for (const std::uint64_t bytes : {4096U, 12288U, 8192U})
    tasks_[0].resources.Take({CpuUse{10ns, 2ns, 5ns, 3, 1}, bytes});
  const std::string whole =
      R"("resource_stats":{"average":{"cpu_time_in_nanos":3,"memory_in_bytes":8192},)"
      R"("total":{"cpu_time_in_nanos":10,"memory_in_bytes":8192},)"
      R"("min":{"cpu_time_in_nanos":2,"memory_in_bytes":4096},)"
      R"("max":{"cpu_time_in_nanos":5,"memory_in_bytes":12288},)"
      R"("thread_info":{"thread_executions":3,"active_threads":1}})";
  const std::string list = "/_tasks?nodes=opensearch-node1";
  const std::string task = "/_tasks/JzrCxdtFTCO_RaINw8ckNA:54";
  EXPECT_THAT(Get(list + "&detailed").body, HasSubstr(whole));
  EXPECT_THAT(Get(list + "&detailed", Strict()).body, HasSubstr(whole));
  EXPECT_THAT(Get(list).body, testing::Not(HasSubstr("resource_stats")));
  EXPECT_THAT(Get(task).body, HasSubstr(whole));
  EXPECT_THAT(Get("/quell/v1/tasks/JzrCxdtFTCO_RaINw8ckNA:54").body,
              HasSubstr(R"("resources":{"cpu_time_in_nanos":10,"average_cpu_time_in_nanos":3,)"
                        R"("least_cpu_time_in_nanos":2,"most_cpu_time_in_nanos":5,)"
                        R"("executions":3,"active":1,"memory_in_bytes":8192,)"
                        R"("average_memory_in_bytes":8192,"least_memory_in_bytes":4096,)"
                        R"("most_memory_in_bytes":12288})"));
  ended_ = true;
  EXPECT_THAT(Get(task).body, HasSubstr(whole));
  EXPECT_THAT(Get(task, Strict()).body, testing::Not(HasSubstr("resource_stats")));
}

TEST_F(ApiTest, WhatIsNotMeasuredIsZeroInTheStrictProfileAlone) {
  Join(Documented(1));
  NodesAnswer();
  tasks_ = {DocumentedTask(1)};
  const std::string list = "/_tasks?nodes=opensearch-node1&detailed";
  EXPECT_THAT(
      Get(list, Strict()).body,
      HasSubstr(R"("resource_stats":{"average":{"cpu_time_in_nanos":0,"memory_in_bytes":0})"));
  tasks_[0].resources.Take({{}, 4096});
  EXPECT_THAT(Get(list).body, HasSubstr(R"("resource_stats":{"average":{"memory_in_bytes":4096},)"
                                        R"("total":{"memory_in_bytes":4096},)"
                                        R"("min":{"memory_in_bytes":4096},)"
                                        R"("max":{"memory_in_bytes":4096}})"));
  EXPECT_THAT(Get(list, Strict()).body,
              HasSubstr(R"("max":{"cpu_time_in_nanos":0,"memory_in_bytes":4096},)"
                        R"("thread_info":{"thread_executions":0,"active_threads":0}})"));
}

TEST_F(ApiTest, GetTellsTheMissingTheForeignAndTheMalformedApart) {
  Join(Documented(1));
  NodesAnswer();
  const std::string missing =
      "task [JzrCxdtFTCO_RaINw8ckNA:7] isn't running and hasn't stored "
      "its results";
  TestResponse got = Get("/_tasks/JzrCxdtFTCO_RaINw8ckNA:007");
  EXPECT_EQ(got.status, 404);
  EXPECT_EQ(got.body, R"({"error":{"root_cause":[{"type":"resource_not_found_exception",)"
                      R"("reason":")" +
                          missing + R"("}],"type":"resource_not_found_exception","reason":")" +
                          missing + R"("},"status":404})");
  got = Get("/_tasks/n1:+42");
  EXPECT_EQ(got.status, 404);
  EXPECT_EQ(got.body,
            R"({"error":{"root_cause":[{"type":"resource_not_found_exception","reason":"task )"
            R"([n1:42] isn't running and hasn't stored its results"}],)"
            R"("type":"resource_not_found_exception","reason":"task [n1:42] belongs to the node )"
            R"([n1] which isn't part of the cluster and there is no record of the task",)"
            R"("caused_by":{"type":"resource_not_found_exception","reason":"task [n1:42] isn't )"
            R"(running and hasn't stored its results"}},"status":404})");
  EXPECT_EQ(Get("/_tasks/n1:x").body,
            R"({"error":{"root_cause":[{"type":"illegal_argument_exception","reason":"malformed )"
            R"(task id n1:x"}],"type":"illegal_argument_exception","reason":"malformed task id )"
            R"(n1:x","caused_by":{"type":"number_format_exception","reason":"For input string: )"
            R"(\"x\""}},"status":400})");
  EXPECT_EQ(Get("/_tasks/unset").body, Refusal("Validation Failed: 1: task id is required;",
                                               "action_request_validation_exception"));
  EXPECT_EQ(Get("/_tasks/abc?bogus=1").body, Refusal("malformed task id abc"));
}

TEST_F(ApiTest, ASilentNodeIsNotANotFound) {
  Join(Documented(1));
  const TestResponse silent = Get("/_tasks/JzrCxdtFTCO_RaINw8ckNA:54?timeout=1s");
  EXPECT_EQ(silent.status, 503);
  EXPECT_THAT(silent.body, HasSubstr(R"("type":"receive_timeout_transport_exception")"));
  EXPECT_THAT(silent.body, HasSubstr("[opensearch-node1][127.0.0.1:9300]"));
}

// ---- Refusals

TEST_F(ApiTest, WhatIsNotServedIsRefusedAndNotIgnored) {
  const std::pair<const char*, const char*> cases[] = {
      {"group_by=", "[group_by] must be one of [nodes], [parents] or [none] but was []"},
      {"group_by=Parents",
       "[group_by] must be one of [nodes], [parents] or [none] but was [Parents]"},
      {"group_by=foo", "[group_by] must be one of [nodes], [parents] or [none] but was [foo]"},
      {"format=xml", "[format] must be one of [json], [yaml], [cbor], [smile] but was [xml]"},
      {"format=text", "[format] must be one of [json], [yaml], [cbor], [smile] but was [text]"},
      {"timeout=0", "[timeout] must be more than [0] and at most [60s] but was [0]"},
      {"timeout=-1", "[timeout] must be more than [0] and at most [60s] but was [-1]"},
      {"timeout=61s", "[timeout] must be more than [0] and at most [60s] but was [61s]"},
      {"bogus=1&group_by=foo", "request [/_tasks] contains unrecognized parameter: [bogus]"},
  };
  for (const auto& [query, reason] : cases) {
    const TestResponse got = Get(std::string("/_tasks?") + query);
    EXPECT_EQ(got.status, 400) << query;
    EXPECT_EQ(got.body, Refusal(reason)) << query;
  }
  EXPECT_EQ(Get("/_tasks?group_by=nodes&human=false&format=json&error_trace&timeout=60s").status,
            200);
  EXPECT_EQ(Get("/_tasks", {{"Quell-Profile", "lenient"}}).status, 400);
}

TEST_F(ApiTest, AnswersLeaveInTheFormatThatIsAskedFor) {
  using Headers = std::vector<Header>;
  const Headers strict = Strict();
  auto type = [&](const std::string& query, Headers headers) {
    headers.insert(headers.end(), strict.begin(), strict.end());
    return Get("/_tasks?nodes=nobody" + query, std::move(headers)).content_type;
  };
  const std::string json = "application/json; charset=UTF-8";
  EXPECT_EQ(type("", {}), json);
  EXPECT_EQ(type("&format=yaml", {}), "application/yaml");
  EXPECT_EQ(type("&format=CBOR", {}), "application/cbor");
  EXPECT_EQ(type("&format=smile", {}), "application/smile");
  EXPECT_EQ(type("&format=xml", {}), json);
  EXPECT_EQ(type("&format=text", {}), json);
  EXPECT_EQ(type("", {{"Accept", "application/yaml;q=0.1, application/json"}}), "application/yaml");
  EXPECT_EQ(type("", {{"Accept", "application/yaml, application/json"}}), json);
  EXPECT_EQ(type("", {{"Accept", "text/plain"}}), json);
  EXPECT_EQ(type("&format=json", {{"Accept", "application/yaml"}}), json);
  EXPECT_EQ(type("", {{"Content-Type", "application/yaml"}}), "application/yaml");
  EXPECT_EQ(Get("/_tasks?nodes=nobody&format=yaml&pretty", strict).body, "---\nnodes: {}\n");
  const TestResponse wrong = Get("/_tasks?group_by=foo&format=yaml&filter_path=status", strict);
  EXPECT_THAT(wrong.body, StartsWith("---\nerror:\n  root_cause:\n  - type: \"illegal_argument"));
}

TEST_F(ApiTest, PartsOfAnAnswerAndTimesForPeople) {
  Join(Documented(1));
  NodesAnswer();
  tasks_ = {DocumentedTask(1)};
  EXPECT_EQ(
      Get("/_tasks?filter_path=nodes.*.tasks.*.id").body,
      R"({"nodes":{"JzrCxdtFTCO_RaINw8ckNA":{"tasks":{"JzrCxdtFTCO_RaINw8ckNA:54":{"id":54}}}}})");
  EXPECT_EQ(Get("/_tasks?filter_path=**.action,-nodes").body, "{}");
  EXPECT_THAT(
      Get("/_tasks?human").body,
      HasSubstr(R"("start_time":"2021-07-01T13:21:18.901Z","start_time_in_millis":162514567)"
                R"(8901,"running_time":"2.3ms","running_time_in_nanos":2345678,)"));
  tasks_.front().cancellable = true;
  EXPECT_THAT(
      Post("/_tasks/_cancel?human").body,
      HasSubstr(R"("cancellation_time":"2021-07-01T13:21:20.000Z","cancellation_time_mill)"));
  EXPECT_THAT(
      Post("/_tasks/_cancel?human", Strict()).body,
      HasSubstr(R"("cancellation_time":"18809.5d","cancellation_time_millis":1625145680000)"));
}

TEST_F(ApiTest, AnEmptyFilterCancelsNothingUnlessStrict) {
  Join(Documented(1));
  NodesAnswer();
  for (const char* target :
       {"/_tasks/_cancel?nodes=", "/_tasks/_cancel?nodes", "/_tasks/_cancel?nodes=,",
        "/_tasks/_cancel?actions=,", "/_tasks/_cancel?actions",
        "/_tasks/_cancel?parent_task_id=", "/_tasks/_cancel?parent_task_id=x:-1",
        "/_tasks/_cancel?task_id=unset", "/_tasks/unset/_cancel", "/_tasks/x:-1/_cancel"}) {
    SCOPED_TRACE(target);
    const TestResponse refused = Post(target);
    EXPECT_EQ(refused.status, 400);
    EXPECT_THAT(refused.body, HasSubstr("name"));
    EXPECT_THAT(file_.intents, IsEmpty());
    EXPECT_EQ(Post(target, Strict()).status, 200);
    EXPECT_THAT(file_.intents, SizeIs(1));
    file_.intents.clear();
  }
  EXPECT_EQ(Post("/_tasks/_cancel").status, 200);
  EXPECT_THAT(file_.intents, SizeIs(1));
}

TEST_F(ApiTest, AnEmptyFilterOfAListIsRefusedInEachOfItsForms) {
  Join(Documented(1));
  NodesAnswer();
  for (const char* path :
       {"/_tasks", "/_tasks?group_by=parents", "/_cat/tasks", "/quell/v1/tasks"}) {
    for (const char* filter : {"nodes=", "actions", "actions=,", "parent_task_id=",
                               "nodes=a&nodes=b", "actions=a;actions=*", "actions=%FF"}) {
      std::string target = path;
      target.append(target.find('?') == std::string::npos ? "?" : "&").append(filter);
      EXPECT_EQ(Get(target).status, 400) << target;
      if (target.starts_with("/quell")) continue;
      EXPECT_EQ(Get(target, Strict()).status, 200) << target;
    }
  }
}

TEST_F(ApiTest, ATaskThatIsNamedTwiceIsRefused) {
  const std::string path = "/_tasks/n1:1";
  EXPECT_THAT(Post(path + "/_cancel?task_id=n1:2").body, HasSubstr("different tasks"));
  EXPECT_THAT(Get(path + "?task_id=n1:2").body, HasSubstr("different tasks"));
  EXPECT_EQ(Get(path + "?task_id=n1:1").status, 404);
  EXPECT_EQ(Get(path + "?task_id=n1:2", Strict()).status, 404);
}

TEST_F(ApiTest, TheNativeApiRefusesWhatItDoesNotRead) {
  for (const char* target :
       {"/quell/v1/tasks?pretty", "/quell/v1/tasks?filter_path=x", "/quell/v1/tasks?Actions=x",
        "/quell/v1/tasks?action=x", "/quell/v1/tasks/n1:1?format=yaml", "/quell/v1/nodes?human"}) {
    const TestResponse refused = Get(target);
    EXPECT_EQ(refused.status, 400) << target;
    EXPECT_THAT(refused.body, HasSubstr("unrecognized parameter")) << target;
  }
  const std::string body = R"({"actions":"x"})";
  const std::vector<Header> json = {{"Content-Type", "application/json"}};
  EXPECT_EQ(Send(http::Method::kGet, "/quell/v1/tasks", json, body).status, 400);
  EXPECT_EQ(Send(http::Method::kGet, "/quell/v1/nodes", json, body).status, 400);
  const std::string node = "/quell/v1/nodes/" + Documented(1).id.ToString();
  EXPECT_EQ(Send(http::Method::kDelete, node, json, body).status, 400);
  EXPECT_EQ(Send(http::Method::kDelete, node, json, "{}").status, 404);
}

TEST_F(ApiTest, ATaskThatCannotBeReadIsNamedAndCostsItselfAlone) {
  Join(Documented(1));
  nodes_.answer = [this](const AskedNodes::Asked& ask) {
    executor_.Post([ask] {
      const TaskView good = DocumentedTask(1);
      const TaskFailure bad{ask.node, 55, "the action is missing"};
      ask.sink->OnTasks({&good, 1});
      ask.sink->OnUnreadable({&bad, 1});
      ask.sink->OnDone(NodeReply(ListReply{2}));
    });
  };
  const std::string id = Documented(1).id.ToString();
  const std::string failure = R"("task_failures":[{"task_id":55,"node_id":")" + id +
                              R"(","status":"INTERNAL_SERVER_ERROR","reason":{"type":)"
                              R"("transport_serialization_exception","reason":"the action is )"
                              R"(missing"}}])";
  for (const char* target :
       {"/_tasks", "/_tasks?group_by=none", "/_tasks?group_by=parents", "/_tasks?size=5"}) {
    const TestResponse got = Get(target);
    EXPECT_THAT(got.body, HasSubstr(failure)) << target;
    EXPECT_THAT(got.body, HasSubstr("indices:data/write/bulk")) << target;
    EXPECT_THAT(got.body, HasSubstr(R"("node_failures":[])")) << target;
    EXPECT_EQ(got.Header("Quell-Nodes"), "selected=2 answered=2 failed=0") << target;
  }
  EXPECT_THAT(Get("/_tasks", Strict()).body, HasSubstr(failure));
  EXPECT_THAT(Get("/_cat/tasks").body, HasSubstr("# task [" + id + ":55] is missing: the action"));
  const TestResponse native = Get("/quell/v1/tasks");
  EXPECT_THAT(native.body, HasSubstr(R"("task_failures":[{"node":")" + id + R"(","number":55)"));
}

TEST_F(ApiTest, AnIdAndNodesTogetherAreRefused) {
  EXPECT_EQ(Post("/_tasks/n1:1/_cancel?nodes=x").body,
            Refusal("Validation Failed: 1: task id cannot be used together with node ids;",
                    "action_request_validation_exception"));
  EXPECT_EQ(Post("/_tasks/n1:1/_cancel?bogus=1&nodes=x").body,
            Refusal("request [/_tasks/n1:1/_cancel] contains unrecognized parameter: [bogus]"));
}

TEST_F(ApiTest, StrictKnowsNoParametersOfItsOwn) {
  for (const char* param : {"timeout=1s", "reason=x", "grace=1s"}) {
    const TestResponse refused =
        Post(std::string("/_tasks/_cancel?actions=nothing&") + param, Strict());
    EXPECT_THAT(refused.body, HasSubstr("unrecognized parameter")) << param;
    EXPECT_EQ(Post(std::string("/_tasks/_cancel?actions=nothing&") + param).status, 200) << param;
  }
  EXPECT_EQ(Post("/_tasks/_cancel?actions=nothing&taskid=x", Strict()).body,
            Refusal("request [/_tasks/_cancel] contains unrecognized parameter: [taskid] -> did "
                    "you mean [task_id]?"));
}

TEST_F(ApiTest, ReasonAndGraceReachTheIntent) {
  Join(Documented(1));
  NodesAnswer();
  Post("/_tasks/_cancel?reason=too%20slow&grace=250ms");
  Intent intent = file_.intents.begin()->second.intent;
  EXPECT_EQ(intent.reason, "too slow");
  EXPECT_EQ(intent.grace, 250ms);
  EXPECT_EQ(intent.by, who_.name());
  file_.intents.clear();
  Post("/_tasks/_cancel?grace=0");
  EXPECT_EQ(file_.intents.begin()->second.intent.grace, 1ms);
  EXPECT_EQ(Post("/_tasks/_cancel?grace=3601s").status, 400);
  EXPECT_EQ(Post("/_tasks/_cancel?reason=" + std::string(limits::kReasonMax + 1, 'x')).status, 400);
}

TEST_F(ApiTest, AParentThatCannotExistMatchesNothing) {
  Join(Documented(1));
  NodesAnswer();
  std::optional<TaskId> asked;
  auto answer = nodes_.answer;
  nodes_.answer = [&](const AskedNodes::Asked& ask) {
    if (const auto* list = std::get_if<ListRequest>(&ask.request)) asked = list->filter.parent;
    answer(ask);
  };
  EXPECT_EQ(Get("/_tasks?parent_task_id=foo:1").status, 200);
  ASSERT_TRUE(asked);
  EXPECT_FALSE(asked->node.is_null()) << "the null id is refused on the wire";
}

// ---- Errors of a cancel

TEST_F(ApiTest, NoStoreNoSuccess) {
  Join(Documented(1));
  NodesAnswer();
  file_.disk.error = Error{ErrorCode::kResourceExhausted, "the disk is full"};
  TestResponse got = Post("/_tasks/_cancel");
  EXPECT_EQ(got.status, 507);
  EXPECT_THAT(got.body, HasSubstr("the disk is full"));
  file_.disk.error = Error{ErrorCode::kInternal, "the file is damaged"};
  EXPECT_EQ(Post("/_tasks/_cancel").status, 500);
  file_.disk.error.reset();
  file_.unknown_next = 1;
  got = Post("/_tasks/_cancel");
  EXPECT_EQ(got.status, 503);
  EXPECT_THAT(got.body, HasSubstr(R"("type":"cancel_outcome_unknown")"));
}

TEST_F(ApiTest, TooManyRequestsAreToldToComeBack) {
  Join(Documented(1));
  std::vector<std::shared_ptr<TestExchange>> waiting;
  for (std::size_t i = 0; i < limits::kFanOutsMax; ++i) {
    waiting.push_back(Begin(router_, http::Method::kGet, "/_tasks"));
  }
  const auto refuses = [this](http::Method method, const char* target) {
    const TestResponse refused = Send(method, target);
    EXPECT_EQ(refused.status, 429) << target;
    EXPECT_EQ(refused.Header("Retry-After"), "1") << target;
  };
  refuses(http::Method::kGet, "/_tasks");
  refuses(http::Method::kGet, "/_tasks/n1:1");
  for (std::size_t i = 0; i < limits::kCancelsMax; ++i) {
    waiting.push_back(Begin(router_, http::Method::kPost, "/_tasks/_cancel"));
  }
  refuses(http::Method::kPost, "/_tasks/_cancel");
}

TEST_F(ApiTest, EachErrorHasItsPlaceInTheTable) {
  EXPECT_EQ(RowFor(ErrorCode::kOutcomeUnknown, ErrorSource::kStore).status, 503);
  EXPECT_EQ(RowFor(ErrorCode::kResourceExhausted, ErrorSource::kStore).status, 507);
  EXPECT_EQ(RowFor(ErrorCode::kResourceExhausted, ErrorSource::kService).status, 429);
  EXPECT_EQ(RowFor(ErrorCode::kInternal, ErrorSource::kStore).status, 500);
  EXPECT_EQ(RowFor(ErrorCode::kUnavailable, ErrorSource::kService).type,
            "node_disconnected_exception");
}

// ---- The rest

TEST_F(ApiTest, PrettyIsForPeople) {
  EXPECT_EQ(Post("/_tasks/foo:1/_cancel?pretty", Strict()).body,
            "{\n  \"node_failures\" : [\n    {\n      \"type\" : \"failed_node_exception\",\n"
            "      \"reason\" : \"Failed node [foo]\",\n      \"node_id\" : \"foo\",\n"
            "      \"caused_by\" : {\n        \"type\" : \"no_such_node_exception\",\n"
            "        \"reason\" : \"No such node [foo]\",\n        \"node_id\" : \"foo\"\n"
            "      }\n    }\n  ],\n  \"nodes\" : { }\n}\n");
}

TEST_F(ApiTest, TheNativeFaceShowsTheWholeRecord) {
  Join(Documented(1));
  NodesAnswer();
  tasks_ = {DocumentedTask(1)};
  tasks_[0].status_json = R"({"phase":"epoch"})";
  tasks_[0].owner_uid = 1000;
  tasks_[0].pid = 4242;
  tasks_[0].detached = true;
  EXPECT_EQ(Get("/quell/v1/tasks/JzrCxdtFTCO_RaINw8ckNA:54").body,
            R"({"task":{"id":"JzrCxdtFTCO_RaINw8ckNA:54","node":"JzrCxdtFTCO_RaINw8ckNA",)"
            R"("number":54,"type":"transport","action":"indices:data/write/bulk",)"
            R"("description":"bulk request to [test_index]","state":"running",)"
            R"("status":{"phase":"epoch"},"cancellable":true,"detached":true,)"
            R"("start_time_in_millis":1625145678901,"running_time_in_nanos":2345678,)"
            R"("uid":1000,"pid":4242,"on_parent_lost":"keep","headers":{},"cancel":null},)"
            R"("node_name":"opensearch-node1","ended":false,"receipt":null})");
  EXPECT_EQ(Get("/quell/v1/tasks/n1:1").status, 404);
  EXPECT_EQ(Get("/quell/v1/tasks/x").status, 400);
  EXPECT_EQ(Get("/quell/v1/nodes?x=1").status, 400);
}

TEST_F(ApiTest, TheNativeFaceListsAndForgetsNodes) {
  Join(Documented(1));
  const std::string target = "/quell/v1/nodes/JzrCxdtFTCO_RaINw8ckNA";
  EXPECT_THAT(Get("/quell/v1/nodes").body,
              HasSubstr(R"("name":"opensearch-node1","address":"127.0.0.1:9300","version":"",)"
                        R"("incarnation":1,"coordinator":false,"alive":true,"state":"alive",)"
                        R"("draining":false,"pending":0})"));
  EXPECT_EQ(Send(http::Method::kDelete, target).status, 409);
  EXPECT_EQ(Send(http::Method::kDelete, "/quell/v1/nodes/opensearch-node1").status, 400);
  scheduler_.Advance(limits::kSilentAfter + 1s);
  EXPECT_EQ(Send(http::Method::kDelete, target).body,
            R"({"forgotten":"JzrCxdtFTCO_RaINw8ckNA","name":"opensearch-node1","pending":0})");
  EXPECT_EQ(Send(http::Method::kDelete, target).status, 404);
}

TEST_F(ApiTest, TasksThatACancelHasSparedAreNamedInItsAnswer) {
  Join(Documented(1));
  NodesAnswer();
  spared_ = {{Documented(1).id, 54}};
  const std::string named =
      R"({"task_failures":[{"task_id":54,"node_id":"JzrCxdtFTCO_RaINw8ckNA","status":"CONFLICT",)"
      R"("reason":{"type":"task_order_unknown_exception","reason":"task )"
      R"([JzrCxdtFTCO_RaINw8ckNA:54] was spared)";
  EXPECT_THAT(Post("/_tasks/_cancel").body, StartsWith(named));
  EXPECT_THAT(Post("/_tasks/_cancel?group_by=none", Strict()).body, StartsWith(named));
}

TEST_F(ApiTest, ReadinessEndsBeforeLife) {
  EXPECT_EQ(Get("/readyz").status, 200);
  ready_ = false;
  EXPECT_EQ(Get("/readyz").status, 503);
  EXPECT_EQ(Get("/livez").status, 200);
}

}  // namespace
}  // namespace quell::opensearch
