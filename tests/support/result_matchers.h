// Matchers for Result and Status: EXPECT_THAT(node.Finish(...), FailsWith(ErrorCode::kNotFound)).
#pragma once

#include <gmock/gmock.h>

#include "core/result.h"

namespace quell {

// GoogleTest's printer; without it, Boost's would want every T to be printable.
template <typename T>
void PrintTo(const boost::system::result<T, Error>& result, std::ostream* out) {
  if (result.has_value()) {
    *out << "a value";
  } else {
    *out << result.error();
  }
}

MATCHER(IsOk, "has a value") {
  if (arg.has_value()) return true;
  *result_listener << arg.error();
  return false;
}

MATCHER_P(IsOkAnd, matcher, "") {
  if (!arg.has_value()) {
    *result_listener << arg.error();
    return false;
  }
  return testing::ExplainMatchResult(matcher, *arg, result_listener);
}

MATCHER_P(FailsWith, code, "fails with " + std::string(ToString(code))) {
  if (arg.has_value()) {
    *result_listener << "has a value";
    return false;
  }
  *result_listener << arg.error();
  return arg.error().code == code;
}

MATCHER_P2(FailsWith, code, text,
           "fails with " + std::string(ToString(code)) + " and says " + text) {
  if (arg.has_value()) {
    *result_listener << "has a value";
    return false;
  }
  *result_listener << arg.error();
  return arg.error().code == code && arg.error().message.find(text) != std::string::npos;
}

}  // namespace quell
