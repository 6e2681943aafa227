// Goal: the table of sessions is bounded, except for the sessions of tasks that are older than it.
// Method: the plain class with a small bound.
#include "node/programs/sessions.h"

#include <gtest/gtest.h>

namespace quell {
namespace {

TEST(SessionsTest, RefuseMoreThanTheLimitUntilOneIsDropped) {
  SeededRandom random(1);
  Sessions sessions(random, 2);
  Session* first = sessions.Create(1);
  ASSERT_NE(first, nullptr);
  ASSERT_NE(sessions.Create(1), nullptr);
  EXPECT_EQ(sessions.Create(1), nullptr);
  const SessionToken token = first->token;
  sessions.Drop(*first);
  EXPECT_EQ(sessions.Find(token), nullptr);
  EXPECT_NE(sessions.Create(1), nullptr);
}

TEST(SessionsTest, ARestoredSessionIsNeverRefused) {
  SeededRandom random(1);
  Sessions sessions(random, 1);
  ASSERT_NE(sessions.Create(1), nullptr);
  const Session& restored = sessions.Restore(7);
  EXPECT_EQ(restored.uid, 7u);
  EXPECT_EQ(sessions.Find(restored.token), &restored);
  EXPECT_EQ(sessions.size(), 2u);
}

}  // namespace
}  // namespace quell
