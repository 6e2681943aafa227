// Goal: what a command's tree is said to use is what it used, in all of its processes; and a host
// full of idle commands is left in peace. Method: real children that burn a measured amount of
// time; the pace by itself, on times handed in.
#include "host/process/tree_use.h"

#include <csignal>
#include <functional>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "tests/support/burn.h"

namespace quell::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kBurnt{100};
constexpr milliseconds kTick{10};  // The kernel's: a process that lives is counted in these.
constexpr std::size_t kHeld = 24U << 20;

void BurnIt() {
  Burn(kBurnt);
}

// A child that has done its work when Start() returns, and lives until it is told to end.
class Worker {
 public:
  explicit Worker(const std::function<void()>& work) {
    int ready[2];
    int held[2];
    EXPECT_EQ(::pipe(ready), 0);
    EXPECT_EQ(::pipe(held), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close(held[1]);
      ::dup2(held[0], STDIN_FILENO);
      ::dup2(ready[1], STDOUT_FILENO);
      work();
      char byte = 0;
      (void)!::write(STDOUT_FILENO, &byte, 1);
      (void)!::read(STDIN_FILENO, &byte, 1);
      ::_exit(0);
    }
    ::close(ready[1]);
    ::close(held[0]);
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    held_ = held[1];
  }
  ~Worker() { End(); }
  void End() {
    if (held_ < 0) return;
    ::close(held_);
    held_ = -1;
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = -1;
  int held_ = -1;
};

std::chrono::nanoseconds CpuNow() {
  return LookAtTreeUse().cpu->total;
}

TEST(TreeUseTest, CountsAProcessThatLivesAndKeepsItsTimeWhenItHasEnded) {
  const auto before = CpuNow();
  Worker worker(BurnIt);
  EXPECT_GE(CpuNow() - before, kBurnt - 2 * kTick);
  worker.End();
  EXPECT_GE(CpuNow() - before, kBurnt);
}

TEST(TreeUseTest, CountsTheChildrenOfChildrenLivingAndWaitedFor) {
  const auto before = CpuNow();
  Worker worker([] {
    { Worker waited_for(BurnIt); }
    static Worker lives_as_long(BurnIt);
  });
  EXPECT_GE(CpuNow() - before, 2 * kBurnt - 4 * kTick);
}

TEST(TreeUseTest, MemoryIsWhatTheLivingHold) {
  EXPECT_EQ(LookAtTreeUse().memory, std::nullopt) << "nothing lives";
  const auto hold = [] {
    const std::string script =
        "x=$(head -c " + std::to_string(kHeld) + " /dev/zero | tr '\\0' x); echo; read y";
    ::execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
    ::_exit(127);
  };
  Worker first(hold);
  const auto one = LookAtTreeUse().memory;
  EXPECT_GE(one.value_or(0), kHeld);
  Worker second(hold);
  EXPECT_GE(LookAtTreeUse().memory.value_or(0), 2 * kHeld);
  second.End();
  EXPECT_LT(LookAtTreeUse().memory.value_or(0), 2 * kHeld);
}

TEST(TreeUseTest, MemoryOfTheOwnProgramIsNotTheCommands) {
  Worker not_the_command_yet([] {});
  EXPECT_EQ(LookAtTreeUse().memory, std::nullopt);
}

TEST(TreeUseTest, TheTreeIsOneExecution) {
  const CpuUse cpu = *LookAtTreeUse().cpu;
  EXPECT_TRUE(Check(cpu));
  EXPECT_EQ(cpu.executions, 1U);
  EXPECT_EQ(cpu.least, cpu.total);
}

// ---- When to look and to tell

class UsePaceTest : public ::testing::Test {
 protected:
  // What is told of a look some time after the last one.
  std::optional<ResourceReport> After(milliseconds time, milliseconds cpu, std::uint64_t bytes) {
    now_ += time;
    return pace_.Take(now_, Look(cpu, bytes));
  }
  static ResourceReport Look(std::chrono::nanoseconds cpu, std::uint64_t bytes) {
    return {CpuUse{cpu, cpu, cpu, 1, 1}, bytes};
  }

  UsePace pace_;
  MonoTime now_{};
};

TEST_F(UsePaceTest, LooksSoonAndThenOnceASecondAndSeldomWhileNothingChanges) {
  EXPECT_EQ(pace_.pause(), UsePace::kFirst);
  for (int i = 1; i < 9; ++i)
    After(seconds(1), milliseconds(i), 4096);
  EXPECT_EQ(pace_.pause(), limits::kMeasureInterval);
  for (int i = 1; i < 9; ++i)
    After(seconds(1), milliseconds(9), 4096);
  EXPECT_EQ(pace_.pause(), UsePace::kIdle);
  After(seconds(8), milliseconds(10), 4096);
  EXPECT_EQ(pace_.pause(), limits::kMeasureInterval);
}

TEST_F(UsePaceTest, TellsTheFirstLookAndWhatChangesMuch) {
  EXPECT_TRUE(After(seconds(1), milliseconds(1), 100'000));
  EXPECT_FALSE(After(seconds(1), milliseconds(1), 100'000)) << "nothing has changed";
  EXPECT_FALSE(After(seconds(1), milliseconds(2), 101'000)) << "that is little";
  EXPECT_TRUE(After(seconds(1), milliseconds(32), 101'000)) << "1 % of a processor";
  EXPECT_TRUE(After(seconds(1), milliseconds(32), 107'000)) << "5 % more memory";
  EXPECT_TRUE(After(seconds(1), milliseconds(32), 100'000)) << "and less";
}

TEST_F(UsePaceTest, TellsWhatChangesLittleOnlyNowAndThen) {
  EXPECT_TRUE(After(seconds(1), milliseconds(1), 100'000));
  EXPECT_FALSE(After(seconds(9), milliseconds(2), 100'000));
  EXPECT_TRUE(After(seconds(1), milliseconds(2), 100'000));
  EXPECT_FALSE(After(seconds(3600), milliseconds(2), 100'000)) << "nothing has changed";
}

TEST_F(UsePaceTest, CpuTimeNeverFalls) {
  EXPECT_TRUE(After(seconds(1), seconds(5), 100'000));
  const auto told = After(seconds(1), seconds(4), 50'000);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->cpu->total, seconds(5));
  EXPECT_EQ(pace_.Last(Look(seconds(4), 1)).cpu->total, seconds(5));
}

TEST_F(UsePaceTest, TheLastWordIsTheCpuTimeAndMemoryStaysAsItWas) {
  EXPECT_TRUE(After(seconds(1), seconds(5), 100'000));
  EXPECT_EQ(pace_.Last(Look(seconds(6), 1)).cpu->total, seconds(6));
  EXPECT_EQ(pace_.Last(Look(seconds(6), 1)).memory, std::nullopt) << "it was told";
  EXPECT_FALSE(After(seconds(1), seconds(5), 101'000)) << "that is little";
  EXPECT_EQ(pace_.Last(Look(seconds(6), 1)).memory, 101'000U);
}

}  // namespace
}  // namespace quell::process
