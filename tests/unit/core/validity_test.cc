// Goal: each rule for a value from outside says what it takes, and names the value that it refuses.
// Method: the boundary cases of each rule. That all entrances ask these rules is the subject of
// tests/unit/entrances.
#include "core/validity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "tests/support/result_matchers.h"

namespace quell {
namespace {

using namespace std::chrono_literals;

const NodeId kAnyNode = *NodeId::Parse("oTUltX4IQMOUUVeiohTt8A");

auto Refused(const char* words) {
  return FailsWith(ErrorCode::kInvalidArgument, words);
}

TEST(ValidityTest, MomentsReachFrom1970To2262) {
  EXPECT_THAT(CheckMoment("start", kFirstMoment), IsOk());
  EXPECT_THAT(CheckMoment("start", kLastMoment), IsOk());
  EXPECT_THAT(CheckMoment("start", kFirstMoment - 1us), Refused("the start lies before 1970"));
  EXPECT_THAT(CheckMoment("start", kLastMoment + 1us), Refused("the start lies after 2262"));
  EXPECT_THAT(MomentFromMillis("start", std::numeric_limits<std::int64_t>::max()), Refused("2262"));
  EXPECT_THAT(MomentFromMillis("start", -1), Refused("1970"));
  EXPECT_THAT(MomentFromMicros("start", std::numeric_limits<std::int64_t>::max()), Refused("2262"));
  EXPECT_THAT(MomentFromMicros("start", std::numeric_limits<std::int64_t>::min()), Refused("1970"));
  EXPECT_EQ(ClampMoment(kLastMoment + 1us), kLastMoment);
  EXPECT_EQ(ClampMoment(kFirstMoment - 1us), kFirstMoment);
  // So that no difference of two of them overflows.
  EXPECT_GT(MonoClock::duration(kLastMoment - kFirstMoment).count(), 0);
}

TEST(ValidityTest, TextIsUtf8OfALimitedLength) {
  EXPECT_THAT(CheckText("note", "a\n\x1B z", 5), IsOk());
  EXPECT_THAT(CheckText("note", "123456", 5), Refused("the note has more than 5 bytes"));
  EXPECT_THAT(CheckText("note", "\xFF", 5), Refused("the note is not UTF-8"));
  EXPECT_THAT(CheckName("key", "a\nb", 5), Refused("the key has a control character"));
}

TEST(ValidityTest, ATaskIsCheckedWhole) {
  Task good;
  good.id = {kAnyNode, 1};
  good.action = "a";
  ASSERT_THAT(Check(good), IsOk());
  const auto refused = [&good](const char* words, const std::function<void(Task&)>& spoil) {
    Task task = good;
    spoil(task);
    EXPECT_THAT(Check(task), Refused(words));
  };
  refused("number", [](Task& task) { task.id.number = 0; });
  refused("type", [](Task& task) { task.type = "a\n"; });
  refused("action", [](Task& task) { task.action = ""; });
  refused("description", [](Task& task) { task.description = "\xFF"; });
  refused("status", [](Task& task) { task.status_json = "7"; });
  refused("start", [](Task& task) { task.start_wall = kLastMoment + 1us; });
  refused("end", [](Task& task) { task.end_wall = kLastMoment + 1us; });
  refused("last check", [](Task& task) { task.last_check = kFirstMoment - 1us; });
  refused("parent", [](Task& task) { task.ancestors = {TaskId{}}; });
  refused("ancestor", [](Task& task) { task.ancestors = {{kAnyNode, 2}, {kAnyNode, 0}}; });
  refused("ancestors", [](Task& task) {
    task.ancestors.assign(limits::kAncestorsMax + 1, {kAnyNode, 2});
  });
  refused("header", [](Task& task) { task.headers = {{"", "x"}}; });
  refused("pid", [](Task& task) { task.pid = -1; });
  refused("intent", [](Task& task) { task.cancel.emplace(); });
  refused("grace", [](Task& task) {
    task.cancel = CancelMark{*IntentId::Parse(kAnyNode.view()), {}, "", "", -1ms, false};
  });
  refused("execution", [](Task& task) { task.resources.cpu = CpuUse{.executions = 0}; });
  refused("memory", [](Task& task) { task.resources.memory = MemoryUse{.now = 5}; });
}

TEST(ValidityTest, AnIntentIsCheckedWhole) {
  Intent good;
  good.id = *IntentId::Parse(kAnyNode.view());
  good.target = TaskId{kAnyNode, 1};
  ASSERT_THAT(Check(good), IsOk());
  const auto refused = [&good](const char* words, const std::function<void(Intent&)>& spoil) {
    Intent intent = good;
    spoil(intent);
    EXPECT_THAT(Check(intent), Refused(words));
  };
  refused("no id", [](Intent& intent) { intent.id = {}; });
  refused("target", [](Intent& intent) { intent.target = TaskId{}; });
  refused("parent", [](Intent& intent) { intent.target = TaskFilter{{}, TaskId{}}; });
  refused("pattern", [](Intent& intent) { intent.target = TaskFilter{{"\xFF"}, {}}; });
  refused("patterns", [](Intent& intent) {
    intent.target = TaskFilter{std::vector<std::string>(limits::kActionPatternsMax + 1, "*"), {}};
  });
  refused("moment", [](Intent& intent) { intent.requested_at = kFirstMoment - 1us; });
  refused("reason", [](Intent& intent) { intent.reason.assign(limits::kReasonMax + 1, 'x'); });
  refused("principal", [](Intent& intent) { intent.by.assign(limits::kPrincipalMax + 1, 'x'); });
  refused("grace", [](Intent& intent) { intent.grace = limits::kGraceMax + 1ms; });
}

TEST(ValidityTest, AReceiptIsCheckedWhole) {
  Receipt good;
  good.task = {kAnyNode, 1};
  good.intent = *IntentId::Parse(kAnyNode.view());
  ASSERT_THAT(Check(good), IsOk());
  const auto refused = [&good](const char* words, const std::function<void(Receipt&)>& spoil) {
    Receipt receipt = good;
    spoil(receipt);
    EXPECT_THAT(Check(receipt), Refused(words));
  };
  refused("task", [](Receipt& receipt) { receipt.task = {}; });
  refused("intent", [](Receipt& receipt) { receipt.intent = {}; });
  refused("receipt", [](Receipt& receipt) { receipt.recorded_at = kLastMoment + 1us; });
  refused("delivery", [](Receipt& receipt) { receipt.delivered_at = kLastMoment + 1us; });
  refused("note", [](Receipt& receipt) { receipt.note.assign(limits::kNoteMax + 1, 'x'); });
}

}  // namespace
}  // namespace quell
