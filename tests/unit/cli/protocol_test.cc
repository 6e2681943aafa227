// Goal: what the commands read from a coordinator and a node is read in the shape those send, and
// anything else is an error and no crash.
// Method: JSON in, values out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/coordinator_client.h"
#include "cli/run/local_api_client.h"

namespace quell::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(AnswerTest, ReadsTasksByNodeAndFailuresByTheirCause) {
  const auto answer = ParseAnswer(R"({
    "node_failures":[{"type":"failed_node_exception","reason":"Failed node [N2]","node_id":"N2",
      "caused_by":{"type":"node_disconnected_exception","reason":"[b] disconnected"}}],
    "nodes":{
      "N1":{"name":"a","tasks":{
        "N1:12":{"node":"N1","id":12,"action":"x","description":"d","start_time_in_millis":5,
          "running_time_in_nanos":7,"cancellable":true,"cancelled":true,
          "cancellation_time_millis":6,"parent_task_id":"N1:9","headers":{},
          "resource_stats":{"total":{"cpu_time_in_nanos":8}}},
        "N1:9":{"node":"N1","id":9,"action":"y","cancellable":false,"cancelled":false}}},
      "N3":{"name":"c","tasks":{}}}})");
  ASSERT_TRUE(answer);
  ASSERT_THAT(answer->tasks, SizeIs(2));
  EXPECT_EQ(answer->tasks[0].id(), "N1:9");
  EXPECT_FALSE(answer->tasks[0].cancelled);
  EXPECT_EQ(answer->tasks[1].node_name, "a");
  EXPECT_EQ(answer->tasks[1].parent, "N1:9");
  EXPECT_EQ(answer->tasks[1].cancelled_millis, 6);
  EXPECT_EQ(answer->tasks[1].resources.cpu_nanos, 8);
  EXPECT_EQ(answer->tasks[1].resources.memory_bytes, std::nullopt);
  EXPECT_EQ(answer->tasks[0].resources.cpu_nanos, std::nullopt);
  ASSERT_THAT(answer->failures, SizeIs(1));
  EXPECT_EQ(answer->failures[0].cause, "disconnected");
  EXPECT_EQ(answer->failures[0].reason, "[b] disconnected");
}

TEST(AnswerTest, ATaskThatWasSparedIsAFailure) {
  const auto answer =
      ParseAnswer(R"({"task_failures":[{"task_id":5,"node_id":"N","status":"CONFLICT",)"
                  R"("reason":{"type":"t","reason":"task [N:5] was spared"}}],"nodes":{}})");
  ASSERT_TRUE(answer);
  ASSERT_THAT(answer->failures, SizeIs(1));
  EXPECT_EQ(answer->failures[0].node, "N");
  EXPECT_EQ(answer->failures[0].cause, "t");
  EXPECT_EQ(answer->failures[0].reason, "task [N:5] was spared");
}

TEST(AnswerTest, ReadsAStrictAnswerWithoutFailures) {
  const auto answer = ParseAnswer(R"({"nodes":{}})");
  ASSERT_TRUE(answer);
  EXPECT_THAT(answer->failures, SizeIs(0));
}

TEST(AnswerTest, SurvivesAnswersOfAnotherShape) {
  for (const char* text : {"", "nonsense", "[]", "{}", R"({"nodes":[]})"}) {
    EXPECT_FALSE(ParseAnswer(text)) << text;
  }
  EXPECT_TRUE(ParseAnswer(R"({"nodes":{"N1":null,"N2":{"tasks":{"N2:1":7}},"N3":{}}})"));
}

TEST(OneTaskTest, ReadsTheRecordAndItsReceipt) {
  const auto one = ParseOneTask(R"({"task":{"id":"N1:12","node":"N1","number":12,"action":"x",
    "state":"stopping","detached":true,"parent":"N1:9","uid":1000,"pid":77,"cancellable":true,
    "start_time_in_millis":5,"running_time_in_nanos":7,
    "resources":{"memory_in_bytes":4096,"most_memory_in_bytes":8192},
    "cancel":{"at_millis":6,"by":"loopback","reason":"why"}},
    "node_name":"a","ended":false,
    "receipt":{"intent":"I","state":"ignoring","recorded_at_millis":6,"delivered_at_millis":8,
    "note":"pid 78"}})");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->task.number, 12U);
  EXPECT_EQ(one->task.state, "stopping");
  EXPECT_TRUE(one->detached);
  EXPECT_FALSE(one->ended);
  EXPECT_TRUE(one->task.cancelled);
  EXPECT_EQ(one->task.cancelled_by, "loopback");
  EXPECT_EQ(one->task.resources.memory_bytes, 4096);
  EXPECT_EQ(one->task.resources.memory_most_bytes, 8192);
  ASSERT_TRUE(one->receipt);
  EXPECT_EQ(one->receipt->delivered, 8);
  EXPECT_EQ(one->receipt->acknowledged, std::nullopt);
  EXPECT_EQ(one->receipt->note, "pid 78");
}

TEST(HistoryTest, ReadsLiveAndEndedTasksOfAllNodes) {
  const auto answer = ParseHistory(R"({"nodes":[{"id":"N2","name":"b","tasks":[
    {"id":"N2:3","node":"N2","number":3,"action":"x","state":"lost","start_time_in_millis":5,
     "running_time_in_nanos":7,"end_time_in_millis":9,"parent":"N1:2",
     "cancel":{"at_millis":6,"by":"loopback","reason":"why"}}]},
    {"id":"N1","name":"a","tasks":[{"id":"N1:2","node":"N1","number":2,"action":"y",
     "state":"running","cancel":null}]}],
    "node_failures":[{"node":"N3","type":"t","reason":"r"}]})");
  ASSERT_TRUE(answer);
  ASSERT_THAT(answer->tasks, SizeIs(2));
  EXPECT_EQ(answer->tasks[0].id(), "N1:2");
  EXPECT_FALSE(answer->tasks[0].cancelled);
  EXPECT_FALSE(answer->tasks[0].ended_millis);
  EXPECT_EQ(answer->tasks[1].node_name, "b");
  EXPECT_EQ(answer->tasks[1].state, "lost");
  EXPECT_EQ(answer->tasks[1].ended_millis, 9);
  EXPECT_EQ(answer->tasks[1].parent, "N1:2");
  EXPECT_EQ(answer->tasks[1].cancel_reason, "why");
  ASSERT_THAT(answer->failures, SizeIs(1));
  EXPECT_EQ(answer->failures[0].reason, "r");
  EXPECT_FALSE(ParseHistory("{}"));
}

TEST(QueryTest, EncodesWhatWouldEndAValue) {
  Selection selection;
  selection.nodes = {"a b", "c&d"};
  selection.parent = "N:1";
  CancelTerms terms;
  terms.reason = "x=y";
  terms.grace = std::chrono::milliseconds(0);
  EXPECT_EQ(QueryOf(selection, terms, true),
            "?nodes=a%20b%2Cc%26d&parent_task_id=N%3A1&detailed=true&reason=x%3Dy&grace=0ms");
  EXPECT_EQ(QueryOf({}, {}, false), "");
}

TEST(NodesTest, ReadsTheMembers) {
  const auto nodes = ParseNodes(
      R"({"nodes":[{"id":"N2","name":"b","address":"x:1","alive":false,"coordinator":false,)"
      R"("pending":3,"cancelled_running":{"now":1,"total":7},)"
      R"("host_load":{"load_1m":2.51,"load_5m":2,"load_15m":0.10,"cpu_percent":90,"memory_percent":41}},)"
      R"({"id":"C","name":"a","alive":true,"coordinator":true,"pending":0}]})");
  ASSERT_TRUE(nodes);
  ASSERT_THAT(*nodes, SizeIs(2));
  EXPECT_TRUE((*nodes)[0].is_self);
  EXPECT_EQ((*nodes)[1].pending, 3U);
  EXPECT_EQ((*nodes)[0].overdue, std::nullopt);
  EXPECT_EQ((*nodes)[1].overdue, 1U);
  EXPECT_EQ((*nodes)[1].overdue_total, 7U);
  EXPECT_FALSE((*nodes)[0].load.measured());
  EXPECT_EQ((*nodes)[1].load, (HostLoad{LoadAverages{2.51, 2, 0.1}, 90, 41, {}}));
  EXPECT_FALSE(ParseNodes("{}"));
}

TEST(LocalApiClientTest, RegistersWithEverythingTheNodeMustKnow) {
  JobTask task{"run/x", "x \"1\"", "N:9", 77, 5, std::nullopt};
  task.start_boot = BootTime(std::chrono::microseconds(7));
  EXPECT_EQ(RenderRegistration(task),
            R"({"action":"run/x","description":"x \"1\"","parent":"N:9","pid":77,)"
            R"("start_time_in_millis":5,"start_since_boot_in_micros":7})");
  task.parent.clear();
  task.id = "N:12";
  task.ancestors = {"M:3"};  // Of no parent: not said.
  EXPECT_THAT(RenderRegistration(task), HasSubstr(R"("id":"N:12")"));
  EXPECT_THAT(RenderRegistration(task), ::testing::Not(HasSubstr("parent")));
  EXPECT_THAT(RenderRegistration(task), ::testing::Not(HasSubstr("ancestors")));
  task.parent = "N:9";
  EXPECT_THAT(RenderRegistration(task), HasSubstr(R"("parent":"N:9","ancestors":["M:3"])"));
  task.parent_required = true;
  EXPECT_THAT(RenderRegistration(task), HasSubstr(R"("parent":"N:9","parent_required":true)"));
}

TEST(LocalApiClientTest, ReportsOnlyWhatThereIsToSay) {
  EXPECT_EQ(RenderReport({true, false, ""}), R"({"stopping":true})");
  EXPECT_EQ(RenderReport({true, true, "pid 5"}),
            R"({"stopping":true,"killed":true,"ignoring":"pid 5"})");
  const std::chrono::nanoseconds cpu(7);
  EXPECT_EQ(RenderReport({false, false, "", {CpuUse{cpu, cpu, cpu, 1, 1}, 4096}}),
            R"({"resources":{"cpu_time_in_nanos":7,"memory_in_bytes":4096}})");
  EXPECT_EQ(RenderReport({false, false, "", {{}, 4096}}),
            R"({"resources":{"memory_in_bytes":4096}})");
  EXPECT_EQ(RenderEnd("success", {}), R"({"outcome":"success"})");
  EXPECT_EQ(RenderEnd("failure", {CpuUse{cpu, cpu, cpu, 1, 1}, {}}),
            R"({"outcome":"failure","resources":{"cpu_time_in_nanos":7}})");
}

TEST(LocalApiClientTest, ReadsARegistrationThatIsBornCancelled) {
  const auto session =
      ParseRegistered(R"({"session":"S","tasks":[{"id":"N:12","cancel":{"intent":"I","by":"root",)"
                      R"("reason":"r","grace_in_millis":2500,"at_millis":1}}]})");
  ASSERT_TRUE(session);
  EXPECT_EQ(session->token, "S");
  EXPECT_EQ(session->task, "N:12");
  ASSERT_TRUE(session->cancel);
  EXPECT_EQ(*session->cancel, (JobCancel{"I", "root", "r", std::chrono::milliseconds(2500)}));
  const auto live = ParseRegistered(
      R"({"session":"S","tasks":[{"id":"N:12","ancestors":["N:9","M:3"],"cancel":null}]})");
  ASSERT_TRUE(live);
  EXPECT_FALSE(live->cancel);
  EXPECT_EQ(live->ancestors, (std::vector<std::string>{"N:9", "M:3"}));
}

TEST(LocalApiClientTest, RefusesARegistrationThatNamesNoTask) {
  for (const char* text : {"", "{}", R"({"session":"S","tasks":[]})", R"({"tasks":[{"id":"N:1"}]})",
                           R"({"session":"S","tasks":[{}]})", R"({"session":"S","tasks":[7]})"}) {
    EXPECT_FALSE(ParseRegistered(text)) << text;
  }
}

TEST(LocalApiClientTest, TakesOnlyCommandsForItsOwnTask) {
  const char* line = R"({"cancel":{"task":"N:12","intent":"I","by":"b","reason":"",)"
                     R"("grace_in_millis":10000,"at_millis":1}})";
  ASSERT_TRUE(ParseCommand(line, "N:12"));
  EXPECT_EQ(ParseCommand(line, "N:12")->grace, std::chrono::seconds(10));
  EXPECT_FALSE(ParseCommand(line, "N:13"));
  EXPECT_FALSE(ParseCommand("", "N:12"));
  EXPECT_FALSE(ParseCommand(R"({"something":"newer"})", "N:12"));
}

TEST(LocalApiClientTest, WhatIsNotKnownIsSaidByTheTypeOfAnErrorAndNotByA404) {
  const auto refusal = [](const std::string& type) {
    return ParseRefusal(404, R"({"error":{"type":")" + type + R"(","reason":"why"},"status":404})");
  };
  for (const char* type : {"parent_not_found", "session_not_found", "task_not_found"})
    EXPECT_EQ(refusal(type), (Error{ErrorCode::kNotFound, "why"})) << type;
  EXPECT_EQ(refusal("not_found").code, ErrorCode::kInternal) << "no node answers like this";
  EXPECT_EQ(ParseRefusal(404, "plain"), (Error{ErrorCode::kInternal, "plain"}));
  EXPECT_EQ(ParseRefusal(409, "plain").code, ErrorCode::kFailedPrecondition);
}

}  // namespace
}  // namespace quell::cli
