// Goal: what /proc says is read right, whatever a program calls itself, and the end of a process is
// told once, of the right process.
// Method: real child processes; lines of stat files written by hand.
#include "host/process/process.h"

#include <csignal>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/result_matchers.h"
#include "tests/unit/host/fixtures.h"

namespace quell {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view kStat =
    "4321 (make) S 4320 4300 4200 34816 4300 4194304 120 0 0 0 1 2 0 0 20 0 1 0 987654 2500000 "
    "200 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n";

// A pid that nobody has: its last holder was this test's.
pid_t FreePid() {
  ChildProcess child;
  const pid_t pid = child.pid();
  child.Kill();
  return pid;
}

ProcessStat MakeProcess(pid_t pid, pid_t parent) {
  ProcessStat process;
  process.pid = pid;
  process.parent = parent;
  return process;
}

std::vector<pid_t> PidsOf(const std::vector<ProcessStat>& processes) {
  std::vector<pid_t> pids;
  for (const ProcessStat& process : processes)
    pids.push_back(process.pid);
  return pids;
}

TEST(ProcessStatTest, ReadsALine) {
  const auto process = ParseProcessStat(kStat);
  ASSERT_THAT(process, IsOk());
  EXPECT_EQ(*process, (ProcessStat{4321, 4320, 4300, 4200, 'S', 987654, "make"}));
  EXPECT_FALSE(process->ended());
}

TEST(ProcessStatTest, HasEndedWhenAllOfItsThreadsHave) {
  const auto state = [](const std::string& letter, const std::string& threads) {
    std::string line(kStat);
    line.replace(line.find(" S "), 3, " " + letter + " ");
    line.replace(line.find(" 20 0 1 0 "), 10, " 20 0 " + threads + " 0 ");
    return *ParseProcessStat(line);
  };
  EXPECT_TRUE(state("Z", "1").ended());
  EXPECT_TRUE(state("X", "0").ended());
  EXPECT_FALSE(state("Z", "2").ended());
  EXPECT_FALSE(state("S", "1").ended());
  EXPECT_TRUE(state("Z", "2").may_be_stopped());
  EXPECT_TRUE(state("T", "1").may_be_stopped());
  EXPECT_FALSE(state("Z", "1").may_be_stopped());
}

TEST(ProcessStatTest, IsNotFooledByAProgramsName) {
  for (const std::string name : {"", ")", "a) R 1 1 1 (b", "x y", "(((", "\n"}) {
    std::string line(kStat);
    line.replace(line.find("make"), 4, name);
    const auto process = ParseProcessStat(line);
    ASSERT_THAT(process, IsOk());
    EXPECT_EQ(process->command, name);
    EXPECT_EQ(process->parent, 4320) << name;
  }
}

TEST(ProcessStatTest, RefusesWhatIsNoStatLine) {
  for (const std::string line : {"", "4321", "4321 (make", "4321 make) S 1", "4321 (make) S 4320",
                                 "x (make) S 4320 4300 4200 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 9"}) {
    EXPECT_THAT(ParseProcessStat(line), FailsWith(ErrorCode::kInvalidArgument)) << line;
  }
}

TEST(ProcessUseTest, SumsTheTimesOfAProcessAndOfThoseItWaitedFor) {
  std::string line(kStat);
  line.replace(line.find(" 1 2 0 0 20 "), 12, " 7 5 40 8 20 ");
  const auto use = ParseProcessUse(line);
  ASSERT_THAT(use, IsOk());
  EXPECT_EQ(use->cpu, std::chrono::nanoseconds(60'000'000'000) / ::sysconf(_SC_CLK_TCK));
  EXPECT_EQ(use->resident, static_cast<std::uint64_t>(200 * ::sysconf(_SC_PAGESIZE)));
  for (const std::string wrong : {"", "4321 (make) S 1", "4321 make S"}) {
    EXPECT_THAT(ParseProcessUse(wrong), FailsWith(ErrorCode::kInvalidArgument)) << wrong;
  }
}

TEST(ProcessUseTest, NamesChildrenOfAProcessAndNoneOfWhatIsGone) {
  const ChildProcess child;
  EXPECT_THAT(ReadChildren(::getpid()), IsOkAnd(testing::Contains(child.pid())));
  EXPECT_THAT(ReadChildren(child.pid()), IsOkAnd(IsEmpty()));
  EXPECT_THAT(ReadChildren(FreePid()), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(ReadProcessUse(FreePid()), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(ReadProcessUse(::getpid()), IsOk());
}

TEST(ProcessTest, KnowsAChild) {
  const ChildProcess child([] { return ::prctl(PR_SET_NAME, "a) Z 1 (b") == 0; });
  const auto process = ReadProcess(child.pid());
  ASSERT_THAT(process, IsOk());
  EXPECT_EQ(process->pid, child.pid());
  EXPECT_EQ(process->parent, ::getpid());
  EXPECT_EQ(process->group, ::getpgrp());
  EXPECT_EQ(process->session, ::getsid(0));
  EXPECT_EQ(process->command, "a) Z 1 (b");
  EXPECT_FALSE(process->ended());
  EXPECT_GE(process->start_ticks, ReadProcess(::getpid())->start_ticks);
}

TEST(ProcessTest, KnowsTheDeadFromTheGone) {
  ChildProcess child;
  const pid_t pid = child.pid();
  child.End();
  const auto dead = ReadProcess(pid);
  ASSERT_THAT(dead, IsOk());
  EXPECT_TRUE(dead->ended());
  child.Kill();
  EXPECT_THAT(ReadProcess(pid), FailsWith(ErrorCode::kNotFound, std::to_string(pid)));
  EXPECT_THAT(ReadProcess(0), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(ReadProcess(-1), FailsWith(ErrorCode::kNotFound));
}

TEST(ProcessTest, LivesOnWhenItsFirstThreadHasEnded) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::thread([] { ::pause(); }).detach();  // lint: allow(detached): ends with its process.
    ::syscall(SYS_exit, 0);                   // Of this thread.
  }
  Result<ProcessStat> process = ReadProcess(child);
  while (process && process->state != 'Z')
    process = ReadProcess(child);
  EXPECT_THAT(process, IsOk());
  EXPECT_FALSE(process->ended());
  EXPECT_GT(ReadProcessUse(child)->resident, 0U);
  const auto pidfd = OpenPidfd(child);
  EXPECT_THAT(pidfd, IsOk());
  EXPECT_FALSE(HasEnded(*pidfd));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

TEST(ProcNamespaceTest, IsOurOwnHere) {
  EXPECT_TRUE(ProcIsOwn());
  EXPECT_THAT(FindNamed(::getpid(), 4711), IsOkAnd(4711));
  EXPECT_THAT(FindNamed(FreePid(), 4711), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(FindNamed(0, 4711), FailsWith(ErrorCode::kNotFound));
}

TEST(ProcNamespaceTest, FindsAPeerInAnotherAndItsChildrenByTheirOwnNames) {
  if (::getuid() != 0) GTEST_SKIP() << "a pid namespace takes a privilege";
  // The first of the namespace with a child; /proc is still that of the test.
  auto* const inner_pid = static_cast<pid_t*>(
      ::mmap(nullptr, sizeof(pid_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(static_cast<void*>(inner_pid), MAP_FAILED);
  const ChildProcess outer([inner_pid] {
    if (::unshare(CLONE_NEWPID) != 0) return false;
    int pipe[2];
    if (::pipe(pipe) != 0) return false;
    if (::fork() == 0) {
      const bool own = ProcIsOwn();
      const pid_t child = ::fork();
      if (child == 0) {
        for (;;)
          ::pause();
      }
      *inner_pid = child;
      const char answer = own ? 'y' : 'n';
      (void)!::write(pipe[1], &answer, 1);
      for (;;)
        ::pause();
    }
    char answer = 0;
    return ::read(pipe[0], &answer, 1) == 1 && answer == 'n';
  });
  if (!outer.ready()) GTEST_SKIP() << "no pid namespace can be made here";
  const auto first = *ReadChildren(outer.pid());
  ASSERT_EQ(first.size(), 1U);
  const auto second = *ReadChildren(first[0]);
  ASSERT_EQ(second.size(), 1U);
  EXPECT_THAT(FindNamed(first[0], 1), IsOkAnd(first[0]));
  EXPECT_THAT(FindNamed(first[0], *inner_pid), IsOkAnd(second[0]));
  EXPECT_THAT(FindNamed(second[0], *inner_pid), IsOkAnd(second[0]));
  EXPECT_THAT(FindNamed(second[0], 1), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(FindNamed(first[0], ::getpid()), FailsWith(ErrorCode::kNotFound));
  ::kill(first[0], SIGKILL);
  ::munmap(inner_pid, sizeof(pid_t));
}

TEST(ProcessTest, ListsThemAllByPid) {
  const ChildProcess child;
  const auto all = ReadProcesses();
  ASSERT_THAT(all, IsOk());
  const auto pids = PidsOf(*all);
  EXPECT_TRUE(std::is_sorted(pids.begin(), pids.end()));
  EXPECT_THAT(pids, testing::Contains(::getpid()));
  EXPECT_THAT(pids, testing::Contains(child.pid()));
}

TEST(DescendantsTest, AreFoundAtAnyDepthParentsFirst) {
  const std::vector<ProcessStat> all = {MakeProcess(1, 0),  MakeProcess(5, 9),  MakeProcess(6, 5),
                                        MakeProcess(9, 1),  MakeProcess(20, 6), MakeProcess(30, 1),
                                        MakeProcess(31, 30)};
  EXPECT_THAT(PidsOf(DescendantsOf(9, all)), ElementsAre(5, 6, 20));
  EXPECT_THAT(PidsOf(DescendantsOf(1, all)), ElementsAre(9, 30, 5, 31, 6, 20));
  EXPECT_THAT(DescendantsOf(20, all), IsEmpty());
  EXPECT_THAT(DescendantsOf(4711, all), IsEmpty());
}

// While the list is read pids may be reused: it can show what never was.
TEST(DescendantsTest, EndEvenWhereProcessesDescendFromEachOther) {
  const std::vector<ProcessStat> all = {MakeProcess(2, 3), MakeProcess(3, 2), MakeProcess(4, 4),
                                        MakeProcess(5, 4)};
  EXPECT_THAT(PidsOf(DescendantsOf(2, all)), ElementsAre(3, 2));
  EXPECT_THAT(PidsOf(DescendantsOf(4, all)), ElementsAre(5));
}

TEST(DescendantsTest, IncludeAGrandchild) {
  const ChildProcess child([] { return ::fork() >= 0; });
  const auto all = ReadProcesses();
  ASSERT_THAT(all, IsOk());
  const auto found = DescendantsOf(::getpid(), *all);
  const auto grandchild = std::find_if(
      found.begin(), found.end(), [&](const ProcessStat& p) { return p.parent == child.pid(); });
  ASSERT_NE(grandchild, found.end());
  ::kill(grandchild->pid, SIGKILL);
}

TEST(ProcessUidTest, IsTheRealUser) {
  EXPECT_THAT(ProcessUid(::getpid()), IsOkAnd(::getuid()));
  EXPECT_THAT(ProcessUid(FreePid()), FailsWith(ErrorCode::kNotFound));
}

TEST(ProcessUidTest, IsNotTheEffectiveUser) {
  if (::getuid() != 0) GTEST_SKIP() << "changing users takes a privilege";
  const ChildProcess child([] { return ::setresuid(12345, 0, 0) == 0; });
  ASSERT_TRUE(child.ready());
  EXPECT_THAT(ProcessUid(child.pid()), IsOkAnd(12345U));
}

TEST(PidfdTest, FollowsAProcessToItsEnd) {
  ChildProcess child;
  const auto pidfd = OpenPidfd(child.pid());
  ASSERT_THAT(pidfd, IsOk());
  EXPECT_FALSE(HasEnded(*pidfd));
  EXPECT_THAT(SendSignal(*pidfd, 0), IsOk());
  EXPECT_THAT(SendSignal(*pidfd, SIGKILL), IsOk());
  child.End();
  EXPECT_TRUE(HasEnded(*pidfd));
  child.Kill();
  EXPECT_THAT(SendSignal(*pidfd, SIGKILL), FailsWith(ErrorCode::kNotFound));
}

TEST(PidfdTest, IsRefusedForWhatIsNoProcess) {
  EXPECT_THAT(OpenPidfd(FreePid()), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(OpenPidfd(0), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(OpenPidfd(-1), FailsWith(ErrorCode::kNotFound));
}

class PidProcessWatchTest : public testing::Test {
 protected:
  Result<std::shared_ptr<void>> Watch(pid_t pid, std::uint32_t uid = ::getuid()) {
    return watch_.Watch(pid, uid, [this] { ++ends_; });
  }

  Loop loop_;
  PidProcessWatch watch_{loop_.context, loop_.executor};
  int ends_ = 0;
};

TEST_F(PidProcessWatchTest, TellsTheEndOnce) {
  ChildProcess child;
  const auto handle = Watch(child.pid());
  ASSERT_THAT(handle, IsOk());
  loop_.RunReady();
  EXPECT_EQ(ends_, 0);
  child.Kill();
  ASSERT_TRUE(loop_.RunUntil([&] { return ends_ > 0; }));
  loop_.RunReady();
  EXPECT_EQ(ends_, 1);
}

TEST_F(PidProcessWatchTest, TellsEachWatcher) {
  ChildProcess child;
  const auto first = Watch(child.pid());
  const auto second = Watch(child.pid());
  child.Kill();
  EXPECT_TRUE(loop_.RunUntil([&] { return ends_ == 2; }));
}

TEST_F(PidProcessWatchTest, TellsNothingOnceItsHandleIsDropped) {
  ChildProcess child;
  auto handle = Watch(child.pid());
  ASSERT_THAT(handle, IsOk());
  child.Kill();
  handle->reset();
  loop_.RunReady();
  EXPECT_EQ(ends_, 0);
}

TEST_F(PidProcessWatchTest, TellsNothingThoughItsHandleIsDroppedWhileTheNewsIsOnItsWay) {
  ChildProcess child;
  std::shared_ptr<void> handle = *Watch(child.pid());
  child.Kill();
  // Each step of the loop gets its own chance to be the last one before the drop.
  for (int i = 0; i < 100 && ends_ == 0; ++i) {
    loop_.executor.Post([&] { handle.reset(); });
    loop_.RunReady();
  }
  EXPECT_EQ(ends_, 0);
}

TEST_F(PidProcessWatchTest, MayBeDroppedByItsOwnNews) {
  ChildProcess child;
  std::shared_ptr<void> handle;
  handle = *watch_.Watch(child.pid(), ::getuid(), [&] {
    ++ends_;
    handle.reset();
  });
  child.Kill();
  ASSERT_TRUE(loop_.RunUntil([&] { return ends_ == 1; }));
  loop_.RunReady();
  EXPECT_EQ(handle, nullptr);
}

TEST_F(PidProcessWatchTest, RefusesWhoHasEnded) {
  EXPECT_THAT(Watch(FreePid()), FailsWith(ErrorCode::kNotFound));
  ChildProcess child;
  child.End();
  EXPECT_THAT(Watch(child.pid()), FailsWith(ErrorCode::kNotFound, "has ended"));
}

TEST_F(PidProcessWatchTest, RefusesAnotherUsersProcess) {
  const ChildProcess child;
  EXPECT_THAT(Watch(child.pid(), ::getuid() + 1),
              FailsWith(ErrorCode::kPermissionDenied, "belongs to user"));
}

TEST_F(PidProcessWatchTest, LetsRootNameAnyProcess) {
  if (::getuid() != 0) GTEST_SKIP() << "changing users takes a privilege";
  const ChildProcess child([] { return ::setresuid(12345, 12345, 12345) == 0; });
  ASSERT_TRUE(child.ready());
  EXPECT_THAT(Watch(child.pid(), 0), IsOk());
  EXPECT_THAT(Watch(child.pid(), 12345), IsOk());
  EXPECT_THAT(Watch(child.pid(), 12346), FailsWith(ErrorCode::kPermissionDenied));
}

}  // namespace
}  // namespace quell
