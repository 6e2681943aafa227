// Is a text that somebody else wrote fit to be put into an answer as it is?
#pragma once

#include <string_view>

namespace quell {

// One whole JSON object, valid from end to end. Builds nothing.
bool IsJsonObject(std::string_view text);

}  // namespace quell
