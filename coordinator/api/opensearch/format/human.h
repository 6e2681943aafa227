// Durations for people, as `human=true` and `_cat` show them.
#pragma once

#include <cstdint>
#include <string>

namespace quell::opensearch {

// "735.8ms": the largest unit that has at least one, one digit, cut.
std::string HumanDuration(std::int64_t nanos);

}  // namespace quell::opensearch
