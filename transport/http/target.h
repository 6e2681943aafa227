// A request target in origin form, taken apart.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "transport/http/message.h"

namespace quell::http {

struct Target {
  std::string path;                   // Percent-encoded, without the query.
  std::vector<std::string> segments;  // Decoded. Empty ones at the end are dropped, others kept.
  std::vector<QueryParam> query;      // Decoded.
};

// Errors: kInvalidArgument, saying what is wrong, for anything but a path of printable ASCII with
// sound escapes, none of which is %00; for a fragment; for more than `params_max` parameters.
Result<Target> ParseTarget(std::string_view text, std::size_t params_max);

}  // namespace quell::http
