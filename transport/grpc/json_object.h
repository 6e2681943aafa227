// Is a text one JSON object? Checked where a node's answer comes in, because the text is copied
// into answers as it is. Private to this folder.
#pragma once

#include <string_view>

namespace quell {

// RFC 8259, nothing around it but blanks, at most 64 levels deep. Linear, no allocation, no
// recursion. UTF-8 is not checked: protobuf has done so.
bool IsJsonObject(std::string_view text);

}  // namespace quell
