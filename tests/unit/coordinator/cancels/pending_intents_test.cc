// Goal: an intent is handed over until its node has acknowledged it in its present strength, and no
// intent can hide another.
// Method: the table alone, call by call.
#include "coordinator/cancels/pending_intents.h"

#include <gmock/gmock.h>

#include "tests/unit/coordinator/fixtures.h"

namespace quell {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class PendingIntentsTest : public testing::Test {
 protected:
  static IntentId Named(int n) { return *IntentId::Parse(Id(n).view()); }

  static StoredIntent Stored(int n, const std::vector<NodeId>& pending, int grace_ms = 1000) {
    StoredIntent stored;
    stored.intent.id = Named(n);
    stored.intent.target = TaskId{Id(1), static_cast<std::uint64_t>(n)};
    stored.intent.grace = std::chrono::milliseconds(grace_ms);
    for (const NodeId& node : pending)
      stored.pending.push_back({node, {}});
    return stored;
  }

  std::vector<std::uint64_t> HandOver(int node, std::size_t limit = 100) {
    std::vector<std::uint64_t> numbers;
    for (const Intent& intent : pending_.HandOver(Id(node), limit)) {
      numbers.push_back(intent.task()->number);
    }
    return numbers;
  }

  PendingIntents pending_{{}};
};

TEST_F(PendingIntentsTest, HandsOverAgainAndAgainUntilAcknowledged) {
  pending_.Add(Stored(5, {Id(1), Id(2)}));
  EXPECT_THAT(HandOver(1), ElementsAre(5));
  EXPECT_THAT(HandOver(1), ElementsAre(5));
  EXPECT_TRUE(pending_.Acknowledge(Id(1), Named(5)));
  EXPECT_THAT(HandOver(1), IsEmpty());
  EXPECT_THAT(HandOver(2), ElementsAre(5));
  EXPECT_FALSE(pending_.Acknowledge(Id(1), Named(5)));
  EXPECT_TRUE(pending_.Acknowledge(Id(2), Named(5)));
  EXPECT_EQ(pending_.size(), 0u);
}

TEST_F(PendingIntentsTest, GoesRoundSoThatNoneIsHiddenBehindTheLimit) {
  for (int n = 1; n <= 5; ++n)
    pending_.Add(Stored(n, {Id(1)}));
  EXPECT_THAT(HandOver(1, 2), ElementsAre(1, 2));
  EXPECT_THAT(HandOver(1, 2), ElementsAre(3, 4));
  EXPECT_THAT(HandOver(1, 2), ElementsAre(5, 1));
}

TEST_F(PendingIntentsTest, AnAcknowledgementOfAWeakerIntentDoesNotCount) {
  const auto first = pending_.Add(Stored(5, {Id(1)}, 1000));
  const auto second = pending_.Add(Stored(5, {Id(1)}, 10));
  EXPECT_FALSE(pending_.Acknowledge(Id(1), Named(5), first));
  EXPECT_THAT(HandOver(1), ElementsAre(5));
  EXPECT_TRUE(pending_.Acknowledge(Id(1), Named(5), second));
}

TEST_F(PendingIntentsTest, AHeartbeatsAcknowledgementCountsOnceTheStrengthWasSent) {
  pending_.Add(Stored(5, {Id(1)}, 1000));
  HandOver(1);
  pending_.Add(Stored(5, {Id(1)}, 10));
  EXPECT_FALSE(pending_.Acknowledge(Id(1), Named(5)));
  HandOver(1);
  EXPECT_TRUE(pending_.Acknowledge(Id(1), Named(5)));
}

TEST_F(PendingIntentsTest, AnIntentThatComesBackIsNotAcknowledgedByItsEarlierLife) {
  const auto first = pending_.Add(Stored(5, {Id(1)}, 1000));
  ASSERT_TRUE(pending_.Acknowledge(Id(1), Named(5), first));
  pending_.Add(Stored(5, {Id(1)}, 10));
  EXPECT_FALSE(pending_.Acknowledge(Id(1), Named(5), first));
  EXPECT_EQ(pending_.CountFor(Id(1)), 1u);
}

TEST_F(PendingIntentsTest, WhatAForgottenNodeHadPendingIsGivenUpForItAlone) {
  pending_.Add(Stored(5, {Id(1), Id(2)}));
  pending_.Add(Stored(6, {Id(1)}));
  pending_.Drop(Id(1));
  EXPECT_EQ(pending_.CountFor(Id(1)), 0u);
  EXPECT_THAT(HandOver(2), ElementsAre(5));
  EXPECT_EQ(pending_.size(), 1u);
}

TEST_F(PendingIntentsTest, TakesOverWhatTheStoreHad) {
  PendingIntents recovered({Stored(5, {Id(1)}), Stored(6, {Id(1)})});
  EXPECT_EQ(recovered.CountFor(Id(1)), 2u);
}

}  // namespace
}  // namespace quell
