// Goal: only figures that a host can have pass.
#include "core/host_load.h"

#include <limits>

#include <gtest/gtest.h>

#include "tests/support/result_matchers.h"

namespace quell {
namespace {

TEST(HostLoadTest, WhatIsAbsentIsNotWrong) {
  EXPECT_FALSE(HostLoad().measured());
  EXPECT_THAT(Check(HostLoad()), IsOk());
}

TEST(HostLoadTest, OneFigureIsAMeasurement) {
  HostLoad load;
  load.daemon_percent = 0;
  EXPECT_TRUE(load.measured());
  EXPECT_THAT(Check(load), IsOk());
}

TEST(HostLoadTest, BoundsArePartOfTheRange) {
  EXPECT_THAT(Check({LoadAverages{0, kLoadMax, 2.51}, 0, 100, 100}), IsOk());
}

TEST(HostLoadTest, RefusesAPercentAboveAHundred) {
  const HostLoad wrong[] = {{{}, 101, {}, {}}, {{}, {}, 101, {}}, {{}, {}, {}, 101}};
  for (const HostLoad& load : wrong) {
    EXPECT_THAT(Check(load), FailsWith(ErrorCode::kInvalidArgument, "percent"));
  }
}

TEST(HostLoadTest, RefusesALoadThatIsNone) {
  using Double = std::numeric_limits<double>;
  for (const double load :
       {-0.01, kLoadMax * 1.01, Double::quiet_NaN(), Double::infinity(), -Double::infinity()}) {
    for (const LoadAverages averages :
         {LoadAverages{load, 0, 0}, LoadAverages{0, load, 0}, LoadAverages{0, 0, load}}) {
      EXPECT_THAT(Check({averages, {}, {}, {}}), FailsWith(ErrorCode::kInvalidArgument, "load"));
    }
  }
}

TEST(HostLoadTest, ALoadIsWrittenWithTwoDecimals) {
  EXPECT_EQ(LoadText(2.51), "2.51");
  EXPECT_EQ(LoadText(0), "0.00");
  EXPECT_EQ(LoadText(10.999), "11.00");
  EXPECT_EQ(LoadText(kLoadMax), "1000000.00");
}

}  // namespace
}  // namespace quell
