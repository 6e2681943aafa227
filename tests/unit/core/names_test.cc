// Goal: the names of errors and receipts, which programs read, stay as documented; seeded
// randomness stays what it was, since a seed must replay a run.
// Method: the names written out; the first numbers of the published SplitMix64 for seed 1234567.
#include <array>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "core/receipt.h"

namespace quell {
namespace {

TEST(ErrorCodeTest, HasItsDocumentedName) {
  EXPECT_EQ(ToString(ErrorCode::kInvalidArgument), "invalid_argument");
  EXPECT_EQ(ToString(ErrorCode::kNotFound), "not_found");
  EXPECT_EQ(ToString(ErrorCode::kAlreadyExists), "already_exists");
  EXPECT_EQ(ToString(ErrorCode::kFailedPrecondition), "failed_precondition");
  EXPECT_EQ(ToString(ErrorCode::kResourceExhausted), "resource_exhausted");
  EXPECT_EQ(ToString(ErrorCode::kUnavailable), "unavailable");
  EXPECT_EQ(ToString(ErrorCode::kDeadlineExceeded), "deadline_exceeded");
  EXPECT_EQ(ToString(ErrorCode::kCancelled), "cancelled");
  EXPECT_EQ(ToString(ErrorCode::kUnauthenticated), "unauthenticated");
  EXPECT_EQ(ToString(ErrorCode::kPermissionDenied), "permission_denied");
  EXPECT_EQ(ToString(ErrorCode::kInternal), "internal");
  EXPECT_EQ(ToString(ErrorCode::kOutcomeUnknown), "outcome_unknown");
}

TEST(ErrorTest, PrintsCodeAndMessage) {
  std::ostringstream out;
  out << Error{ErrorCode::kNotFound, "no node n1"};
  EXPECT_EQ(out.str(), "not_found: no node n1");
}

TEST(ReceiptStateTest, ReadsBackEveryDocumentedName) {
  using enum ReceiptState;
  const std::array<std::pair<ReceiptState, std::string_view>, 9> names = {
      {{kCancelRequested, "cancel_requested"},
       {kDelivered, "delivered"},
       {kStopping, "stopping"},
       {kDeferred, "deferred"},
       {kIgnoring, "ignoring"},
       {kKilled, "killed"},
       {kOrphaned, "detached"},
       {kUnreachable, "unreachable"},
       {kEnded, "ended"}}};
  for (const auto& [state, name] : names) {
    EXPECT_EQ(ToString(state), name);
    EXPECT_EQ(ReceiptStateFromString(name), state);
  }
  EXPECT_EQ(ReceiptStateFromString("Ended"), std::nullopt);
  EXPECT_EQ(ReceiptStateFromString(""), std::nullopt);
}

TEST(SeededRandomTest, GivesTheSameNumbersOnEveryMachine) {
  SeededRandom random(1234567);
  EXPECT_EQ(random.Next(), 6457827717110365317ULL);
  EXPECT_EQ(random.Next(), 3203168211198807973ULL);
  EXPECT_EQ(random.Next(), 9817491932198370423ULL);
}

// Gives 0, 1, 2, ... from a start.
class CountingRandom final : public Random {
 public:
  explicit CountingRandom(std::uint64_t start) : next_(start) {}
  std::uint64_t Next() override { return next_++; }

 private:
  std::uint64_t next_;
};

TEST(RandomTest, StaysBelowItsBoundAndReachesAllOfIt) {
  SeededRandom random(7);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i)
    seen.insert(random.Below(10));
  EXPECT_EQ(seen.size(), 10U);
  EXPECT_EQ(*seen.rbegin(), 9U);
  EXPECT_EQ(random.Below(1), 0U);
}

TEST(RandomTest, DrawsAgainWhereABoundWouldFavourSmallNumbers) {
  // 2^64 mod 3 = 1: of the 2^64 numbers, one is too many.
  CountingRandom random(0);
  EXPECT_EQ(random.Below(3), 1U) << "0 must have been drawn again";
}

}  // namespace
}  // namespace quell
