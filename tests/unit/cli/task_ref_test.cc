// Goal: an id that a person writes means exactly one task, or is refused with what he could write.
// Method: texts and lists of nodes in, ids or errors out.
#include "cli/task_ref.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quell::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kIdA = "AbcdefghijklmnopqrstuQ";
constexpr const char* kIdB = "BbcdefghijklmnopqrstuQ";

NodeEntry Node(std::string id, std::string name) {
  NodeEntry node;
  node.id = std::move(id);
  node.name = std::move(name);
  node.address = "127.0.0.1:9301";
  node.alive = true;
  return node;
}

Result<std::string> Resolved(const std::string& text, const std::vector<NodeEntry>& nodes) {
  const auto ref = TaskRef::Parse(text);
  if (!ref) return ref.error();
  return Resolve(*ref, nodes);
}

TEST(TaskRefTest, TakesAFullIdAsItIs) {
  const auto id = Resolved(std::string(kIdA) + ":41", {});
  ASSERT_TRUE(id);
  EXPECT_EQ(*id, std::string(kIdA) + ":41");
}

TEST(TaskRefTest, FindsTheNodeByItsName) {
  const auto id = Resolved("db3:41", {Node(kIdA, "db3"), Node(kIdB, "db4")});
  ASSERT_TRUE(id);
  EXPECT_EQ(*id, std::string(kIdA) + ":41");
}

TEST(TaskRefTest, DoesNotGuessAtPartOfAName) {
  const auto id = Resolved("db:41", {Node(kIdA, "db3")});
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(id.error().message, AllOf(HasSubstr("'db'"), HasSubstr("db3")));
}

TEST(TaskRefTest, PrintsTheCandidatesOfAnAmbiguousName) {
  const auto id = Resolved("db3:41", {Node(kIdA, "db3"), Node(kIdB, "db3"), Node("x", "db4")});
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(id.error().message, AllOf(HasSubstr(kIdA), HasSubstr(kIdB), Not(HasSubstr("db4"))));
}

TEST(TaskRefTest, RefusesWhatIsNoIdAndSaysHowOneLooks) {
  for (const char* text : {"", "41", "db3", "db3:", ":41", "db3:x", "db3:-1", "db3:0", "db3:4 ",
                           "db3:9007199254740992", "db3:99999999999999999999"}) {
    const auto ref = TaskRef::Parse(text);
    ASSERT_FALSE(ref) << text;
    EXPECT_EQ(ref.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(ref.error().message, HasSubstr("NODE:NUMBER"));
  }
}

TEST(TaskRefTest, SplitsAtTheLastColonSoThatANameCanHoldOne) {
  const auto ref = TaskRef::Parse("rack:db3:41");
  ASSERT_TRUE(ref);
  EXPECT_EQ(ref->node, "rack:db3");
  EXPECT_EQ(ref->number, "41");
}

TEST(TaskRefTest, FindsANodeByIdBeforeOneByThatName) {
  const auto id = ResolveNode(kIdA, {Node(kIdB, kIdA), Node(kIdA, "db3")});
  ASSERT_TRUE(id);
  EXPECT_EQ(*id, kIdA);
}

}  // namespace
}  // namespace quell::cli
