// Goal: the first mark of a task stays, only grows stronger, and is forgotten only when its task no
// longer lives and there is no room. Method: the plain class, with small limits.
#include "node/cancels/tombstones.h"

#include <gtest/gtest.h>

namespace quell {
namespace {

Tombstone MakeTombstone(std::uint64_t number, std::string by, int grace_ms = 1000,
                        bool cascade = true) {
  Tombstone tombstone;
  tombstone.number = number;
  tombstone.mark.by = std::move(by);
  tombstone.mark.grace = std::chrono::milliseconds(grace_ms);
  tombstone.cascade = cascade;
  return tombstone;
}

TEST(TombstonesTest, KeepTheFirstMark) {
  Tombstones tombstones({MakeTombstone(1, "first")});
  const Tombstones::Change change = tombstones.Add(MakeTombstone(1, "second"), true);
  EXPECT_FALSE(change.fresh || change.cascade || change.grace);
  EXPECT_EQ(tombstones.Find(1)->mark.by, "first");
}

TEST(TombstonesTest, OnlyGrowStronger) {
  Tombstones tombstones({MakeTombstone(1, "first", 1000, false)});
  const Tombstones::Change stronger = tombstones.Add(MakeTombstone(1, "second", 500, true), true);
  EXPECT_TRUE(stronger.cascade);
  EXPECT_TRUE(stronger.grace);
  const Tombstones::Change weaker = tombstones.Add(MakeTombstone(1, "third", 2000, false), true);
  EXPECT_FALSE(weaker.cascade || weaker.grace);
  EXPECT_TRUE(tombstones.Find(1)->cascade);
  EXPECT_EQ(tombstones.Find(1)->mark.grace, std::chrono::milliseconds(500));
  EXPECT_EQ(tombstones.Find(1)->mark.by, "first");
}

TEST(TombstonesTest, HaveRoomForAllThatLivesAndForgetWhatEndedFirst) {
  Tombstones tombstones({}, 0, 2);
  for (const std::uint64_t number : {1, 2, 3, 4, 5})
    tombstones.Add(MakeTombstone(number, "a"), true);
  EXPECT_EQ(tombstones.size(), 5u);
  for (const std::uint64_t number : {4, 1, 3})
    tombstones.SetEnded(number);
  ASSERT_NE(tombstones.ForgetFirst(), std::nullopt);
  EXPECT_EQ(tombstones.Find(4), nullptr);
  EXPECT_EQ(tombstones.ForgetFirst(), std::nullopt) << "two may stay";
  EXPECT_EQ(tombstones.size(), 4u);
  EXPECT_EQ(tombstones.forgotten_below(), 5u);
}

TEST(TombstonesTest, OfWhatLivesAgainAreNotForgotten) {
  Tombstones tombstones({MakeTombstone(1, "a"), MakeTombstone(2, "b")}, 0, 0);
  tombstones.SetLives(1);
  EXPECT_EQ(tombstones.ForgetFirst()->number, 2u);
  EXPECT_EQ(tombstones.ForgetFirst(), std::nullopt);
  tombstones.SetEnded(1);
  tombstones.SetEnded(1);
  EXPECT_EQ(tombstones.ForgetFirst()->number, 1u);
  EXPECT_EQ(tombstones.forgotten_below(), 3u) << "it only grows";
}

}  // namespace
}  // namespace quell
