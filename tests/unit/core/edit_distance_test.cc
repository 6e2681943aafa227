// Goal: the distance counts slips, and two letters that changed places once where it is told to.
// Method: pairs of words.
#include "core/edit_distance.h"

#include <gtest/gtest.h>

namespace quell {
namespace {

TEST(EditDistanceTest, CountsWhatIsInsertedDeletedOrReplaced) {
  for (const Swaps swaps : {Swaps::kNone, Swaps::kAdjacent}) {
    EXPECT_EQ(EditDistance("", "", swaps), 0U);
    EXPECT_EQ(EditDistance("", "abc", swaps), 3U);
    EXPECT_EQ(EditDistance("kitten", "sitting", swaps), 3U);
    EXPECT_EQ(EditDistance("sitting", "kitten", swaps), 3U);
  }
}

TEST(EditDistanceTest, NeighboursThatChangedPlacesAreOneSlipOnlyIfSwapsCount) {
  EXPECT_EQ(EditDistance("actoins", "actions", Swaps::kAdjacent), 1U);
  EXPECT_EQ(EditDistance("actoins", "actions", Swaps::kNone), 2U);
}

}  // namespace
}  // namespace quell
