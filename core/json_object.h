// Is a text one JSON object? A task's status is copied into answers as it is, so each entrance asks
// (core/validity.h).
#pragma once

#include <string_view>

namespace quell {

// RFC 8259, nothing around it but blanks, at most 64 levels deep. Linear, no allocation, no
// recursion. UTF-8 is not checked.
bool IsJsonObject(std::string_view text);

}  // namespace quell
