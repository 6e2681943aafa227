// An answer as CBOR (RFC 8949) and as Smile 1.0.
#pragma once

#include <string>
#include <string_view>

namespace quell::opensearch {

// `json` is one valid value, or nothing. Objects and arrays have no length in front and an end mark
// behind, as OpenSearch writes them.
std::string ToCbor(std::string_view json);
// Without references to names and texts that stood before, which the header says: each stands
// whole.
std::string ToSmile(std::string_view json);

}  // namespace quell::opensearch
