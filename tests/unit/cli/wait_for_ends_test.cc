// Goal: each end is called what it is, and what nobody knows is called nothing else.
// Method: answers in, words out.
#include "cli/wait_for_ends.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quell::cli {
namespace {

using ::testing::HasSubstr;

WaitedTask Ended(const std::string& state) {
  WaitedTask task;
  task.id = "N1:1";
  task.node_name = "a";
  task.result = WaitedTask::Result::kEnded;
  task.one.ended = true;
  task.one.task.state = state;
  ReceiptEntry receipt;
  receipt.recorded = 1000;
  receipt.ended = 2500;
  task.one.receipt = receipt;
  return task;
}

TEST(EndTest, TellsStoppedFromKilledAndBothFromAnEndByItself) {
  WaitedTask task = Ended("cancelled");
  EXPECT_EQ(EndOf(task), End::kStopped);
  EXPECT_EQ(EndText(task), "stopped after 1.5s");
  task.one.receipt->escalated = 2400;
  EXPECT_EQ(EndOf(task), End::kKilled);
  EXPECT_EQ(EndText(task), "killed after 1.5s");
  EXPECT_EQ(EndOf(Ended("succeeded")), End::kByItself);
  EXPECT_EQ(EndText(Ended("succeeded")), "ended by itself after 1.5s: succeeded");
  EXPECT_EQ(EndOf(Ended("failed")), End::kFailed);
  EXPECT_EQ(EndText(Ended("failed")), "failed after 1.5s");
  EXPECT_EQ(EndOf(Ended("expired")), End::kFailed);
}

TEST(EndTest, DoesNotTakeLostOrAnUnknownStateForStopped) {
  EXPECT_EQ(EndOf(Ended("lost")), End::kLost);
  EXPECT_THAT(EndText(Ended("lost")), HasSubstr("unknown"));
  EXPECT_EQ(EndOf(Ended("something newer")), End::kUnknown);
}

TEST(EndTest, DoesNotTakeNotFoundForAnEnd) {
  WaitedTask task;
  task.error_type = "not_found";
  task.reason = "forgotten";
  EXPECT_TRUE(task.final_unknown());
  EXPECT_EQ(EndOf(task), End::kUnknown);
  EXPECT_EQ(EndText(task), "unknown: forgotten");
  task.error_type = "unavailable";
  task.node_name = "a";
  EXPECT_FALSE(task.final_unknown());
  EXPECT_EQ(EndText(task), "unknown: node a: forgotten");
}

TEST(EndTest, SaysOfWhatStillRunsHowFarItsCancelHasCome) {
  WaitedTask task = Ended("stopping");
  task.result = WaitedTask::Result::kRunning;
  EXPECT_EQ(EndOf(task), End::kRunning);
  task.one.receipt->state = "deferred";
  task.one.receipt->note = "in a transaction";
  EXPECT_EQ(EndText(task), "still runs (deferred: in a transaction)");
}

TEST(WaitedTest, ReadsEndedRunningAndUnknownTasks) {
  const auto tasks = ParseWaited(R"({"tasks":[
    {"id":"N1:1","result":"ended","task":{"id":"N1:1","number":1,"state":"failed"},
     "node_name":"a","ended":true,"receipt":{"intent":"I","state":"ended","ended_at_millis":5}},
    {"id":"N1:2","result":"running","task":{"state":"running"},"node_name":"a","ended":false,
     "receipt":null},
    {"id":"N2:1","result":"unknown","node_name":"","error":{"type":"not_found","reason":"gone"}},
    {"id":"N3:1","result":"something newer"}]})");
  ASSERT_TRUE(tasks);
  ASSERT_EQ(tasks->size(), 4U);
  EXPECT_EQ((*tasks)[0].result, WaitedTask::Result::kEnded);
  EXPECT_EQ((*tasks)[0].one.receipt->intent, "I");
  EXPECT_EQ((*tasks)[1].result, WaitedTask::Result::kRunning);
  EXPECT_TRUE((*tasks)[2].final_unknown());
  EXPECT_EQ((*tasks)[2].reason, "gone");
  EXPECT_EQ((*tasks)[3].result, WaitedTask::Result::kUnknown);
  EXPECT_FALSE(ParseWaited("{}"));
}

}  // namespace
}  // namespace quell::cli
