// Layout of JSON for people, as OpenSearch's `pretty`.
#pragma once

#include <string>
#include <string_view>

namespace quell::opensearch {

// `json` is one valid value. Two blanks a level, "key" : value, { } and [ ] for empty ones, one
// newline at the end.
std::string Prettify(std::string_view json);

}  // namespace quell::opensearch
