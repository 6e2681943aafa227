// Goal: no text of a stranger moves the cursor, hides or reverses what a terminal shows.
// Method: texts in, texts out.
#include "cli/terminal_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quell::cli {
namespace {

TEST(TerminalTextTest, LeavesWhatIsSeenAsItIs) {
  for (const char* text : {"", "plain ~", "\u00e4\u00f6 \u2014 \u65e5\u672c", "\U0001F600"}) {
    EXPECT_EQ(TerminalText(text), text);
    EXPECT_EQ(TerminalLine(text), text);
  }
}

TEST(TerminalTextTest, ShowsControlCharactersAsEscapes) {
  EXPECT_EQ(TerminalText("a\x1b[2Jb"), "a\\u001b[2Jb");
  EXPECT_EQ(TerminalText(std::string("\0\x7f", 2)), "\\u0000\\u007f");
  EXPECT_EQ(TerminalText("\u009b"), "\\u009b");
}

TEST(TerminalTextTest, ShowsWhatChangesTheDirectionOrIsNotSeenAsEscapes) {
  EXPECT_EQ(TerminalText("a\u202eb"), "a\\u202eb");
  EXPECT_EQ(TerminalText("\u200b\u200e\u2066\ufeff\u00ad\u061c"),
            "\\u200b\\u200e\\u2066\\ufeff\\u00ad\\u061c");
  EXPECT_EQ(TerminalText("\U000E0041"), "\\udb40\\udc41");  // A pair, as JSON has it.
}

TEST(TerminalTextTest, ReplacesWhatIsNoUtf8) {
  const std::string replaced = "\xEF\xBF\xBD";
  EXPECT_EQ(TerminalText("\x80"), replaced);
  EXPECT_EQ(TerminalText("\xC3"), replaced);
  EXPECT_EQ(TerminalText("\xC0\xAF"), replaced + replaced);                 // An overlong slash.
  EXPECT_EQ(TerminalText("\xED\xA0\x80"), replaced + replaced + replaced);  // A surrogate.
  EXPECT_EQ(TerminalText("\xF5z"), replaced + "z");
}

TEST(TerminalTextTest, KeepsLinesAndPutsOneLineOnOne) {
  EXPECT_EQ(TerminalText("a\nb\tc\rd"), "a\nb c d");
  EXPECT_EQ(TerminalLine("a\nb"), "a b");
}

}  // namespace
}  // namespace quell::cli
