// Which run of which kernel this is.
#pragma once

#include <string>

#include "core/result.h"

namespace quell {

// A UUID in lower case. Errors: kInternal (no /proc).
Result<std::string> BootId();

}  // namespace quell
