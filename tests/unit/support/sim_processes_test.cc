// Goal: the process double tells once, on the executor, of exactly the watched process.
// Method: processes are started, watched and killed on simulated time.
#include "tests/support/sim_processes.h"

#include <gtest/gtest.h>

#include "tests/support/result_matchers.h"
#include "tests/support/sim_executor.h"

namespace quell {
namespace {

class SimProcessesTest : public testing::Test {
 protected:
  SimScheduler scheduler_;
  SimClock clock_{scheduler_};
  SimExecutor executor_{scheduler_, clock_};
  SimProcesses processes_;
  SimProcessWatch watch_{executor_, processes_};
  int exits_ = 0;
};

TEST_F(SimProcessesTest, TellsOnceWhenTheWatchedProcessEnds) {
  const std::int32_t watched = processes_.Spawn(1000);
  const std::int32_t other = processes_.Spawn(1000);
  const auto handle = watch_.Watch(watched, 1000, [this] { ++exits_; });
  ASSERT_THAT(handle, IsOk());
  processes_.Kill(other);
  scheduler_.RunReady();
  EXPECT_EQ(exits_, 0);
  processes_.Kill(watched);
  EXPECT_EQ(exits_, 0) << "not inside the call";
  processes_.Kill(watched);
  scheduler_.RunReady();
  EXPECT_EQ(exits_, 1);
}

TEST_F(SimProcessesTest, TellsNothingOnceTheHandleIsDropped) {
  const std::int32_t pid = processes_.Spawn(1000);
  auto handle = watch_.Watch(pid, 1000, [this] { ++exits_; });
  ASSERT_THAT(handle, IsOk());
  processes_.Kill(pid);
  *handle = nullptr;
  scheduler_.RunReady();
  EXPECT_EQ(exits_, 0);
}

TEST_F(SimProcessesTest, RefusesProcessesThatAreGoneOrAnothers) {
  const std::int32_t pid = processes_.Spawn(1000);
  EXPECT_THAT(watch_.Watch(pid, 1001, [] {}), FailsWith(ErrorCode::kPermissionDenied));
  EXPECT_THAT(watch_.Watch(pid, 0, [] {}), IsOk());
  processes_.Kill(pid);
  EXPECT_THAT(watch_.Watch(pid, 1000, [] {}), FailsWith(ErrorCode::kNotFound));
}

}  // namespace
}  // namespace quell
