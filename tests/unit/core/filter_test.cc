// Goal: what a filter costs is known before it is applied, so that many patterns do not make a turn
// long. Method: filters with more and more patterns.
#include "core/filter.h"

#include <gtest/gtest.h>

namespace quell {
namespace {

TEST(FilterTest, WithManyPatternsFewerTasksAreLookedAtInATurn) {
  TaskFilter filter;
  EXPECT_EQ(filter.LooksPerTurn(), limits::kLooksPerTurn);
  std::size_t before = filter.LooksPerTurn();
  while (filter.actions.size() < limits::kActionPatternsMax) {
    filter.actions.resize(std::min(limits::kActionPatternsMax, 2 * filter.actions.size() + 8));
    EXPECT_LE(filter.LooksPerTurn(), before);
    before = filter.LooksPerTurn();
    EXPECT_GE(before, 1u);
    EXPECT_LE(before * filter.actions.size(), limits::kLooksPerTurn * limits::kPatternsPerLook);
  }
}

}  // namespace
}  // namespace quell
