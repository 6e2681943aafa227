// Goal: tasks stand by descent, each exactly once, whatever their parents claim.
// Method: small families, written as number:parent, are put in order; the expected order is read
// from the claim.
#include "coordinator/api/opensearch/tasks/forest.h"

#include <gmock/gmock.h>

#include "core/limits.h"
#include "tests/unit/coordinator/fixtures.h"

namespace quell::opensearch {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Starts grow with the numbers unless told otherwise; parent 0: none.
TreeKey Child(std::uint64_t number, std::uint64_t parent, std::int64_t start = -1) {
  TreeKey keys;
  keys.id = {Id(1), number};
  if (parent != 0) keys.parent = TaskId{Id(1), parent};
  keys.start = WallFromMicros(start >= 0 ? start : static_cast<std::int64_t>(number));
  return keys;
}

// "number@depth" in order.
std::vector<std::string> Order(const std::vector<TreeKey>& tasks) {
  std::vector<std::string> order;
  for (const Placed& one : DepthFirst(tasks)) {
    order.push_back(std::to_string(tasks[one.index].id.number) + "@" + std::to_string(one.depth));
  }
  return order;
}

TEST(ForestTest, EachParentIsFollowedByItsChildren) {
  EXPECT_THAT(Order({Child(5, 2), Child(4, 1), Child(3, 1), Child(2, 0), Child(1, 0), Child(6, 3)}),
              ElementsAre("1@0", "3@1", "6@2", "4@1", "2@0", "5@1"));
  EXPECT_THAT(Order({}), IsEmpty());
}

TEST(ForestTest, SiblingsStandByStartAndThenById) {
  EXPECT_THAT(Order({Child(1, 0, 30), Child(3, 0, 20), Child(2, 0, 20), Child(9, 1, 5)}),
              ElementsAre("2@0", "3@0", "1@0", "9@1"));
}

TEST(ForestTest, AChildOfSomebodyElsewhereIsAtTheTop) {
  EXPECT_THAT(Order({Child(2, 77), Child(3, 2)}), ElementsAre("2@0", "3@1"));
}

TEST(ForestTest, WhatDescendsFromItselfIsShownOnceAllTheSame) {
  EXPECT_THAT(Order({Child(1, 1), Child(2, 3), Child(3, 2), Child(4, 0)}),
              ElementsAre("4@0", "1@0", "2@0", "3@1"));
}

TEST(ForestTest, AChainIsCutWhereItIsDeeperThanAnyTaskMayBe) {
  std::vector<TreeKey> chain;
  const std::size_t length = 2 * limits::kAncestorsMax + 3;
  for (std::size_t i = 1; i <= length; ++i)
    chain.push_back(Child(i, i - 1));
  const std::vector<Placed> placed = DepthFirst(chain);
  ASSERT_EQ(placed.size(), length);
  for (std::size_t i = 0; i < length; ++i) {
    EXPECT_EQ(placed[i].index, i);
    EXPECT_EQ(placed[i].depth, i % (limits::kAncestorsMax + 1));
  }
}

}  // namespace
}  // namespace quell::opensearch
