// Goal: a log line says what it is given, and no value can forge another line.
// Method: standard error is captured and its lines read.
#include "host/log.h"

#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/ids.h"
#include "tests/support/result_matchers.h"

namespace quell {
namespace {

using testing::HasSubstr;

class LogTest : public testing::Test {
 protected:
  LogTest() { testing::internal::CaptureStderr(); }
  ~LogTest() override {
    if (capturing_) Lines();
    SetLogLevel(Severity::kInfo);
    SetLogName("");
  }

  std::string Lines() {
    capturing_ = false;
    return testing::internal::GetCapturedStderr();
  }
  // All of the only line from its severity on; the time before it is 25 characters long.
  std::string Line() {
    const std::string line = Lines();
    EXPECT_THAT(line, testing::StartsWith("20"));
    EXPECT_EQ(line.find('Z'), 23U) << line;
    EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
    return line.size() < 26 ? line : line.substr(25, line.size() - 26);
  }

  bool capturing_ = true;
};

TEST_F(LogTest, WritesTimeSeverityMessageAndFields) {
  LogInfo("joined", {{"coordinator", TaskId{NodeId(), 7}},
                     {"pid", 42},
                     {"big", std::uint64_t{1} << 63},
                     {"again", true},
                     {"name", std::string("n1")}});
  EXPECT_EQ(Line(),
            "I joined coordinator=AAAAAAAAAAAAAAAAAAAAAA:7 pid=42 big=9223372036854775808 "
            "again=true name=n1");
}

TEST_F(LogTest, MarksEachSeverity) {
  SetLogLevel(Severity::kDebug);
  LogDebug("a");
  LogInfo("b");
  LogWarning("c");
  LogError("d");
  const std::string lines = Lines();
  EXPECT_THAT(lines, HasSubstr("Z D a\n"));
  EXPECT_THAT(lines, HasSubstr("Z I b\n"));
  EXPECT_THAT(lines, HasSubstr("Z W c\n"));
  EXPECT_THAT(lines, HasSubstr("Z E d\n"));
}

TEST_F(LogTest, LeavesOutWhatIsBelowItsLevel) {
  LogDebug("not at first");
  SetLogLevel(Severity::kError);
  LogWarning("nor this");
  LogError("but this");
  EXPECT_EQ(Line(), "E but this");
}

TEST_F(LogTest, TellsWhoseLineItIs) {
  SetLogName("quell-node n1");
  LogInfo("joined");
  EXPECT_EQ(Line(), "I quell-node n1 joined");
}

TEST_F(LogTest, QuotesAndEscapesWhatCouldForgeALine) {
  LogInfo("named", {{"a", "x y"},
                    {"b", ""},
                    {"c", "1\n2026-01-01 E forged"},
                    {"d", "quo\"te\\"},
                    {"e", "k=v"},
                    {"f", "\x1b[31m\x7f"},
                    {"g", std::string_view("nul\0", 4)}});
  EXPECT_EQ(Line(), R"(I named a="x y" b="" c="1\n2026-01-01 E forged" d="quo\"te\\" e="k=v" )"
                    R"(f="\x1b[31m\x7f" g="nul\x00")");
}

TEST_F(LogTest, EscapesTheMessageToo) {
  LogInfo("two\nlines {} %s");
  EXPECT_EQ(Line(), R"(I two\nlines {} %s)");
}

TEST_F(LogTest, ShowsAnErrorsMessage) {
  LogError("cannot start", {{"error", Error{ErrorCode::kNotFound, "no file"}}});
  EXPECT_EQ(Line(), "E cannot start error=\"no file\"");
}

TEST_F(LogTest, KeepsTheLinesOfThreadsApart) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 100; ++i)
        LogInfo("line", {{"text", std::string(200, 'x')}});
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  std::istringstream lines(Lines());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    EXPECT_THAT(line, testing::EndsWith("I line text=" + std::string(200, 'x')));
  }
  EXPECT_EQ(count, 400);
}

TEST(SeverityTest, IsReadByItsName) {
  EXPECT_THAT(ParseSeverity("debug"), IsOkAnd(Severity::kDebug));
  EXPECT_THAT(ParseSeverity("info"), IsOkAnd(Severity::kInfo));
  EXPECT_THAT(ParseSeverity("warning"), IsOkAnd(Severity::kWarning));
  EXPECT_THAT(ParseSeverity("error"), IsOkAnd(Severity::kError));
  EXPECT_THAT(ParseSeverity("loud"), FailsWith(ErrorCode::kInvalidArgument, "debug, info"));
}

}  // namespace
}  // namespace quell
