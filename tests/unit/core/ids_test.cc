// Goal: ids are spelled in one way only, are never confused, and what clients write is read as
// OpenSearch reads it.
// Method: examples of both grammars; round trips of random ids; the bits of an id against a
// generator that says which bits it gave.
#include "core/ids.h"

#include <limits>
#include <set>
#include <sstream>
#include <unordered_set>
#include <vector>

#include <gtest/gtest.h>

namespace quell {
namespace {

constexpr std::string_view kNodeText = "oTUltX4IQMOUUVeiohTt8A";

// Gives what it was told to, then counts.
class ScriptedRandom final : public Random {
 public:
  explicit ScriptedRandom(std::vector<std::uint64_t> script) : script_(std::move(script)) {}
  std::uint64_t Next() override {
    ++calls_;
    return calls_ <= script_.size() ? script_[calls_ - 1] : 0x0102030405060708ULL + calls_;
  }
  std::size_t calls() const { return calls_; }

 private:
  std::vector<std::uint64_t> script_;
  std::size_t calls_ = 0;
};

TEST(Id128Test, SpellsAllBitsAsBase64) {
  // Bytes 00 01 .. 0f; the text is what any base64url encoder gives for them.
  ScriptedRandom random({0x0001020304050607ULL, 0x08090a0b0c0d0e0fULL});
  EXPECT_EQ(NodeId::Make(random).view(), "AAECAwQFBgcICQoLDA0ODw");
  ScriptedRandom ones({~0ULL, ~0ULL});
  EXPECT_EQ(NodeId::Make(ones).view(), "_____________________w");
}

TEST(Id128Test, IsNeverMadeNullNorWithALeadingDash) {
  ScriptedRandom random({0, 0, 0xf8ULL << 56, 0, 0x04ULL << 56, 0});
  const NodeId id = NodeId::Make(random);
  EXPECT_EQ(id.view(), "BAAAAAAAAAAAAAAAAAAAAA");
  EXPECT_EQ(random.calls(), 6U) << "null and '-...' must have been drawn again";
}

TEST(Id128Test, ReadsBackWhateverItMade) {
  constexpr std::uint64_t kSeed = 4711;
  SeededRandom random(kSeed);
  std::set<IntentId> seen;
  for (int i = 0; i < 50'000; ++i) {
    const IntentId id = IntentId::Make(random);
    ASSERT_EQ(IntentId::Parse(id.view()), id) << "seed " << kSeed << ", id " << i;
    ASSERT_NE(id.view().front(), '-');
    ASSERT_TRUE(seen.insert(id).second) << id << " came twice";
  }
}

TEST(Id128Test, RefusesEveryOtherSpelling) {
  EXPECT_EQ(NodeId::Parse(kNodeText)->view(), kNodeText);
  EXPECT_EQ(NodeId::Parse(""), std::nullopt);
  EXPECT_EQ(NodeId::Parse("oTUltX4IQMOUUVeiohTt8"), std::nullopt) << "too short";
  EXPECT_EQ(NodeId::Parse("oTUltX4IQMOUUVeiohTt8AA"), std::nullopt) << "too long";
  EXPECT_EQ(NodeId::Parse("oTUltX4IQMOUUVeiohTt8B"), std::nullopt) << "low bits are not zero";
  EXPECT_EQ(NodeId::Parse("-TUltX4IQMOUUVeiohTt8A"), std::nullopt) << "leading dash";
  EXPECT_EQ(NodeId::Parse("oTUltX4IQMO+UVeiohTt8A"), std::nullopt) << "the other base64";
  EXPECT_EQ(NodeId::Parse("oTUltX4IQMO:UVeiohTt8A"), std::nullopt);
  EXPECT_EQ(NodeId::Parse("oTUltX4IQMO\xc3\xa4VeiohTt8A"), std::nullopt);
  EXPECT_EQ(NodeId::Parse(std::string_view("oTUltX4IQMO\0UVeiohTt8A", 22)), std::nullopt);
  for (const char last : {'A', 'Q', 'g', 'w'}) {
    const std::string text = std::string(21, 'x') + last;
    EXPECT_TRUE(NodeId::Parse(text)) << text;
  }
  EXPECT_TRUE(NodeId::Parse("x-_-_-_-_-_-_-_-_-_-_A")) << "dashes may stand inside";
  EXPECT_EQ(NodeId::Parse(std::string(22, 'A')), std::nullopt) << "the null id names nobody";
}

TEST(Id128Test, IsNullUntilItIsMade) {
  EXPECT_TRUE(NodeId().is_null());
  EXPECT_EQ(NodeId().view(), std::string(22, 'A'));
}

TEST(TaskIdTest, ReadsBackWhateverItPrints) {
  SeededRandom random(5);
  for (const std::uint64_t number : {std::uint64_t{1}, std::uint64_t{54}, TaskId::kNumberMax}) {
    const TaskId id{NodeId::Make(random), number};
    const Result<TaskId> read = TaskId::Parse(id.ToString());
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(*read, id);
    std::ostringstream printed;
    printed << id;
    EXPECT_EQ(printed.str(), id.ToString());
  }
}

TEST(TaskIdTest, RefusesEveryOtherSpelling) {
  const std::string node(kNodeText);
  for (const std::string& text :
       {std::string(), node, node + ":", node + ":0", node + ":-1", node + ":+5", node + ":05",
        node + ": 5", node + ":5 ", node + ":5x", node + ":5:6", node + ":9007199254740992",
        node + ":18446744073709551616", std::string(22, 'A') + ":3", std::string(":5"),
        std::string("n1:5"), ':' + node}) {
    const Result<TaskId> read = TaskId::Parse(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error(), (Error{ErrorCode::kInvalidArgument, "malformed task id " + text}));
  }
  EXPECT_TRUE(TaskId::Parse(node + ":9007199254740991"));
}

TEST(TaskIdTest, HashesDifferentNumbersOfANodeDifferently) {
  const NodeId node = *NodeId::Parse(kNodeText);
  std::unordered_set<std::size_t> hashes;
  for (std::uint64_t number = 1; number <= 10'000; ++number) {
    hashes.insert(std::hash<TaskId>{}(TaskId{node, number}));
  }
  EXPECT_GT(hashes.size(), 9'990U);
}

TEST(TaskIdTextTest, SplitsAtTheFirstColon) {
  const auto id = TaskIdText::Parse("n1:42");
  ASSERT_TRUE(id) << id.error();
  EXPECT_FALSE(id->unset);
  EXPECT_EQ(id->node, "n1");
  EXPECT_EQ(id->number, 42);
  const auto no_node = TaskIdText::Parse(":5");
  ASSERT_TRUE(no_node) << no_node.error();
  EXPECT_EQ(no_node->node, "");
  EXPECT_EQ(no_node->number, 5);
}

TEST(TaskIdTextTest, PrintsTheNumberInItsCanonicalForm) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"n1:+42", "n1:42"},
      {"n1:007", "n1:7"},
      {"n1:-7", "n1:-7"},
      {"n1:-0", "n1:0"},
      {"n1:+0", "n1:0"},
      {"n1:9223372036854775807", "n1:9223372036854775807"},
      {"n1:-9223372036854775808", "n1:-9223372036854775808"}};
  for (const auto& [text, printed] : cases) {
    const auto id = TaskIdText::Parse(text);
    ASSERT_TRUE(id) << id.error();
    EXPECT_EQ(id->ToString(), printed) << text;
  }
}

TEST(TaskIdTextTest, TakesTheNumberMinusOneForUnset) {
  for (const std::string_view text : {"", "unset", "n1:-1", "node_id:-1", "n1:-01", ":-1"}) {
    const auto id = TaskIdText::Parse(text);
    ASSERT_TRUE(id) << id.error();
    EXPECT_TRUE(id->unset) << text;
    EXPECT_EQ(id->ToString(), "unset") << text;
    EXPECT_EQ(id->Resolve(), std::nullopt) << text;
  }
}

TEST(TaskIdTextTest, RefusesWhatIsNoNumber) {
  for (const std::string text : {"-1", "abc", "_cancel", "Unset", "n1:", "n1:x", "n1: 5", "n1:5 ",
                                 "a:b:1", "n1:+", "n1:-", "n1:+-5", "n1:++5", "n1:0x5", "n1:1e3",
                                 "n1:9223372036854775808", "n1:-9223372036854775809"}) {
    const auto id = TaskIdText::Parse(text);
    ASSERT_FALSE(id) << text;
    EXPECT_EQ(id.error(), (Error{ErrorCode::kInvalidArgument, "malformed task id " + text}));
  }
}

TEST(TaskIdTextTest, ResolvesOnlyWhatCanHaveBeenIssued) {
  const std::string node(kNodeText);
  const auto resolve = [](const std::string& text) { return TaskIdText::Parse(text)->Resolve(); };
  EXPECT_EQ(resolve(node + ":+42"), (TaskId{*NodeId::Parse(kNodeText), 42}));
  EXPECT_EQ(resolve(node + ":9007199254740991")->number, TaskId::kNumberMax);
  EXPECT_EQ(resolve(node + ":9007199254740992"), std::nullopt);
  EXPECT_EQ(resolve(node + ":0"), std::nullopt);
  EXPECT_EQ(resolve(node + ":-7"), std::nullopt);
  EXPECT_EQ(resolve("n1:42"), std::nullopt);
}

}  // namespace
}  // namespace quell
