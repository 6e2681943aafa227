// Goal: a wait says of each task how it ended, that it runs, or that nobody can say, never one for
// another, in time whatever the nodes do.
// Method: the native API on simulated nodes whose tasks end after a minute, fall silent or go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/coordinator/api_fixtures.h"

namespace quell::opensearch {
namespace {

using testing::HasSubstr;
using testing::Not;

class AwaitTest : public ApiTest {
 protected:
  AwaitTest() {
    Join(Documented(1));
    Join(Documented(2));
    tasks_ = {DocumentedTask(1), DocumentedTask(2)};
    NodesAnswer();
  }
  static std::string Wait(const std::string& ids, const std::string& timeout = "5m") {
    return "/quell/v1/wait?tasks=" + ids + "&timeout=" + timeout;
  }
  static constexpr const char* kOne = "JzrCxdtFTCO_RaINw8ckNA:54";
  static constexpr const char* kTwo = "K8iyDdtGQCO_SbJNw9dkMA:78";
  static constexpr const char* kNobodys = "AAAAAAAAAAAAAAAAAAAAAQ:1";
};

TEST_F(AwaitTest, AnswersWhenAllHaveEndedInTheOrderOfTheQuestion) {
  const MonoTime start = scheduler_.Now();
  const TestResponse response = Get(Wait(std::string(kTwo) + "," + kOne));
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, testing::StartsWith(std::string(R"({"tasks":[{"id":")") + kTwo +
                                                 R"(","result":"ended","task":{)"));
  EXPECT_THAT(response.body, HasSubstr(std::string(R"({"id":")") + kOne + R"(","result":"ended")"));
  EXPECT_THAT(response.body, HasSubstr(R"("state":"succeeded")"));
  EXPECT_THAT(response.body, HasSubstr(R"("node_name":"opensearch-node1","ended":true)"));
  EXPECT_GE(scheduler_.Now() - start, 1min);
  EXPECT_LT(scheduler_.Now() - start, 2min);
}

TEST_F(AwaitTest, SaysOfWhatStillRunsThatItRuns) {
  const MonoTime start = scheduler_.Now();
  const TestResponse response = Get(Wait(kOne, "2s"));
  EXPECT_THAT(response.body, HasSubstr(R"("result":"running","task":{)"));
  EXPECT_GE(scheduler_.Now() - start, 2s);
  EXPECT_LT(scheduler_.Now() - start, 3s);
}

TEST_F(AwaitTest, WithoutTimeItTellsWhatIsSoNow) {
  EXPECT_THAT(Get(Wait(kOne, "0")).body, HasSubstr(R"("result":"running")"));
}

TEST_F(AwaitTest, ATaskOfANodeThatIsNoMemberIsUnknownAndHasNotEnded) {
  const TestResponse response = Get(Wait(std::string(kNobodys) + "," + kOne));
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr(std::string(R"({"id":")") + kNobodys +
                                       R"(","result":"unknown","node_name":"",)"
                                       R"("error":{"type":"not_found",)"));
  EXPECT_THAT(response.body, HasSubstr(R"("result":"ended")"));
}

TEST_F(AwaitTest, ATaskOfWhichItsNodeHasNoRecordIsUnknownAndHasNotEnded) {
  const TestResponse response = Get(Wait("JzrCxdtFTCO_RaINw8ckNA:99"));
  EXPECT_THAT(response.body, HasSubstr(R"("result":"unknown","node_name":"opensearch-node1",)"
                                       R"("error":{"type":"not_found","reason":"the node has no)"));
}

TEST_F(AwaitTest, ATaskWhoseNodeIsForgottenMeanwhileIsUnknown) {
  scheduler_.Advance(10s);  // No heartbeat: both are silent.
  auto waiting = Begin(router_, http::Method::kGet, Wait(kOne));
  bool forgotten = false;
  coordinator_.Forget(Documented(1).id,
                      [&](const Result<Forgotten>& done) { forgotten = bool(done); });
  scheduler_.Advance(1s);
  ASSERT_TRUE(forgotten);
  const TestResponse response = Finish(waiting);
  EXPECT_THAT(response.body, HasSubstr(R"("result":"unknown")"));
  EXPECT_THAT(response.body, Not(HasSubstr(R"("result":"ended")")));
}

TEST_F(AwaitTest, ATaskOfASilentNodeIsUnknownInTime) {
  nodes_.answer = nullptr;
  const MonoTime start = scheduler_.Now();
  const TestResponse response = Get(Wait(kOne, "10s"));
  EXPECT_THAT(response.body, HasSubstr(R"("result":"unknown","node_name":"opensearch-node1",)"
                                       R"("error":{"type":"deadline_exceeded")"));
  EXPECT_LE(scheduler_.Now() - start, 10s + limits::kWaitMargin + limits::kNodeDeadline);
}

TEST_F(AwaitTest, ARequestToTheCoordinatorIsNotWaitedFor) {
  EXPECT_THAT(Get(Wait(Self().id.ToString() + ":1")).body,
              HasSubstr(R"("error":{"type":"failed_precondition")"));
}

TEST_F(AwaitTest, TakesAHundredTasksAndNotOneMore) {
  std::string ids = kOne;
  for (std::size_t i = 1; i < limits::kAwaitIdsMax; ++i)
    ids += std::string(",") + kOne;
  EXPECT_EQ(Get(Wait(ids, "0")).status, 200);
  EXPECT_EQ(Get(Wait(ids + "," + kOne, "0")).status, 400);
}

TEST_F(AwaitTest, RefusesWhatNamesNoTaskOrNoTime) {
  for (const std::string& target :
       {std::string("/quell/v1/wait"), Wait(""), Wait("nonsense"), Wait("unset"),
        Wait(std::string(kOne) + ",x:"), Wait(kOne, "61m"), Wait(kOne, "soon"),
        Wait(kOne) + "&more=1"}) {
    const TestResponse response = Get(target);
    EXPECT_EQ(response.status, 400) << target;
    EXPECT_THAT(response.body, testing::StartsWith(R"({"error":{"type":"invalid_argument")"));
  }
}

}  // namespace
}  // namespace quell::opensearch
