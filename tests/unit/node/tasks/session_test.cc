// Goal: a session lives by its stream, else by the processes that its tasks named, else by its
// lease, and nothing else.
// Method: the plain class; time is a parameter.
#include "node/tasks/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::Optional;

constexpr MonoTime kNow = MonoTime(1000s);

class NullSink final : public CommandSink {
 public:
  void OnCancel(const CancelCommand&) override {}
  void OnClosed() override {}
};

Task MakeTask(std::uint64_t number, std::int32_t pid = 0) {
  Task task;
  task.id.number = number;
  task.pid = pid;
  return task;
}

class SessionTest : public testing::Test {
 protected:
  SessionTest() { session_.lease_end = kNow + limits::kSessionLease; }
  std::shared_ptr<NamedProcess> Add(const Task& task) {
    std::shared_ptr<NamedProcess> process;
    if (task.pid != 0) {
      process = std::make_shared<NamedProcess>();
      process->name = {task.pid, 1};
    }
    session_.Add(task, process);
    return process;
  }

  Session session_;
};

TEST_F(SessionTest, LosesNothingWhileItsStreamIsOpen) {
  const auto process = Add(MakeTask(1, 42));
  Add(MakeTask(2));
  process->ended = kNow;
  session_.sink = std::make_shared<NullSink>();
  EXPECT_EQ(session_.NextLoss(), std::nullopt);
  EXPECT_FALSE(session_.IsLost(MakeTask(1, 42), kNow + 24h));
}

TEST_F(SessionTest, LivesByItsLeaseWithoutStreamAndProcess) {
  Add(MakeTask(1));
  EXPECT_THAT(session_.NextLoss(), Optional(session_.lease_end));
  EXPECT_FALSE(session_.IsLost(MakeTask(1), session_.lease_end - 1ns));
  EXPECT_TRUE(session_.IsLost(MakeTask(1), session_.lease_end));
}

TEST_F(SessionTest, LivesAsLongAsItsProcessWithoutAStream) {
  const auto process = Add(MakeTask(1, 42));
  EXPECT_EQ(session_.NextLoss(), std::nullopt);
  process->ended = kNow;
  EXPECT_THAT(session_.NextLoss(), Optional(kNow + limits::kLostAfter));
  EXPECT_TRUE(session_.IsLost(MakeTask(1, 42), kNow + limits::kLostAfter));
}

TEST_F(SessionTest, TheFirstNamedProcessStandsForTasksThatNameNone) {
  const auto process = Add(MakeTask(1, 42));
  Add(MakeTask(2));
  EXPECT_FALSE(session_.IsLost(MakeTask(2), session_.lease_end + 1h)) << "no lease is needed";
  session_.Remove(MakeTask(1, 42));
  EXPECT_EQ(session_.NextLoss(), std::nullopt) << "it still stands for the other one";
  process->ended = kNow;
  EXPECT_THAT(session_.NextLoss(), Optional(kNow + limits::kLostAfter));
}

TEST_F(SessionTest, EachTaskGoesWithItsOwnProcess) {
  const auto first = Add(MakeTask(1, 42));
  Add(MakeTask(2, 43));
  first->ended = kNow;
  EXPECT_TRUE(session_.IsLost(MakeTask(1, 42), kNow + limits::kLostAfter));
  EXPECT_FALSE(session_.IsLost(MakeTask(2, 43), kNow + 24h));
}

TEST_F(SessionTest, AProgramWhoseStreamHasJustBrokenHasTimeToSayHowItWent) {
  const auto process = Add(MakeTask(1, 42));
  process->ended = kNow - 1h;
  session_.stream_ended = kNow;
  EXPECT_THAT(session_.NextLoss(), Optional(kNow + limits::kLostAfter));
}

TEST_F(SessionTest, APidThatIsUsedAgainIsAnotherProcess) {
  Add(MakeTask(1, 42))->ended = kNow;
  Add(MakeTask(2, 42));
  EXPECT_FALSE(session_.IsLost(MakeTask(2, 42), kNow + 24h));
}

TEST_F(SessionTest, IsOrphanedOnlyAfterItHadAStream) {
  EXPECT_FALSE(session_.detached());
  session_.stream_ended = kNow;
  EXPECT_TRUE(session_.detached());
  session_.sink = std::make_shared<NullSink>();
  EXPECT_FALSE(session_.detached());
}

TEST_F(SessionTest, IsIdleWithoutTasksStreamAndRegistrations) {
  EXPECT_TRUE(session_.idle());
  Add(MakeTask(1));
  EXPECT_FALSE(session_.idle());
  session_.Remove(MakeTask(1));
  session_.registering = 1;
  EXPECT_FALSE(session_.idle());
}

}  // namespace
}  // namespace quell
