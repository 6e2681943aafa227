// Goal: whatever goes wrong, the daemons keep their promises: each selected node is in each answer
// exactly once, each answer is in time, no task id is used twice, an acknowledged cancel is durable
// and reaches its programs, and nothing else is cancelled.
// Method: the real Node and Coordinator on a simulated network, one world per seed, each with
// another mixture of faults; a judge who knows the truth checks every message and answer.
#include <gtest/gtest.h>

#include "tests/sim/cluster.h"

namespace quell::sim {
namespace {

constexpr std::uint64_t kSeeds = 300;
constexpr std::uint64_t kShards = 6;

// In parts, so that a failure is seen early and ctest can run them at once.
class SwarmTest : public testing::TestWithParam<std::uint64_t> {};

TEST_P(SwarmTest, KeepsEveryPromise) {
  Outcome total;
  for (std::uint64_t seed = GetParam() + 1; seed <= kSeeds; seed += kShards) {
    const Outcome outcome = RunSeed(seed);
    EXPECT_TRUE(outcome.ok()) << outcome.Line();
    total.Add(outcome);
  }
  // A world in which nothing happens proves nothing.
  EXPECT_GT(total.promised, 100u);
  EXPECT_GT(total.told, 100u);
  EXPECT_GT(total.struck, 20u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SwarmTest, testing::Range<std::uint64_t>(0, kShards));

TEST(ReplayTest, TheSameSeedGivesTheSameRun) {
  for (const std::uint64_t seed : {3u, 17u, 42u, 101u, 230u}) {
    EXPECT_EQ(RunSeed(seed).hash, RunSeed(seed).hash) << "seed " << seed;
  }
}

TEST(ReplayTest, PrintingTheTraceDoesNotChangeTheRun) {
  std::size_t lines = 0;
  const Outcome printed = RunSeed(5, [&lines](const std::string&) { ++lines; });
  EXPECT_EQ(printed.hash, RunSeed(5).hash);
  EXPECT_GT(lines, 100u);
}

TEST(ReplayTest, AnotherSeedGivesAnotherRun) {
  EXPECT_NE(RunSeed(3).hash, RunSeed(4).hash);
}

}  // namespace
}  // namespace quell::sim
