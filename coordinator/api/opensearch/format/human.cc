#include "coordinator/api/opensearch/format/human.h"

#include <array>
#include <chrono>
#include <string_view>

namespace quell::opensearch {
namespace {

namespace chrono = std::chrono;
using Moment = chrono::sys_time<chrono::milliseconds>;

std::string Digits(std::int64_t number, std::size_t width) {
  std::string text = std::to_string(number);
  if (text.size() < width) text.insert(0, width - text.size(), '0');
  return text;
}

}  // namespace

std::string HumanDuration(std::int64_t nanos) {
  struct Unit {
    std::int64_t nanos;
    std::string_view suffix;
  };
  constexpr std::array<Unit, 6> kUnits = {{{86'400'000'000'000, "d"},
                                           {3'600'000'000'000, "h"},
                                           {60'000'000'000, "m"},
                                           {1'000'000'000, "s"},
                                           {1'000'000, "ms"},
                                           {1'000, "micros"}}};
  if (nanos == 0) return "0s";
  for (const Unit& unit : kUnits) {
    if (nanos < unit.nanos) continue;
    std::string text = std::to_string(nanos / unit.nanos);
    const std::int64_t tenths = nanos % unit.nanos / (unit.nanos / 10);
    if (tenths != 0) text += "." + std::to_string(tenths);
    return text + std::string(unit.suffix);
  }
  return std::to_string(nanos) + "nanos";
}

std::string TimeOfDay(std::int64_t millis) {
  const Moment time{chrono::milliseconds(millis)};
  const chrono::hh_mm_ss clock(chrono::floor<chrono::seconds>(time) -
                               chrono::floor<chrono::days>(time));
  return Digits(clock.hours().count(), 2) + ":" + Digits(clock.minutes().count(), 2) + ":" +
         Digits(clock.seconds().count(), 2);
}

std::string IsoTime(std::int64_t millis) {
  const Moment time{chrono::milliseconds(millis)};
  const chrono::sys_days day = chrono::floor<chrono::days>(time);
  const chrono::year_month_day date(day);
  return Digits(static_cast<int>(date.year()), 4) + "-" +
         Digits(static_cast<unsigned>(date.month()), 2) + "-" +
         Digits(static_cast<unsigned>(date.day()), 2) + "T" + TimeOfDay(millis) + "." +
         Digits((time - chrono::floor<chrono::seconds>(time)).count(), 3) + "Z";
}

}  // namespace quell::opensearch
