// Goal: text is told from what is none, and made into text, whatever bytes come.
// Method: examples of every rule of Unicode's table 3-7, and random bytes.
#include "core/utf8.h"

#include <gtest/gtest.h>

#include "core/random.h"

namespace quell {
namespace {

TEST(Utf8Test, KnowsWellFormedText) {
  for (const char* text :
       {"", "ascii only, longer than eight bytes", "\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF",
        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "12345678\xE2\x82\xAC"}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
  }
}

TEST(Utf8Test, KnowsEveryKindOfMalformedText) {
  // A lone continuation, overlong forms, surrogates, beyond the last code point, cut sequences.
  for (const char* text : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80",
                           "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF",
                           "\xC2", "\xE2\x82", "\xF0\x9F\x98", "12345678\xE9", "\xE2\x28\xA1"}) {
    EXPECT_FALSE(IsUtf8(text)) << text;
  }
}

TEST(Utf8Test, WhatIsReplacedIsTextAndWhatIsTextStaysAsItIs) {
  SeededRandom random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random.Below(20), ' ');
    for (char& c : text)
      c = static_cast<char>(random.Below(3) == 0 ? random.Below(256) : 'a' + random.Below(26));
    const std::string replaced = ToUtf8(text);
    EXPECT_TRUE(IsUtf8(replaced)) << replaced;
    EXPECT_EQ(replaced == text, IsUtf8(text));
    EXPECT_FALSE(HasControlCharacter(WithoutControlCharacters(text)));
    EXPECT_TRUE(IsUtf8(WithoutControlCharacters(text)));
  }
  EXPECT_EQ(ToUtf8("a\xFFz"), "a\xEF\xBF\xBDz");
}

TEST(Utf8Test, CutsBetweenCharacters) {
  EXPECT_EQ(CutUtf8("ab\xC3\xA9", 4), "ab\xC3\xA9");
  EXPECT_EQ(CutUtf8("ab\xC3\xA9", 3), "ab");
  EXPECT_EQ(CutUtf8("\xF0\x9F\x98\x80", 3), "");
}

TEST(Utf8Test, KnowsTheControlCharactersOfBothRanges) {
  using namespace std::string_view_literals;
  for (const std::string_view text :
       {"a\0b"sv, "\n"sv, "\x1B[2J"sv, "\x7F"sv, "\xC2\x80"sv, "\xC2\x9F"sv}) {
    EXPECT_TRUE(HasControlCharacter(text)) << text;
  }
  for (const std::string_view text :
       {""sv, " "sv, "~"sv, "\xC2\xA0"sv, "\xE2\x80\xAE"sv, "\xC3\x80"sv}) {
    EXPECT_FALSE(HasControlCharacter(text)) << text;
  }
  EXPECT_EQ(WithoutControlCharacters("a\nb\xC2\x85z"), "a b z");
}

}  // namespace
}  // namespace quell
