// Goal: the signals that end a daemon become work on its executor, and a writer's signals errors.
// Method: signals that the test sends to itself.
#include "host/signals.h"

#include <cerrno>
#include <csignal>
#include <optional>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/file.h"
#include "tests/unit/host/fixtures.h"

namespace quell {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(StopSignalsTest, TellsEachSignalOnTheExecutor) {
  Loop loop;
  std::vector<int> seen;
  const StopSignals signals(loop.context, loop.executor, [&](int s) { seen.push_back(s); });
  std::raise(SIGTERM);
  EXPECT_THAT(seen, IsEmpty()) << "not inside the handler";
  ASSERT_TRUE(loop.RunUntil([&] { return seen.size() == 1; }));
  std::raise(SIGINT);
  ASSERT_TRUE(loop.RunUntil([&] { return seen.size() == 2; }));
  EXPECT_THAT(seen, ElementsAre(SIGTERM, SIGINT));
}

TEST(StopSignalsTest, TellsNothingAfterItsEnd) {
  // The news goes some steps before it is told: its end comes before the first, the second, ...
  bool told = false;
  for (int steps = 0; !told; ++steps) {
    ASSERT_LT(steps, 100);
    Loop loop;
    std::optional<StopSignals> signals;
    signals.emplace(loop.context, loop.executor, [&](int) {
      EXPECT_TRUE(signals.has_value()) << "told after its end, " << steps << " steps on";
      told = true;
    });
    std::raise(SIGTERM);
    for (int i = 0; i < steps; ++i)
      loop.context.poll_one();
    signals.reset();
    loop.RunReady();
  }
}

TEST(StopSignalsTest, LeavesTheSignalAsItWasAfterItsEnd) {
  EXPECT_EXIT(
      {
        Loop loop;
        {
          const StopSignals signals(loop.context, loop.executor, [](int) {});
        }
        loop.RunReady();
        std::raise(SIGTERM);
      },
      testing::KilledBySignal(SIGTERM), "");
}

TEST(IgnoreWriteSignalsTest, MakesALostReaderAnError) {
  IgnoreWriteSignals();
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  ::close(pipe[0]);
  EXPECT_EQ(::write(pipe[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  ::close(pipe[1]);
}

}  // namespace
}  // namespace quell
