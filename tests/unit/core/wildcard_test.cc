// Goal: WildcardMatch means what people expect of '*' and cannot be made slow.
// Method: examples; then random patterns and texts over a tiny alphabet, where parts repeat and
// overlap often, against a naive recursive matcher; then patterns that make backtracking matchers
// take time beyond any patience.
#include "core/wildcard.h"

#include <string>

#include <gtest/gtest.h>

#include "core/random.h"

namespace quell {
namespace {

// The definition, word for word.
bool NaiveMatch(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    return NaiveMatch(pattern.substr(1), text) ||
           (!text.empty() && NaiveMatch(pattern, text.substr(1)));
  }
  return !text.empty() && pattern[0] == text[0] && NaiveMatch(pattern.substr(1), text.substr(1));
}

std::string RandomText(Random& random, std::string_view alphabet, std::size_t max) {
  std::string text;
  for (auto size = random.Below(max + 1); size > 0; --size) {
    text += alphabet[random.Below(alphabet.size())];
  }
  return text;
}

TEST(WildcardTest, MatchesWholeTextsWithoutStar) {
  EXPECT_TRUE(WildcardMatch("", ""));
  EXPECT_TRUE(WildcardMatch("job:run", "job:run"));
  EXPECT_FALSE(WildcardMatch("job", "job:run"));
  EXPECT_FALSE(WildcardMatch("job:run", "job"));
  EXPECT_FALSE(WildcardMatch("", "a"));
}

TEST(WildcardTest, LetsAStarStandForAnyTextAndForNone) {
  EXPECT_TRUE(WildcardMatch("*", ""));
  EXPECT_TRUE(WildcardMatch("*", "anything"));
  EXPECT_TRUE(WildcardMatch("a*", "a"));
  EXPECT_TRUE(WildcardMatch("*a", "bba"));
  EXPECT_TRUE(WildcardMatch("a**b", "ab"));
  EXPECT_TRUE(WildcardMatch("cluster:*/tasks/*", "cluster:monitor/tasks/lists"));
  EXPECT_FALSE(WildcardMatch("cluster:*/tasks/*", "cluster:monitor/tasks"));
}

TEST(WildcardTest, DoesNotUseACharacterTwice) {
  EXPECT_FALSE(WildcardMatch("a*a", "a"));
  EXPECT_FALSE(WildcardMatch("ab*ba", "aba"));
  EXPECT_FALSE(WildcardMatch("*ab*ab", "ab"));
  EXPECT_TRUE(WildcardMatch("ab*ba", "abba"));
}

TEST(WildcardTest, TakesEverythingButTheStarLiterally) {
  EXPECT_FALSE(WildcardMatch("a?c", "abc"));
  EXPECT_FALSE(WildcardMatch("[ab]", "a"));
  EXPECT_FALSE(WildcardMatch("JOB*", "job:run"));
  EXPECT_TRUE(WildcardMatch("\\*", "\\x")) << "there is no escape";
}

TEST(WildcardTest, AgreesWithTheDefinition) {
  constexpr std::uint64_t kSeed = 20260131;
  SeededRandom random(kSeed);
  int matches = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::string pattern = RandomText(random, "ab**", 8);
    const std::string text = RandomText(random, "ab", 10);
    const bool expected = NaiveMatch(pattern, text);
    matches += expected ? 1 : 0;
    ASSERT_EQ(WildcardMatch(pattern, text), expected)
        << "seed " << kSeed << ": '" << pattern << "' '" << text << "'";
  }
  EXPECT_GT(matches, 20'000) << "the samples must hit both answers";
  EXPECT_LT(matches, 180'000);
}

// A matcher that goes back to earlier stars takes longer than the universe has for the first of
// these, and hours for the second: these tests end, or they do not.
TEST(WildcardTest, IsNotStalledByManyStars) {
  std::string pattern;
  for (int i = 0; i < 10'000; ++i)
    pattern += "*a";
  EXPECT_TRUE(WildcardMatch(pattern, std::string(100'000, 'a')));
  EXPECT_FALSE(WildcardMatch(pattern + "b*", std::string(100'000, 'a')));
  EXPECT_TRUE(WildcardMatch(std::string(1'000'000, '*'), "a"));
}

TEST(WildcardTest, IsNotStalledByLongParts) {
  const std::string part(500'000, 'a');
  const std::string text(4'000'000, 'a');
  EXPECT_FALSE(WildcardMatch('*' + part + "b*", text));
  EXPECT_FALSE(WildcardMatch("*b" + part + '*', text));
}

}  // namespace
}  // namespace quell
