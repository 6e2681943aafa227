// Goal: `wait_for_completion` answers as documented, or as the recordings of a real server have it,
// and is given up when the client goes.
// Method: the face on simulated nodes whose tasks end after a minute.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/coordinator/face_fixtures.h"

namespace quell::opensearch {
namespace {

using testing::HasSubstr;
using testing::Not;

class WaitTest : public FaceTest {
 protected:
  WaitTest() {
    Join(Documented(1));
    Join(Documented(2));
    tasks_ = {DocumentedTask(1)};
    NodesAnswer();
  }
  MonoClock::duration Timed(const std::function<void()>& work) {
    const MonoTime start = scheduler_.Now();
    work();
    return scheduler_.Now() - start;
  }
  static constexpr const char* kTask = "/_tasks/JzrCxdtFTCO_RaINw8ckNA:54";
};

TEST_F(WaitTest, AGetShowsTheEndedTask) {
  const TestResponse response = Get(std::string(kTask) + "?wait_for_completion&timeout=5m");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, testing::StartsWith(R"({"completed":true,"task":{)"));
  EXPECT_EQ(response.Header("Quell-Wait"), "running=0");
}

TEST_F(WaitTest, AGetWhoseWaitRunsOutShowsTheRunningTask) {
  EXPECT_EQ(Timed([&] {
              const TestResponse response = Get(std::string(kTask) + "?wait_for_completion=true");
              EXPECT_EQ(response.status, 200);
              EXPECT_THAT(response.body,
                          testing::StartsWith(R"({"completed":false,"timed_out":true,"task":{)"));
              EXPECT_EQ(response.Header("Quell-Wait"), "running=1");
            }),
            limits::kWaitDefault - limits::kWaitMargin);
}

TEST_F(WaitTest, InTheStrictProfileAGetWhoseWaitRunsOutIsAnError) {
  for (const std::string timeout : {"", "&timeout=300ms"}) {
    const TestResponse response =
        Get(std::string(kTask) + "?wait_for_completion=true" + timeout, Strict());
    EXPECT_EQ(response.status, 504);
    EXPECT_EQ(
        response.body,
        R"({"error":{"root_cause":[{"type":"timeout_exception","reason":)"
        R"("Timed out waiting for completion of [JzrCxdtFTCO_RaINw8ckNA:54]"}],)"
        R"("type":"timeout_exception","reason":)"
        R"("Timed out waiting for completion of [JzrCxdtFTCO_RaINw8ckNA:54]"},"status":504})");
  }
}

TEST_F(WaitTest, AListShowsTheEndedTasks) {
  const TestResponse response = Get("/_tasks?wait_for_completion&timeout=2m&detailed");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr(R"("JzrCxdtFTCO_RaINw8ckNA:54":{)"));
  EXPECT_THAT(response.body, Not(HasSubstr("timed_out")));
  EXPECT_EQ(response.Header("Quell-Nodes"), "selected=3 answered=3 failed=0");
}

TEST_F(WaitTest, AListWhoseWaitRunsOutKeepsWhatIsKnown) {
  for (const std::string grouping : {"nodes", "parents", "none"}) {
    const TestResponse response =
        Get("/_tasks?wait_for_completion&timeout=2s&group_by=" + grouping);
    EXPECT_EQ(response.status, 200);
    EXPECT_THAT(response.body, testing::StartsWith(R"({"node_failures":[],"timed_out":true,)"));
    EXPECT_THAT(response.body, HasSubstr(R"("id":54)"));
    EXPECT_EQ(response.Header("Quell-Nodes"), "selected=3 answered=3 failed=0");
    EXPECT_EQ(response.Header("Quell-Wait"), "running=1");
  }
}

TEST_F(WaitTest, InTheStrictProfileTheTasksOfANodeWhoseWaitRanOutAreLost) {
  TestResponse response = Get("/_tasks?wait_for_completion&timeout=500ms", Strict());
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body,
            R"({"node_failures":[{"type":"failed_node_exception","reason":)"
            R"("Failed node [JzrCxdtFTCO_RaINw8ckNA]","node_id":"JzrCxdtFTCO_RaINw8ckNA",)"
            R"("caused_by":{"type":"receive_timeout_transport_exception","reason":)"
            R"("[opensearch-node1][127.0.0.1:9300][cluster:monitor/tasks/lists[n]] )"
            R"(request_id [2] timed out after [500ms]"}}],"nodes":{}})");
  EXPECT_EQ(response.Header("Quell-Nodes"), "selected=3 answered=2 failed=1");
  response = Get("/_tasks?wait_for_completion", Strict());
  EXPECT_THAT(response.body, HasSubstr(R"("caused_by":{"type":"timeout_exception","reason":)"
                                       R"("Timed out waiting for completion of [1 tasks]"})"));
}

TEST_F(WaitTest, ACancelAnswersAfterTheEnd) {
  for (const std::string& target :
       {std::string(kTask) + "/_cancel", std::string("/_tasks/_cancel")}) {
    EXPECT_GE(Timed([&] {
                ended_ = false;
                const TestResponse response = Post(target + "?wait_for_completion=true&timeout=2m");
                EXPECT_EQ(response.status, 200);
                EXPECT_THAT(response.body, HasSubstr(R"("JzrCxdtFTCO_RaINw8ckNA:54":{)"));
                EXPECT_EQ(response.Header("Quell-Wait"), "running=0");
                EXPECT_EQ(response.Header("Quell-Operation").size(), 22u);
              }),
              1min);
  }
}

TEST_F(WaitTest, ACancelWhoseWaitRunsOutWasACancelAllTheSame) {
  const TestResponse response = Post("/_tasks/_cancel?wait_for_completion=true&timeout=4s");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, testing::StartsWith(R"({"node_failures":[],"timed_out":true,)"));
  EXPECT_EQ(response.Header("Quell-Operation").size(), 22u);
}

TEST_F(WaitTest, InTheStrictProfileACancelWaitsWithoutATimeout) {
  const TestResponse response = Post("/_tasks/_cancel?wait_for_completion=true", Strict());
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr(R"("JzrCxdtFTCO_RaINw8ckNA:54":{)"));
  EXPECT_EQ(Post("/_tasks/_cancel?wait_for_completion=true&timeout=1s", Strict()).status, 400);
}

TEST_F(WaitTest, ATableWaitsToo) {
  const TestResponse response = Get("/_cat/tasks?wait_for_completion&timeout=2s");
  EXPECT_THAT(response.body, HasSubstr("JzrCxdtFTCO_RaINw8ckNA:54"));
  EXPECT_THAT(response.body, HasSubstr("# the wait is over: 1 tasks have not ended"));
  EXPECT_EQ(Get("/_cat/tasks?wait_for_completion&timeout=2s", Strict()).body, "");
}

TEST_F(WaitTest, AWaitMayTakeAnHourAndOtherCallsAMinute) {
  EXPECT_EQ(Get("/_tasks?wait_for_completion&timeout=61m").body,
            Refusal("[timeout] must be more than [0] and at most [3600s] but was [61m]"));
  EXPECT_EQ(Get("/_tasks?timeout=61s").body,
            Refusal("[timeout] must be more than [0] and at most [60s] but was [61s]"));
  EXPECT_EQ(Get("/_tasks?wait_for_completion&size=5").body,
            Refusal("[size] cannot be used with [wait_for_completion]"));
  EXPECT_EQ(Get("/_tasks?wait_for_completion=maybe").body,
            Refusal("Failed to parse value [maybe] as only [true] or [false] are allowed."));
}

TEST_F(WaitTest, AClientThatGoesAwayEndsTheWait) {
  nodes_.answer = nullptr;
  const auto exchange = Begin(router_, http::Method::kGet, "/_tasks?wait_for_completion");
  scheduler_.Advance(10ms);
  EXPECT_THAT(nodes_.withdrawn, testing::IsEmpty());
  exchange->Leave();
  EXPECT_EQ(nodes_.withdrawn.size(), 2u);
}

}  // namespace
}  // namespace quell::opensearch
