// Goal: clients find their way: who is there, is everybody well, where is HTTP served.
// Method: requests go through the real router, API and coordinator on simulated time.
#include <gmock/gmock.h>

#include "core/limits.h"
#include "tests/unit/coordinator/api_fixtures.h"

namespace quell::opensearch {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ClusterTest : public ApiTest {
 protected:
  ClusterTest() {
    Join(Node(1, "w1", {"cluster_manager", "data", "ingest", "remote_cluster_client"}));
    Join(Node(2, "w2", {"data"}));
    api_.PublishHttp("127.0.0.1:9480");
  }
  static NodeInfo Node(int n, const std::string& name, std::vector<std::string> roles) {
    NodeInfo node = Info(n, name);
    node.roles = std::move(roles);
    node.attributes = {{"rack", "r" + std::to_string(n)}};
    node.version = "0.1.0";
    return node;
  }
  void Heartbeat(int n, std::optional<CancelledRunning> running = {}) {
    coordinator_.OnHeartbeat({Id(n), Incarnation{1}, 1, {}, running}, who_,
                             [](Result<HeartbeatReply>) {});
  }
  void HeartbeatOf(int n, const HostLoad& load) {
    coordinator_.OnHeartbeat({Id(n), Incarnation{1}, 1, {}, {}, {}, load}, who_,
                             [](Result<HeartbeatReply>) {});
  }
  // Node 1 is heard on, node 2 is not.
  void LetTheSecondFallSilent() {
    for (int i = 0; i < 6; ++i) {
      scheduler_.Advance(limits::kHeartbeatInterval);
      Heartbeat(1);
    }
  }
};

TEST_F(ClusterTest, TheRootHasAllFieldsAndSaysWhatItIs) {
  const std::string id = Id(0).ToString();
  EXPECT_EQ(Get("/?pretty=false").body,
            R"({"name":"coordinator","cluster_name":"quell","cluster_uuid":")" + id +
                R"(","version":{"distribution":"quell","number":"0.1.0","build_type":"unknown",)"
                R"("build_hash":"unknown","build_date":"1970-01-01T00:00:00Z",)"
                R"("build_snapshot":false,"lucene_version":"none",)"
                R"("minimum_wire_compatibility_version":"0.1.0",)"
                R"("minimum_index_compatibility_version":"0.1.0"},)"
                R"("tagline":"Asked, delivered and stopped are three things"})");
  EXPECT_THAT(Get("/").body, StartsWith("{\n  \"name\" : \"coordinator\",\n"));
  EXPECT_THAT(Get("/?foo=1").body, StartsWith(R"({"error":{"root_cause":[)"));
  EXPECT_EQ(Send(http::Method::kHead, "/").status, 200);
}

TEST_F(ClusterTest, ADistributionAndVersionCanBeConfigured) {
  OpenSearchOptions options;
  options.identity = {"cap", "3.8.0", "opensearch", "The OpenSearch Project"};
  OpenSearchApi api(coordinator_, options);
  http::Router router;
  api.AddRoutes(router);
  EXPECT_THAT(Finish(Begin(router, http::Method::kGet, "/?pretty=false")).body,
              AllOf(HasSubstr(R"("cluster_name":"cap")"),
                    HasSubstr(R"("distribution":"opensearch","number":"3.8.0")"),
                    HasSubstr(R"("tagline":"The OpenSearch Project")")));
}

TEST_F(ClusterTest, HealthIsGreenWhileAllNodesAreHeard) {
  EXPECT_EQ(
      Get("/_cluster/health").body,
      R"({"cluster_name":"quell","status":"green","timed_out":false,"number_of_nodes":3,)"
      R"("number_of_data_nodes":2,"discovered_master":true,"discovered_cluster_manager":true,)"
      R"("active_primary_shards":0,"active_shards":0,"relocating_shards":0,)"
      R"("initializing_shards":0,"unassigned_shards":0,"delayed_unassigned_shards":0,)"
      R"("number_of_pending_tasks":0,"number_of_in_flight_fetch":0,)"
      R"("task_max_waiting_in_queue_millis":0,"active_shards_percent_as_number":100.0})");
  LetTheSecondFallSilent();
  EXPECT_THAT(Get("/_cluster/health?wait_for_status=yellow").body,
              HasSubstr(R"("status":"yellow","timed_out":false,"number_of_nodes":2)"));
}

TEST_F(ClusterTest, HealthWaitsForNodesAtMostItsTimeout) {
  const MonoTime before = clock_.Now();
  const TestResponse late = Get("/_cluster/health?wait_for_nodes=9&timeout=300ms");
  EXPECT_EQ(late.status, 408);
  EXPECT_THAT(late.body, HasSubstr(R"("timed_out":true)"));
  EXPECT_EQ(clock_.Now() - before, 300ms);

  auto waiting = Begin(router_, http::Method::kGet, "/_cluster/health?wait_for_nodes=ge(4)");
  EXPECT_FALSE(waiting->response.has_value()) << waiting->response->body;
  Join(Node(3, "w3", {}));
  EXPECT_EQ(Finish(waiting).status, 200);
}

TEST_F(ClusterTest, HealthReadsEverySpellingOfACount) {
  for (const char* met : {"3", ">=3", "<=3", "%3E2", "%3C4", "ge(3)", "le(3)", "gt(2)", "lt(4)"}) {
    const TestResponse got = Get(std::string("/_cluster/health?timeout=0&wait_for_nodes=") + met);
    EXPECT_EQ(got.status, 200) << met;
  }
  for (const char* unmet : {"2", ">=4", "<=2", ">3", "<3", "ge(4)"}) {
    const TestResponse got = Get(std::string("/_cluster/health?timeout=0&wait_for_nodes=") + unmet);
    EXPECT_EQ(got.status, 408) << unmet;
  }
  EXPECT_EQ(Get("/_cluster/health?wait_for_nodes=some").status, 400);
  EXPECT_EQ(Get("/_cluster/health?wait_for_status=blue").body,
            Refusal("No enum constant org.opensearch.cluster.health.ClusterHealthStatus.BLUE"));
  EXPECT_EQ(Get("/_cluster/health?wait_for_statu=green").body,
            Refusal("request [/_cluster/health] contains unrecognized parameter: [wait_for_statu] "
                    "-> did you mean any of [wait_for_status, wait_for_events, wait_for_nodes]?"));
}

TEST_F(ClusterTest, AHealthThatIsNotWaitedForIsForgotten) {
  auto waiting = Begin(router_, http::Method::kGet, "/_cluster/health?wait_for_nodes=9");
  waiting->Leave();
  const std::weak_ptr<TestExchange> watched = waiting;
  waiting.reset();
  EXPECT_TRUE(watched.expired()) << "a timer still holds it";
}

TEST_F(ClusterTest, NodesAreListedWithTheirAddresses) {
  const std::string body = Get("/_nodes").body;
  EXPECT_THAT(body, StartsWith(R"({"_nodes":{"total":3,"successful":3,"failed":0},)"
                               R"("cluster_name":"quell","nodes":{)"));
  EXPECT_THAT(body, HasSubstr(R"("name":"w2","transport_address":"127.0.0.1:9302",)"
                              R"("host":"127.0.0.1","ip":"127.0.0.1","version":"0.1.0",)"
                              R"("build_type":"unknown","build_hash":"unknown","roles":["data"],)"
                              R"("attributes":{"rack":"r2"},"transport":{"bound_address":)"
                              R"(["127.0.0.1:9302"],"publish_address":"127.0.0.1:9302",)"
                              R"("profiles":{}}})"));
}

// Whoever sniffs talks to all nodes that are listed: nobody must be sent where nobody listens.
TEST_F(ClusterTest, WhoAsksForHttpGetsOnlyTheNodeThatServesIt) {
  const std::string coordinator =
      R"({"_nodes":{"total":1,"successful":1,"failed":0},"cluster_name":"quell","nodes":{")" +
      Id(0).ToString() + R"(":{"name":"coordinator",)";
  for (const char* path :
       {"/_nodes/http", "/_nodes/_all/http", "/_nodes/_local/http", "/_nodes/_cluster_manager/http",
        "/_nodes/http,jvm", "/_nodes/http%2Cjvm"}) {
    const std::string body = Get(path).body;
    EXPECT_THAT(body, StartsWith(coordinator)) << path;
    EXPECT_THAT(body, HasSubstr(R"("http":{"bound_address":["127.0.0.1:9480"],"publish_address":)"
                                R"("127.0.0.1:9480","max_content_length_in_bytes":65536}}}})"))
        << path;
  }
  EXPECT_EQ(
      Get("/_nodes/w1/http").body,
      R"({"_nodes":{"total":0,"successful":0,"failed":0},"cluster_name":"quell","nodes":{}})");
}

TEST_F(ClusterTest, NodesAreChosenInThePath) {
  EXPECT_THAT(Get("/_nodes/w1").body,
              AllOf(HasSubstr(R"("total":1,)"), HasSubstr(R"("name":"w1")")));
  EXPECT_THAT(Get("/_nodes/rack:r2/transport").body, HasSubstr(R"("name":"w2")"));
  EXPECT_THAT(Get("/_nodes/_all,data:false").body,
              AllOf(HasSubstr(R"("total":1,)"), HasSubstr(R"("name":"coordinator")")));
  EXPECT_THAT(Get("/_nodes/plugins").body,
              AllOf(HasSubstr(R"("total":3,)"), Not(HasSubstr("publish_address"))));
  EXPECT_THAT(Get("/_nodes/nosuch").body, HasSubstr(R"("total":0,)"));
  EXPECT_EQ(Get("/_nodes/data:hot").status, 400);
  EXPECT_EQ(Get("/_nodes/usage").body,
            R"({"error":"no handler found for uri [/_nodes/usage] and method [GET]"})");
}

TEST_F(ClusterTest, ASilentNodeIsAFailureOfTheList) {
  LetTheSecondFallSilent();
  const TestResponse got = Get("/_nodes");
  EXPECT_THAT(got.body, StartsWith(R"({"_nodes":{"total":3,"successful":2,"failed":1,"failures":[)"
                                   R"({"type":"failed_node_exception","reason":"Failed node [)" +
                                   Id(2).ToString()));
  EXPECT_EQ(got.Header("Quell-Nodes"), "selected=3 answered=2 failed=1");
}

// ---- _nodes/stats

TEST_F(ClusterTest, TheCountOfCancelledTasksThatRunOnIsShownWhereANodeHasToldIt) {
  Heartbeat(1, CancelledRunning{1, 7});
  const std::string body = Get("/_nodes/stats/task_cancellation").body;
  EXPECT_THAT(body, StartsWith(R"({"_nodes":{"total":3,"successful":3,"failed":0},)"
                               R"("cluster_name":"quell","nodes":{)"));
  EXPECT_THAT(body, HasSubstr(R"("name":"w1","transport_address":"127.0.0.1:9301",)"));
  EXPECT_THAT(body, HasSubstr(R"("attributes":{"rack":"r1"},"task_cancellation":{"search_task":)"
                              R"({"current_count_post_cancel":1,"total_count_post_cancel":7},)"
                              R"("search_shard_task":{"current_count_post_cancel":0,)"
                              R"("total_count_post_cancel":0}}})"));
  // The second node has said nothing yet: only the strict profile has zeros then.
  EXPECT_THAT(Get("/_nodes/w2/stats").body, Not(HasSubstr("post_cancel")));
  EXPECT_THAT(Get("/_nodes/w2/stats", Strict()).body,
              HasSubstr(R"("search_task":{"current_count_post_cancel":0,)"));
  EXPECT_THAT(Get("/quell/v1/nodes").body,
              AllOf(HasSubstr(R"("pending":0,"cancelled_running":{"now":1,"total":7}})"),
                    HasSubstr(R"("pending":0})")));
}

TEST_F(ClusterTest, StatisticsAreChosenByNodesAndMetrics) {
  Heartbeat(1, CancelledRunning{1, 7});
  for (const char* path :
       {"/_nodes/stats", "/_nodes/stats/_all", "/_nodes/w1/stats", "/_nodes/_all/stats/_all",
        "/_nodes/w1/stats/jvm,task_cancellation", "/_nodes/stats/task_cancellation?timeout=1s"}) {
    EXPECT_THAT(Get(path).body, HasSubstr("\"total_count_post_cancel\":7")) << path;
  }
  // A real server has it, and Quell does not measure it.
  EXPECT_THAT(Get("/_nodes/w1/stats/jvm").body,
              AllOf(HasSubstr(R"("name":"w1")"), Not(HasSubstr("post_cancel"))));
  EXPECT_THAT(
      Get("/_nodes/w1/stats/task_cancelation,jvm").body,
      HasSubstr(
          R"("reason":"request [/_nodes/w1/stats/task_cancelation,jvm] contains )"
          R"(unrecognized metric: [task_cancelation] -> did you mean [task_cancellation]?")"));
  EXPECT_EQ(Get("/_nodes/stats?bogus=1").status, 400);
  LetTheSecondFallSilent();
  EXPECT_EQ(Get("/_nodes/stats").Header("Quell-Nodes"), "selected=3 answered=2 failed=1");
}

TEST_F(ClusterTest, TheStateIsNamesManagerAndNodes) {
  const std::string id = Id(0).ToString();
  const std::string head = R"({"cluster_name":"quell","cluster_uuid":")" + id + "\"";
  EXPECT_EQ(Get("/_cluster/state/nosuch").body, head + "}");
  EXPECT_EQ(Get("/_cluster/state/master_node").body, head + R"(,"master_node":")" + id + "\"}");
  EXPECT_THAT(Get("/_cluster/state/cluster_manager_node,version").body,
              AllOf(HasSubstr(R"(,"version":3,"state_uuid":")"),
                    testing::EndsWith(R"(.3","cluster_manager_node":")" + id + "\"}")));
  EXPECT_THAT(Get("/_cluster/state/nodes?local=true").body,
              AllOf(StartsWith(head + R"(,"nodes":{)"), HasSubstr(R"("name":"w1","ephemeral_id":)"),
                    HasSubstr(R"("attributes":{"rack":"r1"}})")));
  EXPECT_EQ(Get("/_cluster/state/metadata/some-index?filter_path=metadata").body, "{}");
  EXPECT_EQ(Get("/_cluster/pending_tasks?master_timeout=1s").body, R"({"tasks":[]})");
}

TEST_F(ClusterTest, NodesAsATable) {
  EXPECT_EQ(Get("/_cat/nodes?v").body,
            "ip        heap.percent ram.percent cpu load_1m load_5m load_15m node.role node.roles  "
            "                                      cluster_manager name\n"
            "127.0.0.1 -            -           -   -       -       -        -         -           "
            "                                      *               coordinator\n"
            "127.0.0.1 -            -           -   -       -       -        dimr      "
            "cluster_manager,data,ingest,remote_cluster_client -               w1\n"
            "127.0.0.1 -            -           -   -       -       -        d         data        "
            "                                      -               w2\n");
  EXPECT_EQ(Get("/_cat/nodes?h=version,master").body, "0.1.0 *\n0.1.0 -\n0.1.0 -\n");
  EXPECT_EQ(Get("/_cat/nodes?h=id,name,http&s=name:desc&full_id=true&format=json").body,
            R"([{"id":")" + Id(2).ToString() + R"(","name":"w2","http":"-"},{"id":")" +
                Id(1).ToString() + R"(","name":"w1","http":"-"},{"id":")" + Id(0).ToString() +
                R"(","name":"coordinator","http":"127.0.0.1:9480"}])");
  EXPECT_EQ(Get("/_cat/nodes?h=http", Strict()).body,
            "127.0.0.1:9480\n127.0.0.1:9480\n127.0.0.1:9480\n");
  LetTheSecondFallSilent();
  EXPECT_EQ(Get("/_cat/nodes?h=name").body,
            "coordinator\nw1\n# node [w2] is missing: no sign of life from the node\n");
  EXPECT_EQ(Get("/_cat/nodes?h=name", Strict()).body, "coordinator\nw1\n");
  EXPECT_THAT(Get("/_cat/nodes?help").body, StartsWith("id              | id,nodeId"));
}

TEST_F(ClusterTest, HowBusyAHostIsStandsInTheTableAndInTheListOfNodes) {
  load_ = {LoadAverages{0.5, 10.25, 0}, {}, 41, 0};
  HeartbeatOf(1, {LoadAverages{12.5, 1, 1}, 7, {}, {}});
  EXPECT_EQ(Get("/_cat/nodes?h=hp,rp,cpu,load_1m,load_5m,load_15m,name").body,
            "0 41 - 0.50  10.25 0.00 coordinator\n"
            "- -  7 12.50 1.00  1.00 w1\n"
            "- -  - -     -     -    w2\n");
  EXPECT_EQ(Get("/_cat/nodes?h=name&s=load_1m:desc").body, "w1\ncoordinator\nw2\n");
  EXPECT_EQ(Get("/_cat/nodes?h=name&s=rp,name").body, "w1\nw2\ncoordinator\n");
  EXPECT_THAT(Get("/quell/v1/nodes").body,
              AllOf(HasSubstr(R"("host_load":{"load_1m":0.50,"load_5m":10.25,"load_15m":0.00,)"
                              R"("memory_percent":41,"daemon_memory_percent":0}},)"),
                    HasSubstr(R"("host_load":{"load_1m":12.50,"load_5m":1.00,"load_15m":1.00,)"
                              R"("cpu_percent":7}},)"),
                    HasSubstr(R"("pending":0}])")));
}

TEST_F(ClusterTest, TheManagerAndItsQueueAsTables) {
  const std::string row = Id(0).ToString() + " 127.0.0.1 127.0.0.1 coordinator\n";
  EXPECT_EQ(Get("/_cat/cluster_manager").body, row);
  EXPECT_EQ(Get("/_cat/master?v").body, "id                     host      ip        node\n" + row);
  EXPECT_EQ(Get("/_cat/pending_tasks?v").body, "insertOrder timeInQueue priority source\n");
  EXPECT_EQ(Get("/_cat/pending_tasks?format=json&local=true").body, "[]");
  EXPECT_EQ(Get("/_cat/pending_tasks?full_id").status, 400);
}

}  // namespace
}  // namespace quell::opensearch
