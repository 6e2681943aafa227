// Goal: a failure says who failed, why, and since when; what was never asked is not said to have
// been. Method: the failures of single errors.
#include "coordinator/fan_out/failures.h"

#include <gtest/gtest.h>

#include "tests/unit/coordinator/fixtures.h"

namespace quell {
namespace {

TEST(FailuresTest, TheCauseTellsAStoppedNodeFromASilentOneAndFromOneThatHasNotJoined) {
  struct Case {
    ErrorCode code;
    Presence presence;
    FailureCause cause;
  };
  const Case cases[] = {
      {ErrorCode::kUnavailable, Presence::kStopped, FailureCause::kStopped},
      {ErrorCode::kUnavailable, Presence::kNotJoined, FailureCause::kNotJoined},
      {ErrorCode::kUnavailable, Presence::kAlive, FailureCause::kDisconnected},
      {ErrorCode::kDeadlineExceeded, Presence::kSilent, FailureCause::kSilent},
      {ErrorCode::kDeadlineExceeded, Presence::kAlive, FailureCause::kNoAnswer},
      {ErrorCode::kResourceExhausted, Presence::kAlive, FailureCause::kBusy},
      {ErrorCode::kInternal, Presence::kAlive, FailureCause::kBadAnswer},
      {ErrorCode::kOutcomeUnknown, Presence::kAlive, FailureCause::kBadAnswer},
      {ErrorCode::kNotFound, Presence::kAlive, FailureCause::kTaskNotFound},
      {ErrorCode::kInvalidArgument, Presence::kAlive, FailureCause::kRefused},
      {ErrorCode::kPermissionDenied, Presence::kAlive, FailureCause::kRefused},
      {ErrorCode::kCancelled, Presence::kAlive, FailureCause::kGivenUp},
  };
  for (const Case& c : cases) {
    const WallTime since = WallFromMicros(1'700'000'000'000'000);
    const NodeFailure failure =
        FailureOf(Info(1), {c.presence, true, since}, kListAction, {c.code, "why"});
    EXPECT_EQ(failure.cause, c.cause) << ToString(failure.cause);
    EXPECT_EQ(failure.since, since);
    EXPECT_EQ(failure.code, c.code);
    EXPECT_EQ(failure.node, Id(1).ToString());
    EXPECT_EQ(failure.name, "node1");
    EXPECT_EQ(failure.message, "why");
  }
}

TEST(FailuresTest, ANodeWithoutAConnectionWasAskedForNothing) {
  const Error gone{ErrorCode::kUnavailable, "gone"};
  const Error late{ErrorCode::kDeadlineExceeded, "late"};
  EXPECT_EQ(FailureOf(Info(1), {Presence::kAlive, true, {}}, kListAction, gone).action,
            kListAction);
  EXPECT_EQ(FailureOf(Info(1), {Presence::kAlive, false, {}}, kListAction, gone).action, "");
  EXPECT_EQ(FailureOf(Info(1), {Presence::kAlive, false, {}}, kListAction, late).action,
            kListAction);
}

TEST(FailuresTest, TheTextNamesWhereAndForWhatTheNodeWasAsked) {
  const std::string place = "[node1][" + Info(1).address + "]";
  const Error gone{ErrorCode::kUnavailable, "gone"};
  EXPECT_EQ(Describe(FailureOf(Info(1), {Presence::kAlive, true, {}}, kGetAction, gone)),
            place + "[cluster:monitor/task/get] gone");
  EXPECT_EQ(Describe(FailureOf(Info(1), {Presence::kAlive, false, {}}, kGetAction, gone)),
            place + " gone");
  EXPECT_EQ(Describe(NotResponding(Info(1), kGetAction, WallFromMicros(1))),
            place + "[cluster:monitor/task/get] was not asked: earlier requests still wait for it");
  EXPECT_EQ(Describe(TaskNotFound(Info(1), "a:1")), "task [a:1] is not found");
  EXPECT_EQ(Describe(NoSuchNode("x")), "No such node [x]");
}

TEST(FailuresTest, ATaskThatHasEndedIsNotOneThatIsNotFound) {
  EXPECT_EQ(TaskEnded(Info(1), "a:1", TaskState::kFailed).cause, FailureCause::kTaskEnded);
  EXPECT_EQ(TaskEnded(Info(1), "a:1", TaskState::kFailed).message, "task [a:1] has ended: failed");
  EXPECT_EQ(TaskEnded(Info(1), "a:1", std::nullopt).message, "task [a:1] has ended");
  EXPECT_EQ(TaskNotFound(Info(1), "a:1").cause, FailureCause::kTaskNotFound);
}

}  // namespace
}  // namespace quell
