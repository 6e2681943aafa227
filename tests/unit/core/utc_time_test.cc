// Goal: a moment is shown as people and clients of OpenSearch read it. Method: known moments.
#include "core/utc_time.h"

#include <gtest/gtest.h>

namespace quell {
namespace {

TEST(UtcTimeTest, ShowsMillisecondsAndTheZone) {
  EXPECT_EQ(IsoTime(1795401742373), "2026-11-23T02:42:22.373Z");
  EXPECT_EQ(IsoTime(1625145678901), "2021-07-01T13:21:18.901Z");
  EXPECT_EQ(IsoTime(0), "1970-01-01T00:00:00.000Z");
}

TEST(UtcTimeTest, AMomentBefore1970CountsForwardsToo) {
  EXPECT_EQ(IsoTime(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(TimeOfDay(-1000), "23:59:59");
}

TEST(UtcTimeTest, TheTimeOfDayHasNoFraction) {
  EXPECT_EQ(TimeOfDay(1795401742373), "02:42:22");
}

}  // namespace
}  // namespace quell
