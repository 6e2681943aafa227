// The version of this build of Quell.
#pragma once

#include <string_view>

namespace quell {

// "MAJOR.MINOR.PATCH", as project() in the top CMakeLists.txt says; ends with a zero byte. Safe
// from every thread.
std::string_view Version();

}  // namespace quell
