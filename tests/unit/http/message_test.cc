// Goal: a request's parameters, headers and methods are found as HTTP and OpenSearch spell them.
// Method: values only.
#include "transport/http/message.h"

#include <gtest/gtest.h>

namespace quell::http {
namespace {

TEST(MessageTest, TakesTheLastOfEqualParameters) {
  Request request;
  request.query = {{"a", "1", true}, {"b", "", false}, {"a", "2", true}};
  ASSERT_NE(request.Param("a"), nullptr);
  EXPECT_EQ(request.Param("a")->value, "2");
  EXPECT_FALSE(request.Param("b")->has_value);
  EXPECT_EQ(request.Param("A"), nullptr);
}

TEST(MessageTest, FindsAHeaderWhateverItsCase) {
  Request request;
  request.headers = {{"X-Opaque-Id", "first"}, {"x-opaque-id", "second"}};
  EXPECT_EQ(request.HeaderValue("x-OPAQUE-id"), "first");
  EXPECT_EQ(request.HeaderValue("x-opaque"), std::nullopt);
}

TEST(MessageTest, ReadsMethodsInUpperCaseOnly) {
  for (const Method method :
       {Method::kGet, Method::kHead, Method::kPost, Method::kPut, Method::kDelete, Method::kOptions,
        Method::kPatch, Method::kTrace, Method::kConnect}) {
    EXPECT_EQ(MethodFromString(ToString(method)), method);
  }
  EXPECT_EQ(MethodFromString("get"), std::nullopt);
  EXPECT_EQ(MethodFromString("BREW"), std::nullopt);
  EXPECT_EQ(MethodFromString(""), std::nullopt);
}

}  // namespace
}  // namespace quell::http
