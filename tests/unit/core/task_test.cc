// Goal: a task only moves forward and ends once; what a list shows of it is what it is.
// Method: the whole table of moves is compared with one written out in another way, by hand.
#include "core/task.h"

#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quell {
namespace {

using enum TaskState;
using namespace std::chrono_literals;

const std::vector<TaskState> kAllStates = {
    kScheduled, kSubmitted, kAccepted,  kStarting, kRunning, kStopping, kFinalizing,
    kSucceeded, kFailed,    kCancelled, kExpired,  kLost,    kRejected};

Task MakeTask(TaskState state = kRunning) {
  Task task;
  task.id = {*NodeId::Parse("oTUltX4IQMOUUVeiohTt8A"), 54};
  task.state = state;
  task.start_mono = MonoTime(100s);
  task.start_wall = WallTime(1'767'225'600s);
  return task;
}

TEST(CanMoveTest, AllowsTheseMovesAndNoOthers) {
  const std::map<TaskState, std::set<TaskState>> allowed = {
      {kScheduled, {kSubmitted, kAccepted, kStarting, kRunning, kCancelled, kExpired, kRejected}},
      {kSubmitted, {kAccepted, kStarting, kRunning, kCancelled, kExpired, kRejected}},
      {kAccepted, {kStarting, kRunning, kFailed, kCancelled, kExpired}},
      {kStarting, {kRunning, kStopping, kFailed, kCancelled, kExpired, kLost}},
      {kRunning, {kStopping, kFinalizing, kSucceeded, kFailed, kCancelled, kExpired, kLost}},
      {kStopping, {kFinalizing, kSucceeded, kFailed, kCancelled, kExpired, kLost}},
      {kFinalizing, {kSucceeded, kFailed, kCancelled, kExpired, kLost}},
  };
  for (const TaskState from : kAllStates) {
    for (const TaskState to : kAllStates) {
      const auto row = allowed.find(from);
      const bool expected = row != allowed.end() && row->second.count(to) == 1;
      EXPECT_EQ(CanMove(from, to), expected) << from << " to " << to;
    }
  }
}

TEST(CanMoveTest, NeverGoesBackNorOutOfAnEnd) {
  for (const TaskState from : kAllStates) {
    for (const TaskState to : kAllStates) {
      if (!CanMove(from, to)) continue;
      EXPECT_FALSE(IsTerminal(from)) << from << " to " << to;
      EXPECT_LT(from, to) << "the enumeration stands in the order of a life";
    }
  }
}

TEST(CanMoveTest, LeadsFromEveryLiveStateToAnEnd) {
  for (const TaskState from : kAllStates) {
    if (IsTerminal(from)) continue;
    EXPECT_TRUE(CanMove(from, kCancelled)) << from;
    EXPECT_TRUE(CanMove(from, kExpired)) << from;
  }
}

TEST(TaskStateTest, ReadsBackEveryName) {
  std::set<std::string_view> names;
  for (const TaskState state : kAllStates) {
    EXPECT_EQ(TaskStateFromString(ToString(state)), state);
    EXPECT_TRUE(names.insert(ToString(state)).second) << state;
  }
  EXPECT_EQ(ToString(kScheduled), "scheduled");
  EXPECT_EQ(ToString(kRejected), "rejected");
  EXPECT_EQ(ToString(kFinalizing), "finalizing");
  EXPECT_EQ(TaskStateFromString("Running"), std::nullopt);
  EXPECT_EQ(TaskStateFromString(""), std::nullopt);
}

TEST(TaskTest, StampsItsEnd) {
  Task task = MakeTask();
  ASSERT_TRUE(task.Move(kStopping, MonoTime(110s), WallTime(10s)));
  EXPECT_EQ(task.end_mono, std::nullopt) << "stopping is no end";
  ASSERT_TRUE(task.Move(kCancelled, MonoTime(120s), WallTime(20s)));
  EXPECT_EQ(task.state, kCancelled);
  EXPECT_EQ(task.end_mono, MonoTime(120s));
  EXPECT_EQ(task.end_wall, WallTime(20s));
}

TEST(TaskTest, RefusesAForbiddenMoveAndStaysAsItWas) {
  Task task = MakeTask();
  ASSERT_TRUE(task.Move(kSucceeded, MonoTime(120s), WallTime(20s)));
  const Status second = task.Move(kCancelled, MonoTime(130s), WallTime(30s));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_EQ(second.error().message,
            "task oTUltX4IQMOUUVeiohTt8A:54 is succeeded and cannot become cancelled");
  EXPECT_EQ(task.state, kSucceeded);
  EXPECT_EQ(task.end_mono, MonoTime(120s));
}

TEST(TaskTest, HasItsNearestAncestorAsParent) {
  Task task = MakeTask();
  EXPECT_EQ(task.parent(), std::nullopt);
  task.ancestors = {{task.id.node, 7}, {task.id.node, 3}};
  EXPECT_EQ(task.parent(), (TaskId{task.id.node, 7}));
}

TEST(TaskTest, ReadsWhatBecomesOfItWithoutAParentAsItIsWritten) {
  for (const OnParentLost policy : {OnParentLost::kKeep, OnParentLost::kCancel}) {
    EXPECT_EQ(OnParentLostFromString(ToString(policy)), policy);
  }
  EXPECT_EQ(OnParentLostFromString("Keep"), std::nullopt);
}

TEST(ViewTest, ShowsTheWholeTask) {
  Task task = MakeTask();
  task.type = "direct";
  task.action = "job:run";
  task.description = "make all";
  task.status_json = "{\"phase\":1}";
  task.cancellable = false;
  task.detached = true;
  task.ancestors = {{task.id.node, 7}};
  task.headers = {{"X-Opaque-Id", "a"}};
  task.owner_uid = 1000;
  task.pid = 4321;
  task.on_parent_lost = OnParentLost::kCancel;
  task.last_check = WallTime(7s);
  task.resources.Take({CpuUse{2s, 2s, 2s, 1, 1}, 4096});
  const TaskView view = View(task, MonoTime(103s));
  EXPECT_EQ(view.id, task.id);
  EXPECT_EQ(view.type, "direct");
  EXPECT_EQ(view.action, "job:run");
  EXPECT_EQ(view.description, "make all");
  EXPECT_EQ(view.status_json, "{\"phase\":1}");
  EXPECT_EQ(view.state, kRunning);
  EXPECT_FALSE(view.cancellable);
  EXPECT_TRUE(view.detached);
  EXPECT_FALSE(view.cancelled);
  EXPECT_EQ(view.start_wall, task.start_wall);
  EXPECT_EQ(view.running, 3s);
  EXPECT_EQ(view.parent, (TaskId{task.id.node, 7}));
  EXPECT_THAT(view.headers, testing::ElementsAre(Header{"X-Opaque-Id", "a"}));
  EXPECT_EQ(view.owner_uid, 1000U);
  EXPECT_EQ(view.pid, 4321);
  EXPECT_EQ(view.on_parent_lost, OnParentLost::kCancel);
  EXPECT_EQ(view.last_check, WallTime(7s));
  EXPECT_EQ(view.resources, task.resources);
}

TEST(ViewTest, ShowsTheCancelMark) {
  Task task = MakeTask();
  task.cancel = CancelMark{IntentId(), WallTime(5s), "uid:1000", "too slow", 10s, false};
  const TaskView view = View(task, MonoTime(103s));
  EXPECT_TRUE(view.cancelled);
  EXPECT_EQ(view.cancelled_at, WallTime(5s));
  EXPECT_EQ(view.cancelled_by, "uid:1000");
  EXPECT_EQ(view.cancel_reason, "too slow");
}

TEST(ViewTest, StopsTheClockAtTheEnd) {
  Task task = MakeTask();
  ASSERT_TRUE(task.Move(kFailed, MonoTime(104s), WallTime(20s)));
  EXPECT_EQ(View(task, MonoTime(500s)).running, 4s);
}

TEST(ViewTest, NeverShowsANegativeRunningTime) {
  EXPECT_EQ(View(MakeTask(), MonoTime(99s)).running, 0s);
}

}  // namespace
}  // namespace quell
