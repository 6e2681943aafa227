#include "core/utc_time.h"

#include <chrono>
#include <cstddef>

namespace quell {
namespace {

namespace chrono = std::chrono;
using UtcMoment = chrono::sys_time<chrono::milliseconds>;

std::string Digits(std::int64_t number, std::size_t width) {
  std::string text = std::to_string(number);
  if (text.size() < width) text.insert(0, width - text.size(), '0');
  return text;
}

}  // namespace

std::string IsoTime(std::int64_t millis) {
  const UtcMoment time{chrono::milliseconds(millis)};
  const chrono::year_month_day date(chrono::floor<chrono::days>(time));
  return Digits(static_cast<int>(date.year()), 4) + "-" +
         Digits(static_cast<unsigned>(date.month()), 2) + "-" +
         Digits(static_cast<unsigned>(date.day()), 2) + "T" + TimeOfDay(millis) + "." +
         Digits((time - chrono::floor<chrono::seconds>(time)).count(), 3) + "Z";
}

std::string TimeOfDay(std::int64_t millis) {
  const UtcMoment time{chrono::milliseconds(millis)};
  const chrono::hh_mm_ss clock(chrono::floor<chrono::seconds>(time) -
                               chrono::floor<chrono::days>(time));
  return Digits(clock.hours().count(), 2) + ":" + Digits(clock.minutes().count(), 2) + ":" +
         Digits(clock.seconds().count(), 2);
}

}  // namespace quell
