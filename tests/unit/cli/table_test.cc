// Goal: lists are readable, fit the terminal, and let no stranger's text move its cursor.
// Method: rows in, text out.
#include "cli/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/ps_command.h"

namespace quell::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(TableTest, AlignsWordsLeftAndNumbersRight) {
  EXPECT_EQ(
      RenderTable({{"NAME"}, {"N", true}, {"TEXT"}}, {{"a", "10", "x"}, {"long", "1", ""}}, 0),
      "NAME   N  TEXT\n"
      "a     10  x\n"
      "long   1\n");
}

TEST(TableTest, CutsTheLastColumnAtTheTerminalsWidth) {
  EXPECT_EQ(RenderTable({{"A"}, {"TEXT"}}, {{"x", "0123456789abcdef"}}, 13),
            "A  TEXT\n"
            "x  0123456...\n");
}

TEST(TableTest, KeepsTheWholeTextWhenThereIsNoTerminal) {
  const std::string text(500, 'x');
  EXPECT_THAT(RenderTable({{"A"}, {"TEXT"}}, {{"x", text}}, 0), HasSubstr(text));
}

TEST(TableTest, CountsCharactersAndCutsBetweenThem) {
  const std::string umlauts = "\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc\u00e4\u00f6";
  EXPECT_EQ(RenderTable({{"T"}}, {{umlauts}}, 8), "T\n\u00e4\u00f6\u00fc\u00e4\u00f6...\n");
}

TEST(TableTest, ShowsWhatATerminalWouldObeyAsEscapes) {
  const std::string text = RenderTable({{"T"}}, {{"a\x1b[2Jb\nc\u009bd\u202e"}}, 0);
  EXPECT_EQ(text, "T\na\\u001b[2Jb c\\u009bd\\u202e\n");
}

Answer OneTaskAnswer() {
  Answer answer;
  TaskEntry task;
  task.node = "AbcdefghijklmnopqrstuQ";
  task.node_name = "db3";
  task.number = 41;
  task.action = "nightly/backup";
  task.description = "pg_dump -Fc orders";
  task.running_nanos = 724'000'000'000;
  answer.tasks.push_back(task);
  return answer;
}

TEST(TaskTableTest, NamesATaskByItsNodesName) {
  EXPECT_EQ(RenderTasks(OneTaskAnswer(), Format::kTable, 0),
            "ID      ACTION          STATE       AGE  NODE  PARENT  DESCRIPTION\n"
            "db3:41  nightly/backup  running  12m04s  db3   -       pg_dump -Fc orders\n");
}

TEST(TaskTableTest, SaysThatACancelledTaskIsOnItsWayOutAndNotGone) {
  Answer answer = OneTaskAnswer();
  answer.tasks[0].cancelled = true;
  EXPECT_THAT(RenderTasks(answer, Format::kTable, 0), HasSubstr("cancelling"));
}

TEST(TaskTableTest, ShowsAParentOfTheSameAnswerByName) {
  Answer answer = OneTaskAnswer();
  answer.tasks.push_back(answer.tasks[0]);
  answer.tasks[1].number = 42;
  answer.tasks[1].parent = answer.tasks[0].id();
  EXPECT_THAT(RenderTasks(answer, Format::kTable, 0), HasSubstr("db3   db3:41"));
}

TEST(TaskTableTest, GivesTheFullIdWhenWide) {
  EXPECT_THAT(RenderTasks(OneTaskAnswer(), Format::kWide, 20),
              HasSubstr("AbcdefghijklmnopqrstuQ:41"));
}

TEST(TaskTableTest, ShowsWhatATaskHasUsedWhenWideAndADashWhereNothingIsMeasured) {
  Answer answer = OneTaskAnswer();
  EXPECT_THAT(RenderTasks(answer, Format::kWide, 0), HasSubstr("db3   -         -       -  "));
  EXPECT_THAT(RenderTasks(answer, Format::kJson, 0), testing::Not(HasSubstr("in_bytes")));
  answer.tasks[0].resources = {65'000'000'000, 70 << 20, {}};
  EXPECT_THAT(RenderTasks(answer, Format::kWide, 0), HasSubstr("1m05s  70 MiB"));
  EXPECT_THAT(RenderTasks(answer, Format::kJson, 0),
              HasSubstr(R"("cpu_time_in_nanos":65000000000,"memory_in_bytes":73400320)"));
}

TEST(TaskTableTest, SaysHowATaskEndedWhenAndWhoWantedIt) {
  Answer answer = OneTaskAnswer();
  answer.tasks.push_back(answer.tasks[0]);
  answer.tasks[1].number = 42;
  answer.tasks[1].state = "cancelled";
  answer.tasks[1].ended_millis = 1625145678901;
  answer.tasks[1].cancelled = true;
  answer.tasks[1].cancelled_by = "loopback";
  answer.tasks[1].cancel_reason = "wrong table";
  const std::string table = RenderTasks(answer, Format::kTable, 0, true);
  EXPECT_THAT(table, HasSubstr("PARENT  ENDED                     CANCEL "));
  EXPECT_THAT(table, HasSubstr("db3:41  nightly/backup  running"));
  EXPECT_THAT(table, HasSubstr("db3:42  nightly/backup  cancelled"));
  EXPECT_THAT(table, HasSubstr("2021-07-01T13:21:18.901Z  loopback: wrong table  pg_dump"));
  const std::string json = RenderTasks(answer, Format::kJson, 0, true);
  EXPECT_THAT(json, HasSubstr(R"("state":"cancelled")"));
  EXPECT_THAT(json, HasSubstr(R"("cancelled_by":"loopback","cancel_reason":"wrong table",)"
                              R"("end_time_in_millis":1625145678901)"));
}

TEST(TaskTableTest, RendersJsonWithTheFailuresInIt) {
  Answer answer = OneTaskAnswer();
  answer.coverage = "selected=2 answered=1 failed=1";
  answer.failures.push_back({"BbcdefghijklmnopqrstuQ", "disconnected", "gone"});
  const std::string json = RenderTasks(answer, Format::kJson, 0);
  EXPECT_THAT(json, HasSubstr(R"("id":"AbcdefghijklmnopqrstuQ:41")"));
  EXPECT_THAT(json, HasSubstr(R"("name":"db3:41")"));
  EXPECT_THAT(json, HasSubstr(R"("parent":null)"));
  EXPECT_THAT(json, HasSubstr(R"("cause":"disconnected")"));
  EXPECT_THAT(json, HasSubstr(R"("coverage":"selected=2 answered=1 failed=1")"));
}

TEST(OutputTest, SaysWhoAnswered) {
  EXPECT_EQ(CoverageText("selected=3 answered=2 failed=1"), "2 of 3 nodes answered");
  EXPECT_EQ(CoverageText("selected=1 answered=1 failed=0"), "1 of 1 node answered");
  EXPECT_EQ(CoverageText("what"), "");
}

TEST(OutputTest, NamesTheNodeThatDidNotRespondTheCauseAndSinceWhen) {
  NodeEntry node;
  node.id = "BbcdefghijklmnopqrstuQ";
  node.name = "web1";
  node.state = "silent";
  node.since_millis = 12'000;
  const FailureEntry failure{node.id, "disconnected", "[web1][x][y[n]] gone"};
  EXPECT_EQ(FailureText(failure, {node}),
            "node web1 did not respond: no heartbeat, since 1970-01-01T00:00:12.000Z");
  node.state = "stopped";
  EXPECT_EQ(FailureText({node.id, "disconnected", ""}, {node}),
            "node web1 did not respond: its daemon was stopped, since 1970-01-01T00:00:12.000Z");
  node.state = "alive";
  node.since_millis.reset();
  EXPECT_EQ(FailureText({node.id, "no_answer", ""}, {node}),
            "node web1 did not respond: no answer in time");
  EXPECT_EQ(FailureText(failure, {}),
            "node BbcdefghijklmnopqrstuQ did not respond: it is not connected");
  EXPECT_EQ(FailureText({"nosuch", "no_such_node", "No such node [nosuch]"}, {node}),
            "no node has the name or id 'nosuch'");
  EXPECT_THAT(FailureText({node.id, "something_new", "why"}, {node}), HasSubstr(": why"));
}

}  // namespace
}  // namespace quell::cli
