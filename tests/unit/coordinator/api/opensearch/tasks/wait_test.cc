// Goal: `wait_for_completion` answers as documented, or as the recordings of a real server have it,
// and is given up when the client goes.
// Method: the API on simulated nodes whose tasks end after a minute.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/coordinator/api_fixtures.h"

namespace quell::opensearch {
namespace {

using testing::HasSubstr;
using testing::Not;

class WaitTest : public ApiTest {
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
  EXPECT_THAT(response.body,
              testing::StartsWith(R"({"completed":true,"state":"succeeded","task":{)"));
  EXPECT_EQ(response.Header("Quell-Wait"), "running=0");
}

TEST_F(WaitTest, AnEndedTaskSaysHowItEndedAndWhatIsNoSuccessIsAnError) {
  ended_ = true;
  const std::vector<std::pair<TaskState, std::string>> errors = {
      {TaskState::kFailed, "task_failed_exception"},
      {TaskState::kExpired, "task_expired_exception"},
      {TaskState::kLost, "task_lost_exception"},
      {TaskState::kRejected, "task_rejected_exception"}};
  for (const auto& [state, type] : errors) {
    tasks_.front().state = state;
    const std::string error = R"(},"error":{"type":")" + type + R"(","reason":")";
    EXPECT_THAT(Get(kTask).body, HasSubstr(error));
    EXPECT_THAT(Get(kTask, Strict()).body, HasSubstr(error));
    EXPECT_THAT(Get(kTask).body, testing::StartsWith(R"({"completed":true,"state":")" +
                                                     std::string(ToString(state)) + "\""));
    EXPECT_THAT(Get(kTask, Strict()).body, testing::StartsWith(R"({"completed":true,"task":{)"));
  }
  tasks_.front().state = TaskState::kSucceeded;
  for (const auto& headers : {std::vector<Header>{}, Strict()}) {
    EXPECT_THAT(Get(kTask, headers).body, Not(HasSubstr("\"error\"")));
    EXPECT_THAT(Get(kTask, headers).body, Not(HasSubstr("\"response\"")));
  }
}

TEST_F(WaitTest, WhatACancelHasStoppedIsNoErrorAndInTheStrictProfileAResponseThatSaysSo) {
  ended_ = true;
  tasks_.front().state = TaskState::kCancelled;
  tasks_.front().cancelled = true;
  EXPECT_THAT(Get(kTask).body, testing::StartsWith(R"({"completed":true,"state":"cancelled",)"));
  EXPECT_THAT(Get(kTask).body, Not(HasSubstr("\"error\"")));
  EXPECT_THAT(Get(kTask).body, Not(HasSubstr("\"response\"")));
  EXPECT_THAT(
      Get(kTask, Strict()).body,
      testing::EndsWith(
          R"(},"response":{"took":2,"timed_out":false,"total":0,"updated":0,"created":0,)"
          R"("deleted":0,"batches":0,"version_conflicts":0,"noops":0,"retries":{"bulk":0,)"
          R"("search":0},"throttled":"0s","throttled_millis":0,"requests_per_second":-1.0,)"
          R"("canceled":"by user request","throttled_until":"0s","throttled_until_millis":0,)"
          R"("failures":[]}})"));
  tasks_.front().cancel_reason = "too slow";
  EXPECT_THAT(Get(kTask, Strict()).body, HasSubstr(R"("canceled":"too slow")"));
}

TEST_F(WaitTest, ATaskThatEndedInSpiteOfItsCancelSaysBoth) {
  ended_ = true;
  tasks_.front().cancelled = true;  // And has succeeded.
  EXPECT_THAT(Get(kTask).body, testing::StartsWith(R"({"completed":true,"state":"succeeded",)"));
  EXPECT_THAT(Get(kTask).body, HasSubstr(R"("cancelled":true)"));
  EXPECT_THAT(Get(kTask, Strict()).body, Not(HasSubstr("\"response\"")));
}

TEST_F(WaitTest, ACancelOfWhatHasEndedSaysSoAndNotThatItIsNotFound) {
  ended_ = true;
  const std::string cancel = std::string(kTask) + "/_cancel";
  EXPECT_THAT(Post(cancel).body,
              HasSubstr(R"("caused_by":{"type":"illegal_state_exception","reason":)"
                        R"("task [JzrCxdtFTCO_RaINw8ckNA:54] has ended: succeeded"})"));
  EXPECT_THAT(Post(cancel, Strict()).body,
              HasSubstr(R"("caused_by":{"type":"resource_not_found_exception","reason":)"
                        R"("task [JzrCxdtFTCO_RaINw8ckNA:54] is not found"})"));
  EXPECT_EQ(Post(cancel).Header("Quell-Operation"), "");
}

TEST_F(WaitTest, ASecondCancelOfOneTaskSaysThatItWasKnown) {
  const std::string cancel = std::string(kTask) + "/_cancel";
  const TestResponse first = Post(cancel);
  EXPECT_EQ(first.Header("Quell-Operation-Known"), "");
  const TestResponse second = Post(cancel + "?reason=other");
  EXPECT_EQ(second.Header("Quell-Operation"), first.Header("Quell-Operation"));
  EXPECT_EQ(second.Header("Quell-Operation-Known"), "true");
  EXPECT_EQ(Post("/_tasks/_cancel?actions=*").Header("Quell-Operation-Known"), "");
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
