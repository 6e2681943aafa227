// Goal: the sweep ends real process trees whole: detached sessions, processes that ignore SIGTERM,
// a tree that keeps on forking; and hits nobody else.
// Method: the test is its children's subreaper, as the wrapper is, starts shell scripts, and runs
// the wrapper's loop until waitpid() says that no child is left.
#include "host/process/process_table.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/system_clock.h"

namespace quell::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ProcessTableTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0); }

  // Whatever a failed test has left behind.
  void TearDown() override {
    for (int round = 0; round < 1000 && !Childless(); ++round) {
      for (const Process& process : *ReadOwnTree())
        (void)SendSignal(process, SIGKILL);
      ::poll(nullptr, 0, 10);
    }
  }

  // Starts a script and waits until it has written `lines` lines: its tree stands then.
  pid_t Start(const std::string& script, int lines) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    char byte = 0;
    while (lines > 0 && ::read(ends[0], &byte, 1) == 1)
      lines -= byte == '\n' ? 1 : 0;
    ::close(ends[0]);
    EXPECT_EQ(lines, 0) << "the script ended early";
    command_ = pid;
    return pid;
  }

  // Whether no child is left. Notes it if the one that Start() made is among the ended.
  bool Childless() {
    for (;;) {
      const pid_t pid = ::waitpid(-1, nullptr, WNOHANG);
      if (pid == 0) return false;
      if (pid < 0 && errno == ECHILD) return true;
      if (pid == command_) command_ended_ = true;
    }
  }

  // The wrapper's loop, at most `limit` long. Whether nothing is left.
  bool Run(Sweep& sweep, milliseconds limit = seconds(30)) {
    const MonoTime start = clock_.Now();
    while (!Childless()) {
      if (clock_.Now() > start + limit) return false;
      if (command_ended_) sweep.CommandEnded();
      for (const Sweep::Action& action : sweep.Decide(clock_.Now(), *ReadOwnTree())) {
        (void)SendSignal(action.process, action.signal);
      }
      ::poll(nullptr, 0, 5);
    }
    return true;
  }

  pid_t command_ = -1;
  bool command_ended_ = false;
  SystemClock clock_;
};

TEST_F(ProcessTableTest, SeesADetachedSessionAsADescendant) {
  // The middle process ends, so that the sleeper loses its parent and gets us.
  Start("setsid sh -c 'echo up; exec sleep 1000' & echo up", 2);
  const MonoTime start = clock_.Now();
  bool seen = false;
  while (!seen && clock_.Now() < start + seconds(20)) {
    ::waitpid(-1, nullptr, WNOHANG);
    for (const Process& process : *ReadOwnTree()) {
      seen |= process.stat.command == "sleep" && process.stat.parent == ::getpid();
    }
  }
  EXPECT_TRUE(seen);
}

TEST_F(ProcessTableTest, EndsADetachedSessionWithTheRest) {
  Start("setsid sh -c 'echo up; sleep 1000' & echo up; sleep 1000", 2);
  Sweep sweep(clock_.Now(), seconds(3600));
  EXPECT_TRUE(Run(sweep));
  EXPECT_FALSE(sweep.killed());
}

TEST_F(ProcessTableTest, KillsWhatIgnoresSigterm) {
  Start("trap '' TERM; echo up; while :; do sleep 1000; done", 1);
  Sweep sweep(clock_.Now(), milliseconds(50));
  EXPECT_TRUE(Run(sweep));
  EXPECT_TRUE(sweep.killed());
}

TEST_F(ProcessTableTest, EndsAProcessThatIsStopped) {
  const pid_t pid = Start("echo up; exec sleep 1000", 1);
  ASSERT_EQ(::kill(pid, SIGSTOP), 0);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WSTOPPED | WNOWAIT), 0);
  Sweep sweep(clock_.Now(), seconds(3600));
  EXPECT_TRUE(Run(sweep));
}

TEST_F(ProcessTableTest, OutrunsATreeThatKeepsForking) {
  // Four lines, each of which ignores SIGTERM and hands itself on to a new process for ever.
  Start(
      "trap '' TERM\n"
      "f() { sleep 0.002; f & }\n"
      "for i in 1 2 3 4; do f & done; echo up; wait; sleep 1000",
      1);
  Sweep sweep(clock_.Now(), milliseconds(50));
  EXPECT_TRUE(Run(sweep));
  EXPECT_TRUE(sweep.killed());
}

TEST_F(ProcessTableTest, DoesNotSignalAnotherProcessWithTheSamePid) {
  const pid_t pid = Start("echo up; exec sleep 1000", 1);
  auto tree = *ReadOwnTree();
  const auto found = std::find_if(tree.begin(), tree.end(),
                                  [&](const Process& process) { return process.stat.pid == pid; });
  ASSERT_NE(found, tree.end());
  Process stranger = *found;
  stranger.stat.start_ticks += 1;
  const Status sent = SendSignal(stranger, SIGKILL);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), 0);
}

TEST_F(ProcessTableTest, FindsItsChildrenWithoutProcAndNobodyElse) {
  EXPECT_THAT(FindOwnChildren(), testing::IsEmpty());
  const pid_t pid = Start("sh -c 'sleep 1000' & echo up; exec sleep 1000", 1);
  EXPECT_THAT(FindOwnChildren(), testing::ElementsAre(OwnChild(pid)));
  EXPECT_TRUE(SendSignal(OwnChild(pid), 0));
  const Status stranger = SendSignal(OwnChild(::getppid()), 0);
  ASSERT_FALSE(stranger);
  EXPECT_EQ(stranger.error().code, ErrorCode::kNotFound);
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  // Its own child is ours now.
  const auto children = FindOwnChildren();
  ASSERT_EQ(children.size(), 2U);
  EXPECT_EQ(children[0].stat.ended() + children[1].stat.ended(), 1);
}

TEST_F(ProcessTableTest, KnowsItsOwnProgramFromOthers) {
  EXPECT_TRUE(IsWrapper(::getpid()));
  const pid_t pid = Start("echo up; exec sleep 1000", 1);
  EXPECT_FALSE(IsWrapper(pid));
  EXPECT_FALSE(IsWrapper(-1));
}

}  // namespace
}  // namespace quell::process
