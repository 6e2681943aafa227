// Goal: a stretch counts the time of its thread and of no other, read from wherever it is read.
// Method: threads that burn some time; the meter by itself.
#include "sdk/src/meter.h"

#include <thread>

#include <gtest/gtest.h>

#include "tests/support/burn.h"

namespace quell::sdk {
namespace {

constexpr std::chrono::milliseconds kBurnt{5};
constexpr std::int64_t kNanos = std::chrono::nanoseconds(kBurnt).count();

TEST(MeterTest, NothingBegunIsNothingUsed) {
  Meter meter;
  EXPECT_FALSE(meter.used());
  EXPECT_EQ(meter.Read(), CpuFigures());
}

TEST(MeterTest, StretchesAddUpAndTheLeastAndTheMostAreKept) {
  Meter meter;
  for (const int times : {2, 1, 4}) {
    const auto stretch = meter.Begin();
    Burn(times * kBurnt);
    meter.End(stretch);
  }
  const CpuFigures figures = meter.Read();
  EXPECT_GE(figures.total, 7 * kNanos);
  EXPECT_GE(figures.least, kNanos);
  EXPECT_GE(figures.most, 4 * kNanos);
  EXPECT_GE(figures.total, figures.least + figures.most);
  EXPECT_EQ(figures.stretches, 3U);
  EXPECT_EQ(figures.active, 0U);
}

TEST(MeterTest, AnotherThreadIsReadWhileItWorksAndItsTimeAloneCounts) {
  Meter meter;
  std::int64_t worked = 0;
  Meter::Handle stretch;
  std::thread([&] {
    stretch = meter.Begin();
    Burn(kBurnt);
    worked = meter.Read().total;
  }).join();
  EXPECT_GE(worked, kNanos);
  Burn(4 * kBurnt);  // Here, not there.
  EXPECT_TRUE(meter.used());
  EXPECT_EQ(meter.Read().active, 1U);
  meter.End(stretch);
  // The thread has ended without a word: what was read last is what it leaves.
  EXPECT_EQ(meter.Read().total, worked);
  EXPECT_EQ(meter.Read().active, 0U);
}

}  // namespace
}  // namespace quell::sdk
