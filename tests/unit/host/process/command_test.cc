// Goal: the wrapped command starts as if it had taken the wrapper's place, and gets the signals
// that it would have got there.
// Method: commands are executed by a child of this test; what a signal's sender is, is made up.
#include "host/process/command.h"

#include <csignal>
#include <cstdint>
#include <cstring>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/process/inherited.h"
#include "host/process/signal_queue.h"
#include "host/process/supervisor.h"

namespace quell::process {
namespace {

using testing::ElementsAre;

using Texts = std::vector<std::string>;

// How a command ends that gets these variables.
int RunWith(const std::string& script, const Texts& environment) {
  SignalQueue signals{EverySignal{}};
  const Inherited inherited(signals.old_mask());
  auto command = Command::Fork({"/bin/sh", "-c", script}, inherited);
  if (!command) return -1;
  command->Release(environment);
  int status = 0;
  ::waitpid(command->pid(), &status, 0);
  return status;
}

TEST(CommandTest, GetsWhatIsAddedToItsEnvironment) {
  EXPECT_EQ(RunWith("test \"$ADDED\" = 'a b'", {"ADDED=a b"}), 0);
  EXPECT_EQ(RunWith("test -n \"$PATH\"", {}), 0);
}

TEST(CommandTest, RunsWithoutWhatIsAddedIfThatHasNoRoom) {
  // The kernel takes no text over 128 KiB.
  EXPECT_EQ(RunWith("test -z \"$ADDED\" && test -n \"$PATH\"",
                    {"ADDED=" + std::string(std::size_t{200} * 1024, 'x')}),
            0);
}

TEST(CommandTest, EndsUnexecutedWhenItIsNotReleased) {
  SignalQueue signals{EverySignal{}};
  const Inherited inherited(signals.old_mask());
  pid_t pid = -1;
  {
    auto command = Command::Fork({"/bin/sh", "-c", "exit 0"}, inherited);
    ASSERT_TRUE(command);
    pid = command->pid();
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 125);
}

TEST(CommandEnvironmentTest, NamesTheCommandWhereItNamedTheWrapper) {
  const char* const environment[] = {"LISTEN_PID=12", "WATCHDOG_PID=13",  "SYSTEMD_EXEC_PID=12",
                                     "OTHER=12",      "LISTEN_PIDS=12",   "nothing",
                                     "LISTEN_PID",    "WATCHDOG_PID=123", nullptr};
  EXPECT_THAT(CommandEnvironment(environment, {}, 12, 99),
              ElementsAre("LISTEN_PID=99", "WATCHDOG_PID=13", "SYSTEMD_EXEC_PID=99", "OTHER=12",
                          "LISTEN_PIDS=12", "nothing", "LISTEN_PID", "WATCHDOG_PID=123"));
}

TEST(CommandEnvironmentTest, HasEachChangeOnce) {
  const char* const environment[] = {"A=1", "B=2", "A=3", "AA=4", nullptr};
  EXPECT_THAT(CommandEnvironment(environment, {"A=5", "C="}, 12, 99),
              ElementsAre("B=2", "AA=4", "A=5", "C="));
}

signalfd_siginfo Signal(int number, int code, pid_t sender = 0) {
  signalfd_siginfo info{};
  info.ssi_signo = static_cast<std::uint32_t>(number);
  info.ssi_code = code;
  info.ssi_pid = static_cast<std::uint32_t>(sender);
  return info;
}

TEST(SignalForCommandTest, IsWhatAProcessSends) {
  for (int number = 1; number <= 64; ++number) {
    EXPECT_TRUE(IsForCommand(Signal(number, SI_USER, 1), false)) << number;
    EXPECT_TRUE(IsForCommand(Signal(number, SI_QUEUE, 1), false)) << number;
    EXPECT_TRUE(IsForCommand(Signal(number, SI_TKILL, 1), true)) << number;
  }
}

TEST(SignalForCommandTest, IsNotWhatTheWrapperHasDoneItself) {
  EXPECT_FALSE(IsForCommand(Signal(SIGPIPE, SI_USER, ::getpid()), false));
  EXPECT_FALSE(IsForCommand(Signal(SIGXFSZ, SI_USER, ::getpid()), true));
  // Whoever ran before in this process may have sent it.
  EXPECT_TRUE(IsForCommand(Signal(SIGUSR1, SI_USER, ::getpid()), true));
  for (const int number : {SIGCHLD, SIGXCPU, SIGPIPE})
    EXPECT_FALSE(IsForCommand(Signal(number, SI_KERNEL), true)) << number;
}

TEST(SignalForCommandTest, IsNotWhatTheTerminalSendsToTheWholeGroup) {
  for (const int number : {SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH}) {
    EXPECT_FALSE(IsForCommand(Signal(number, SI_KERNEL), false)) << number;
    EXPECT_FALSE(IsForCommand(Signal(number, SI_KERNEL), true)) << number;
  }
}

TEST(SignalForCommandTest, IsAHangUpThatOnlyTheLeaderHears) {
  for (const int number : {SIGHUP, SIGCONT}) {
    EXPECT_TRUE(IsForCommand(Signal(number, SI_KERNEL), true)) << number;
    EXPECT_FALSE(IsForCommand(Signal(number, SI_KERNEL), false)) << number;
  }
}

TEST(SignalForCommandTest, IsATimerOrAFileOfWhoeverStartedTheWrapper) {
  for (const int number : {SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGURG, SIGRTMIN})
    EXPECT_TRUE(IsForCommand(Signal(number, SI_KERNEL), false)) << number;
}

// Whether the calling thread blocks it, also one that the C library hides: asked of the kernel. Its
// set is the start of the C library's.
bool Blocks(int number) {
  std::uint64_t blocked = 0;
  EXPECT_EQ(::syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &blocked, sizeof blocked), 0);
  return (blocked >> (number - 1) & 1) != 0;
}

TEST(SignalQueueTest, HoldsEverySignalWithThoseOfTheCLibrary) {
  for (const int number : {SIGHUP, SIGSEGV, SIGABRT, 32, 33, 34, 64}) {
    EXPECT_FALSE(Blocks(number)) << number;
    {
      SignalQueue signals{EverySignal{}};
      ASSERT_GE(signals.fd(), 0);
      EXPECT_TRUE(Blocks(number)) << number;
      // To this thread: one that a sanitizer runs would not hold it.
      ASSERT_EQ(::tgkill(::getpid(), ::gettid(), number), 0);
      const auto taken = signals.Take();
      ASSERT_TRUE(taken) << number;
      EXPECT_EQ(taken->ssi_signo, static_cast<std::uint32_t>(number));
      EXPECT_EQ(taken->ssi_pid, static_cast<std::uint32_t>(::getpid()));
    }
    EXPECT_FALSE(Blocks(number)) << number;
  }
}

}  // namespace
}  // namespace quell::process
