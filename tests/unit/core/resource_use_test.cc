// Goal: what a task has used is what its program said, whatever the order of the reports.
#include "core/resource_use.h"

#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/task.h"
#include "tests/support/result_matchers.h"

namespace quell {
namespace {

using namespace std::chrono_literals;

CpuUse Tree(std::chrono::nanoseconds total) {
  return {total, total, total, 1, 1};
}

TEST(ResourceUseTest, OfNothingReportedNothingIsMeasured) {
  EXPECT_FALSE(ResourceUse().measured());
  ResourceUse use;
  use.Take({});
  EXPECT_FALSE(use.measured());
}

TEST(ResourceUseTest, OneMeasuredWithoutTheOtherStaysAlone) {
  ResourceUse cpu;
  cpu.Take({Tree(3s), {}});
  EXPECT_TRUE(cpu.measured());
  EXPECT_EQ(cpu.memory, std::nullopt);
  ResourceUse memory;
  memory.Take({{}, 4096});
  EXPECT_TRUE(memory.measured());
  EXPECT_EQ(memory.cpu, std::nullopt);
}

TEST(ResourceUseTest, MemoryIsKeptAsNowMeanLeastAndMost) {
  ResourceUse use;
  for (const std::uint64_t bytes : {6000U, 9000U, 3000U})
    use.Take({{}, bytes});
  EXPECT_EQ(use.memory, (MemoryUse{3000, 6000, 3000, 9000, 3}));
}

TEST(ResourceUseTest, TheMeanOfManyLargeReportsNeitherOverflowsNorLeavesItsRange) {
  ResourceUse use;
  constexpr std::uint64_t kLarge = (std::uint64_t{1} << 62) + 1;
  for (int i = 0; i < 10'000; ++i)
    use.Take({{}, kLarge});
  EXPECT_DOUBLE_EQ(use.memory->average, static_cast<double>(kLarge));
}

TEST(ResourceUseTest, AReportThatWasOvertakenChangesNothing) {
  ResourceUse use;
  use.Take({Tree(3s), 4096});
  const ResourceUse before = use;
  use.Take({Tree(2s), 1'000'000});
  EXPECT_EQ(use, before);
  use.Take({Tree(3s), 8192});
  EXPECT_EQ(use.memory->now, 8192U);
}

TEST(ResourceUseTest, AnEndedTaskKeepsItsFiguresAndHasNothingAtWork) {
  Task task;
  task.resources.Take({Tree(3s), 4096});
  ASSERT_THAT(task.Move(TaskState::kSucceeded, MonoTime(9s), WallTime(9s)), IsOk());
  EXPECT_EQ(task.resources.cpu, (CpuUse{3s, 3s, 3s, 1, 0}));
  EXPECT_EQ(task.resources.memory->now, 4096U);
}

TEST(CpuUseTest, TheAverageIsPerExecution) {
  EXPECT_EQ((CpuUse{10ns, 1ns, 6ns, 3, 0}).average(), 3ns);
}

TEST(CpuUseTest, FiguresThatCannotBeAreRefused) {
  EXPECT_THAT(Check({10ns, 1ns, 6ns, 3, 3}), IsOk());
  EXPECT_THAT(Check({0ns, 0ns, 0ns, 1, 0}), IsOk());
  for (const CpuUse& cpu :
       {CpuUse{-1ns, -1ns, -1ns, 1, 0}, CpuUse{10ns, -1ns, 6ns, 3, 0}, CpuUse{10ns, 1ns, 6ns, 0, 0},
        CpuUse{10ns, 1ns, 6ns, 3, 4}, CpuUse{10ns, 4ns, 6ns, 3, 0}, CpuUse{10ns, 1ns, 2ns, 3, 0},
        CpuUse{10ns, 1ns, 11ns, 3, 0}}) {
    EXPECT_THAT(Check(cpu), FailsWith(ErrorCode::kInvalidArgument)) << cpu.total.count();
  }
}

}  // namespace
}  // namespace quell
