// Patterns with '*' (any text, also none) as the only special character; case-sensitive, whole
// text.
#pragma once

#include <string_view>

namespace quell {

// Time is linear in text for each literal part, memory constant: no pattern can stall a daemon.
bool WildcardMatch(std::string_view pattern, std::string_view text);

}  // namespace quell
