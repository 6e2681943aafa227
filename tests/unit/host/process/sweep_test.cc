// Goal: a cancelled job's tree gets the right signals in the right order: one SIGTERM each, time to
// clean up, SIGKILL after the grace, and nested wrappers their turn.
// Method: trees and moments in, signals out; time is a number, no process exists.
#include "host/process/sweep.h"

#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quell::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr MonoTime kStart{seconds(1000)};

Process Proc(pid_t pid, pid_t parent, std::uint64_t start = 100, char state = 'S') {
  Process process;
  process.stat.pid = pid;
  process.stat.parent = parent;
  process.stat.start_ticks = start;
  process.stat.state = state;
  process.stat.command = "p" + std::to_string(pid);
  return process;
}

Process Wrapper(pid_t pid, pid_t parent) {
  Process process = Proc(pid, parent);
  process.is_wrapper = true;
  return process;
}

using Signals = std::vector<std::pair<pid_t, int>>;

Signals Decide(Sweep& sweep, MonoTime now, const std::vector<Process>& tree) {
  Signals signals;
  for (const Sweep::Action& action : sweep.Decide(now, tree)) {
    signals.emplace_back(action.process.stat.pid, action.signal);
  }
  return signals;
}

TEST(SweepTest, AsksEveryProcessOnce) {
  Sweep sweep(kStart, seconds(10));
  const std::vector<Process> tree{Proc(2, 1), Proc(3, 2)};
  EXPECT_THAT(Decide(sweep, kStart, tree), ElementsAre(Pair(2, SIGTERM), Pair(3, SIGTERM)));
  EXPECT_THAT(Decide(sweep, kStart + seconds(1), tree), IsEmpty());
  EXPECT_FALSE(sweep.killed());
}

TEST(SweepTest, ContinuesAStoppedProcessSoThatItCanObey) {
  Sweep sweep(kStart, seconds(10));
  EXPECT_THAT(Decide(sweep, kStart, {Proc(2, 1, 100, 'T')}),
              ElementsAre(Pair(2, SIGTERM), Pair(2, SIGCONT)));
}

TEST(SweepTest, AsksAProcessWhoseFirstThreadHasEndedAndDoesNotKnowWhetherItIsStopped) {
  Sweep sweep(kStart, seconds(10));
  Process process = Proc(2, 1, 100, 'Z');
  process.stat.threads = 2;
  EXPECT_THAT(Decide(sweep, kStart, {process, Proc(3, 1, 100, 'Z')}),
              ElementsAre(Pair(2, SIGTERM), Pair(2, SIGCONT)));
  EXPECT_THAT(Decide(sweep, kStart + seconds(10), {process, Proc(3, 1, 100, 'Z')}),
              ElementsAre(Pair(2, SIGKILL)));
}

TEST(SweepTest, LeavesTheCleanUpOfALivingCommandAlone) {
  Sweep sweep(kStart, seconds(10));
  Decide(sweep, kStart, {Proc(2, 1, 100)});
  EXPECT_THAT(Decide(sweep, kStart + seconds(1), {Proc(2, 1, 100), Proc(3, 2, 101)}), IsEmpty());
}

TEST(SweepTest, LeavesACleanUpAloneThatBeginsInTheSameTick) {
  Sweep sweep(kStart, seconds(10));
  Decide(sweep, kStart, {Proc(2, 1, 100), Proc(4, 2, 105)});
  EXPECT_THAT(Decide(sweep, kStart + seconds(1), {Proc(2, 1, 100), Proc(5, 2, 105)}), IsEmpty());
}

TEST(SweepTest, AsksWhatTheFirstLookMissed) {
  Sweep sweep(kStart, seconds(10));
  Decide(sweep, kStart, {Proc(2, 1, 100), Proc(4, 2, 105)});
  EXPECT_THAT(
      Decide(sweep, kStart + seconds(1), {Proc(2, 1, 100), Proc(3, 2, 104), Proc(4, 2, 105)}),
      ElementsAre(Pair(3, SIGTERM)));
}

TEST(SweepTest, AsksWhatIsLeftOnceTheCommandHasEnded) {
  Sweep sweep(kStart, seconds(10));
  Decide(sweep, kStart, {Proc(2, 1, 100)});
  sweep.CommandEnded();
  EXPECT_THAT(Decide(sweep, kStart + seconds(1), {Proc(3, 1, 101)}), ElementsAre(Pair(3, SIGTERM)));
}

TEST(SweepTest, ForcesEverythingAfterTheGraceAgainAndAgain) {
  Sweep sweep(kStart, seconds(10));
  const std::vector<Process> tree{Proc(2, 1), Proc(3, 2, 200)};
  Decide(sweep, kStart, tree);
  const MonoTime late = kStart + seconds(10);
  EXPECT_THAT(Decide(sweep, late, tree), ElementsAre(Pair(2, SIGKILL), Pair(3, SIGKILL)));
  EXPECT_THAT(Decide(sweep, late + milliseconds(10), {Proc(3, 1, 200), Proc(4, 1, 201)}),
              ElementsAre(Pair(3, SIGKILL), Pair(4, SIGKILL)));
  EXPECT_TRUE(sweep.killed());
}

TEST(SweepTest, ForcesAtOnceWithoutAGrace) {
  Sweep sweep(kStart, milliseconds(0));
  EXPECT_THAT(Decide(sweep, kStart, {Proc(2, 1)}), ElementsAre(Pair(2, SIGKILL)));
}

TEST(SweepTest, LooksAgainAtTheDeadlineAtTheLatest) {
  Sweep sweep(kStart, milliseconds(5));
  Decide(sweep, kStart, {Proc(2, 1)});
  EXPECT_EQ(sweep.next(), kStart + milliseconds(5));
}

TEST(SweepTest, ShortensTheGraceButNeverLengthensIt) {
  Sweep sweep(kStart, seconds(10));
  sweep.ShortenGrace(kStart, seconds(100));
  EXPECT_TRUE(sweep.forcing(kStart + seconds(10)));
  sweep.ShortenGrace(kStart, seconds(1));
  EXPECT_TRUE(sweep.forcing(kStart + seconds(1)));
}

TEST(SweepTest, LeavesTheDeadToTheirParents) {
  Sweep sweep(kStart, milliseconds(0));
  EXPECT_THAT(Decide(sweep, kStart, {Proc(2, 1, 100, 'Z')}), IsEmpty());
}

TEST(SweepTest, LeavesWhatIsBelowANestedWrapperToIt) {
  Sweep sweep(kStart, seconds(10));
  const std::vector<Process> tree{Proc(2, 1), Wrapper(3, 2), Proc(4, 3), Proc(5, 4)};
  EXPECT_THAT(Decide(sweep, kStart, tree), ElementsAre(Pair(2, SIGTERM), Pair(3, SIGTERM)));
}

TEST(SweepTest, GivesANestedWrapperTimeToForceItsOwnTree) {
  Sweep sweep(kStart, seconds(10));
  const std::vector<Process> tree{Proc(2, 1), Wrapper(3, 2), Proc(4, 3)};
  const MonoTime late = kStart + seconds(10);
  EXPECT_THAT(Decide(sweep, late, tree), ElementsAre(Pair(2, SIGKILL)));
  EXPECT_THAT(Decide(sweep, late + Sweep::kNestedPatience, tree),
              ElementsAre(Pair(2, SIGKILL), Pair(3, SIGKILL), Pair(4, SIGKILL)));
}

TEST(SweepTest, TakesChargeOfTheTreeOfAWrapperThatHasEnded) {
  Sweep sweep(kStart, seconds(10));
  std::vector<Process> tree{Wrapper(3, 1), Proc(4, 3)};
  tree[0].stat.state = 'Z';
  EXPECT_THAT(Decide(sweep, kStart, tree), ElementsAre(Pair(4, SIGTERM)));
}

TEST(SweepTest, SparesAProcessThatHasItsSigtermAlready) {
  Sweep sweep(kStart, seconds(10));
  sweep.AlreadyAsked(Proc(2, 1));
  EXPECT_THAT(Decide(sweep, kStart, {Proc(2, 1), Proc(3, 2)}), ElementsAre(Pair(3, SIGTERM)));
}

TEST(SweepTest, TakesAReusedPidForAnotherProcess) {
  Sweep sweep(kStart, seconds(10));
  sweep.AlreadyAsked(Proc(2, 1, 50));
  EXPECT_THAT(Decide(sweep, kStart, {Proc(2, 1, 100)}), ElementsAre(Pair(2, SIGTERM)));
}

TEST(SweepTest, NamesWhatItMayNotForce) {
  Sweep sweep(kStart, milliseconds(0));
  const std::vector<Process> tree{Proc(2, 1), Proc(3, 2)};
  Decide(sweep, kStart, tree);
  sweep.Refused(tree[1], "it belongs to another user");
  EXPECT_EQ(sweep.Stubborn(kStart, tree), "pid 3 (p3): it belongs to another user");
  EXPECT_TRUE(sweep.killed());
}

TEST(SweepTest, DoesNotCallItKilledWhenEverySignalWasRefused) {
  Sweep sweep(kStart, milliseconds(0));
  Decide(sweep, kStart, {Proc(2, 1)});
  sweep.Refused(Proc(2, 1), "no");
  EXPECT_FALSE(sweep.killed());
}

TEST(SweepTest, NamesWhatSurvivesItsSigkill) {
  Sweep sweep(kStart, milliseconds(0));
  const std::vector<Process> tree{Proc(2, 1, 100, 'D')};
  Decide(sweep, kStart, tree);
  EXPECT_EQ(sweep.Stubborn(kStart + milliseconds(100), tree), "");
  EXPECT_THAT(sweep.Stubborn(kStart + Sweep::kStubbornAfter, tree),
              AllOf(HasSubstr("pid 2"), HasSubstr("state D")));
}

TEST(SweepTest, LooksSeldomAtATreeThatDoesNotMove) {
  Sweep sweep(kStart, milliseconds(0));
  MonoTime now = kStart;
  int looks = 0;
  for (; now < kStart + seconds(60); now = sweep.next(), ++looks)
    Decide(sweep, now, {Proc(2, 1)});
  EXPECT_LT(looks, 150);
}

}  // namespace
}  // namespace quell::process
