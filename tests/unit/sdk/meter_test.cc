// Goal: a stretch counts the time of its thread and of no other, read from wherever it is read.
// Method: threads that burn some time; the meter by itself.
#include "sdk/src/meter.h"

#include <thread>

#include <gtest/gtest.h>

namespace quell::sdk {
namespace {

constexpr std::int64_t kBurnt = 5'000'000;

std::int64_t ThreadTime() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

void Burn(std::int64_t nanos) {
  const std::int64_t start = ThreadTime();
  while (ThreadTime() - start < nanos) {
  }
}

TEST(MeterTest, NothingBegunIsNothingUsed) {
  Meter meter;
  EXPECT_FALSE(meter.used());
  EXPECT_EQ(meter.Read(), CpuFigures());
}

TEST(MeterTest, StretchesAddUpAndTheLeastAndTheMostAreKept) {
  Meter meter;
  for (const std::int64_t times : {2, 1, 4}) {
    const auto stretch = meter.Begin();
    Burn(times * kBurnt);
    meter.End(stretch);
  }
  const CpuFigures figures = meter.Read();
  EXPECT_GE(figures.total, 7 * kBurnt);
  EXPECT_GE(figures.least, kBurnt);
  EXPECT_GE(figures.most, 4 * kBurnt);
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
  EXPECT_GE(worked, kBurnt);
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
