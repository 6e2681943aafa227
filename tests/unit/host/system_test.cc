// Goal: the outside world's time, chance and boot id come in unchanged.
// Method: against the library's own clocks and the kernel's file; and properties that any good
// generator has.
#include <array>
#include <cstdio>
#include <fstream>
#include <set>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "host/boot_id.h"
#include "host/system_clock.h"
#include "host/system_random.h"
#include "tests/support/result_matchers.h"

namespace quell {
namespace {

TEST(SystemClockTest, NeverGoesBack) {
  const SystemClock clock;
  MonoTime last = clock.Now();
  for (int i = 0; i < 100'000; ++i) {
    const MonoTime now = clock.Now();
    ASSERT_TRUE(now >= last);
    last = now;
  }
}

TEST(SystemClockTest, KnowsTheTimeOfDay) {
  // The file system stamps a new file with the kernel's clock, which may lag by a tick.
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  struct stat info {};
  ASSERT_EQ(::fstat(::fileno(file), &info), 0);
  std::fclose(file);
  const auto seconds = MicrosSinceEpoch(SystemClock().Wall()) / 1'000'000;
  EXPECT_GE(seconds, info.st_mtim.tv_sec);
  EXPECT_LT(seconds, info.st_mtim.tv_sec + 3600);
}

TEST(SystemRandomTest, RepeatsNothing) {
  SystemRandom a;
  SystemRandom b;
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {  // Many blocks of each.
    EXPECT_TRUE(seen.insert(a.Next()).second);
    EXPECT_TRUE(seen.insert(b.Next()).second);
  }
}

TEST(SystemRandomTest, SetsEveryBitAboutHalfOfTheTime) {
  SystemRandom random;
  std::array<int, 64> ones{};
  constexpr int kDraws = 4096;
  for (int i = 0; i < kDraws; ++i) {
    const std::uint64_t value = random.Next();
    for (std::size_t bit = 0; bit < 64; ++bit)
      ones[bit] += static_cast<int>(value >> bit & 1);
  }
  // 12 standard deviations: chance alone never gets there.
  for (std::size_t bit = 0; bit < 64; ++bit)
    EXPECT_NEAR(ones[bit], kDraws / 2, 384) << bit;
}

TEST(BootIdTest, IsTheKernels) {
  std::string expected;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> expected;
  EXPECT_EQ(expected.size(), 36U);
  EXPECT_THAT(BootId(), IsOkAnd(expected));
}

}  // namespace
}  // namespace quell
