#include "coordinator/api/opensearch/format/human.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace quell::opensearch {

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

}  // namespace quell::opensearch
