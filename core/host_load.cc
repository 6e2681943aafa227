#include "core/host_load.h"

#include <charconv>

namespace quell {

Status Check(const HostLoad& load) {
  for (const auto& percent : {load.cpu_percent, load.memory_percent, load.daemon_percent}) {
    if (percent > 100U) return Error{ErrorCode::kInvalidArgument, "a percent above 100"};
  }
  if (!load.averages) return {};
  for (const double average : {load.averages->one, load.averages->five, load.averages->fifteen}) {
    if (!(average >= 0 && average <= kLoadMax)) {  // NaN is neither.
      return Error{ErrorCode::kInvalidArgument, "a load average that cannot be"};
    }
  }
  return {};
}

std::string LoadText(double average) {
  char text[32];
  const auto [end, _] =
      std::to_chars(text, text + sizeof text, average, std::chars_format::fixed, 2);
  return {text, end};
}

}  // namespace quell
