// Which run of which kernel this is: equal boot ids mean one and the same clock.
#pragma once

#include <string>

#include "core/result.h"

namespace quell {

// A UUID in lower case. Errors: kInternal (no /proc).
Result<std::string> BootId();

}  // namespace quell
