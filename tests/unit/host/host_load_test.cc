// Goal: what /proc says of the host is read right; what it does not say is absent, never made up.
// Method: texts written by hand; the machine's own once; a watch whose looks the test hands out.
#include "host/host_load.h"

#include <atomic>
#include <future>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/support/result_matchers.h"

namespace quell {
namespace {

using namespace std::chrono_literals;

std::string Stat(const std::string& times) {
  return "cpu  " + times + " 7 0\ncpu0 1 2 3 4 5 6 7 8 0 0\nintr 99 1\nctxt 5\n";
}

HostLoadTexts Texts(const std::string& times = "100 10 50 800 40 0 0 0") {
  return {"2.51 1.73 0.07 3/412 99120\n",
          "MemTotal:        1000000 kB\nMemFree:          100000 kB\n"
          "MemAvailable:     590000 kB\nHugepagesize:       2048 kB\n",
          Stat(times),
          "5000 " + std::to_string(25'000 * 1024 / ::sysconf(_SC_PAGESIZE)) + " 900 40 0 800 0\n"};
}

TEST(HostLoadMeterTest, ReadsWhatOneLookCanTell) {
  HostLoadMeter meter;
  EXPECT_EQ(meter.Measure(Texts()), (HostLoad{LoadAverages{2.51, 1.73, 0.07}, {}, 41, 3}));
}

TEST(HostLoadMeterTest, TheCpuIsBusySinceTheLookBefore) {
  HostLoadMeter meter;
  meter.Measure(Texts("100 10 50 800 40 0 0 0"));
  // Of 100 ticks 70 were idle or waited for the disk.
  EXPECT_EQ(meter.Measure(Texts("110 15 55 860 50 4 3 3")).cpu_percent, 30U);
  EXPECT_EQ(meter.Measure(Texts("110 15 55 960 50 4 3 3")).cpu_percent, 0U);
  EXPECT_EQ(meter.Measure(Texts("210 15 55 960 50 4 3 3")).cpu_percent, 100U);
}

TEST(HostLoadMeterTest, WithoutTimeBetweenTwoLooksTheCpuIsAbsent) {
  HostLoadMeter meter;
  meter.Measure(Texts());
  EXPECT_EQ(meter.Measure(Texts()).cpu_percent, std::nullopt);
}

TEST(HostLoadMeterTest, TimesThatWentBackAreNoFigure) {
  HostLoadMeter meter;
  meter.Measure(Texts("100 10 50 800 40 0 0 0"));
  EXPECT_EQ(meter.Measure(Texts("50 5 25 400 20 0 0 0")).cpu_percent, std::nullopt);
  EXPECT_EQ(meter.Measure(Texts("100 5 25 450 20 0 0 0")).cpu_percent, 50U);
  // The kernel's count of waits for the disk can fall a little: busy more than there was time.
  EXPECT_EQ(meter.Measure(Texts("110 5 25 450 18 0 0 0")).cpu_percent, std::nullopt);
}

TEST(HostLoadMeterTest, WhatIsMissingIsAbsentAndHurtsNothingElse) {
  HostLoadMeter meter;
  EXPECT_EQ(meter.Measure({}), HostLoad());
  HostLoadTexts texts = Texts();
  texts.loadavg.clear();
  EXPECT_EQ(meter.Measure(texts), (HostLoad{{}, {}, 41, 3}));
  texts = Texts("200 10 50 900 40 0 0 0");
  texts.meminfo = "MemTotal:        1000000 kB\n";  // A kernel before 3.14.
  EXPECT_EQ(meter.Measure(texts), (HostLoad{LoadAverages{2.51, 1.73, 0.07}, 50, {}, 3}));
  texts.meminfo.clear();
  texts.stat.clear();
  EXPECT_EQ(meter.Measure(texts), (HostLoad{LoadAverages{2.51, 1.73, 0.07}, {}, {}, {}}));
}

TEST(HostLoadMeterTest, GarbageIsNoFigure) {
  for (const std::string loadavg :
       {"2.51 1.73", "2.51 x 1", "-1 1 1", "nan 1 1", "1 1 1e9", "\n"}) {
    HostLoadTexts texts = Texts();
    texts.loadavg = loadavg;
    EXPECT_EQ(HostLoadMeter().Measure(texts).averages, std::nullopt) << loadavg;
  }
  for (const std::string meminfo :
       {"MemTotal: 0 kB\nMemAvailable: 0 kB\n", "MemTotal: 5 kB\nMemAvailable: 6 kB\n",
        "MemTotal: x kB\nMemAvailable: 6 kB\n", "MemAvailable: 1 kB\nMemTotal:"}) {
    HostLoadTexts texts = Texts();
    texts.meminfo = meminfo;
    EXPECT_EQ(HostLoadMeter().Measure(texts).memory_percent, std::nullopt) << meminfo;
  }
  for (const std::string statm : {"5000", "5000 x", "5000 -4", "5000 99999999999 1"}) {
    HostLoadTexts texts = Texts();
    texts.statm = statm;
    EXPECT_EQ(HostLoadMeter().Measure(texts).daemon_percent, std::nullopt) << statm;
  }
  for (const std::string stat : {"cpu  200 10 50 900\n", "cpu0 200 10 50 900 40 0 0 0\n",
                                 "cpu  200 10 50 900 x 0 0 0\n", "cpu"}) {
    HostLoadMeter meter;
    meter.Measure(Texts());
    HostLoadTexts texts = Texts();
    texts.stat = stat;
    EXPECT_EQ(meter.Measure(texts).cpu_percent, std::nullopt) << stat;
  }
}

TEST(HostLoadMeterTest, ThisMachineTells) {
  const HostLoad load = HostLoadMeter().Measure(ReadHostLoadTexts());
  EXPECT_NE(load.averages, std::nullopt);
  EXPECT_NE(load.memory_percent, std::nullopt);
  EXPECT_NE(load.daemon_percent, std::nullopt);
  EXPECT_THAT(Check(load), IsOk());
}

TEST(HostLoadWatchTest, HasLookedWhenItIsMadeAndLooksAgain) {
  std::atomic<int> looks = 0;
  std::promise<void> third;
  const HostLoadWatch watch(
      [&] {
        const int now = ++looks;
        if (now == 3) third.set_value();  // The second one is over.
        return Texts(std::to_string(100 * now) + " 0 0 " + std::to_string(300 * now) + " 0 0 0 0");
      },
      1ms);
  EXPECT_EQ(watch.Last().memory_percent, 41U);
  third.get_future().wait();
  EXPECT_EQ(watch.Last().cpu_percent, 25U);
}

TEST(HostLoadWatchTest, EndsWithoutWaitingForTheNextLook) {
  const HostLoadWatch watch([] { return Texts(); }, 1h);
  EXPECT_EQ(watch.Last().daemon_percent, 3U);
}

}  // namespace
}  // namespace quell
