// An answer as YAML, laid out as OpenSearch does.
#pragma once

#include <string>
#include <string_view>

namespace quell::opensearch {

// `json` is one valid object or array, or nothing. Texts stand in double quotes, keys without where
// that is safe; begins with "---".
std::string ToYaml(std::string_view json);

}  // namespace quell::opensearch
