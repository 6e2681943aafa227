// Result<T>: a T or an Error. Test with has_value() or `if (!result)`, then use `*result` or
// `result.error()`. `value()`, which throws, is banned.
#pragma once

#include <boost/system/result.hpp>

#include "core/error.h"

namespace quell {

template <typename T>
using Result = boost::system::result<T, Error>;

using Status = Result<void>;

}  // namespace quell
