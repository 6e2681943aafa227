// Goal: durations, suggestions, quoted command lines and default names are what people expect.
// Method: texts in, texts out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/duration.h"
#include "cli/run_command.h"
#include "cli/shell_quote.h"
#include "cli/suggest.h"

namespace quell::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(DurationTest, ReadsAWholeNumberWithItsUnit) {
  EXPECT_EQ(*ParseDuration("500ms"), milliseconds(500));
  EXPECT_EQ(*ParseDuration("10s"), seconds(10));
  EXPECT_EQ(*ParseDuration("2m"), seconds(120));
  EXPECT_EQ(*ParseDuration("1h"), seconds(3600));
  EXPECT_EQ(*ParseDuration("0s"), seconds(0));
}

TEST(DurationTest, RefusesEverythingElse) {
  for (const char* text : {"", "10", "s", "-1s", "1.5s", "10 s", "10S", "1d", "99999999999999h",
                           "99999999999999999999s", "10sx"}) {
    EXPECT_FALSE(ParseDuration(text)) << text;
  }
}

TEST(DurationTest, WritesTwoUnitsAtMost) {
  EXPECT_EQ(FormatAge(milliseconds(-5)), "0.0s");
  EXPECT_EQ(FormatAge(milliseconds(410)), "0.4s");
  EXPECT_EQ(FormatAge(milliseconds(9'999)), "9.9s");
  EXPECT_EQ(FormatAge(seconds(12)), "12s");
  EXPECT_EQ(FormatAge(seconds(192)), "3m12s");
  EXPECT_EQ(FormatAge(seconds(3600 + 5 * 60 + 59)), "1h05m");
  EXPECT_EQ(FormatAge(seconds(2 * 86400 + 3 * 3600)), "2d03h");
}

TEST(MemoryTest, WritesTwoDigitsAtLeastInTheUnitThatFits) {
  EXPECT_EQ(FormatBytes(-1), "0 B");
  EXPECT_EQ(FormatBytes(812), "812 B");
  EXPECT_EQ(FormatBytes(4096), "4.0 KiB");
  EXPECT_EQ(FormatBytes(70 << 20), "70 MiB");
  EXPECT_EQ(FormatBytes((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(FormatBytes(1'288'490'189), "1.2 GiB");
  EXPECT_EQ(FormatBytes(std::int64_t{5} << 50), "5.0 PiB");
}

TEST(SuggestTest, FindsAWordTwoSlipsAway) {
  const std::vector<std::string> known{"ps", "show", "cancel", "run", "node", "dev"};
  EXPECT_EQ(Suggest("cansel", known), "cancel");
  EXPECT_EQ(Suggest("cnacel", known), "cancel");
  EXPECT_EQ(Suggest("cancell", known), "cancel");
  EXPECT_EQ(Suggest("shwo", known), "show");
}

TEST(SuggestTest, KeepsQuietWhenNothingIsNear) {
  EXPECT_EQ(Suggest("frobnicate", {"ps", "show"}), std::nullopt);
  EXPECT_EQ(Suggest("xy", {"ps"}), std::nullopt);
  EXPECT_EQ(Suggest(std::string(100'000, 'x'), {"ps"}), std::nullopt);
}

TEST(ShellQuoteTest, QuotesOnlyWhatAShellWouldChange) {
  EXPECT_EQ(ShellJoin({"/a/b-c_d", "--x=1", "two words", "it's", "", "$HOME"}),
            R"(/a/b-c_d --x=1 'two words' 'it'\''s' '' '$HOME')");
}

TEST(RunNamesTest, CallsATaskAfterItsCommand) {
  EXPECT_EQ(DefaultAction("/usr/bin/pg_dump"), "run/pg_dump");
  EXPECT_EQ(DefaultDescription({"sleep", "3 0"}), "sleep '3 0'");
}

TEST(RunNamesTest, CutsNamesToWhatANodeTakes) {
  EXPECT_EQ(DefaultAction(std::string(300, 'a')).size(), 128U);
  std::string umlauts;
  for (int i = 0; i < 4000; ++i)
    umlauts += "\u00e4";
  // "x " and then characters of two bytes: the limit falls between two of them.
  EXPECT_EQ(DefaultDescription({"x", umlauts}).size(), 4096U);
  EXPECT_EQ(DefaultDescription({"xy", umlauts}).size(), 4095U);
}

}  // namespace
}  // namespace quell::cli
