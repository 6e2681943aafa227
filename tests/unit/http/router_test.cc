// Goal: each path has exactly one meaning, and what no route takes is told apart: unknown path or
// wrong method.
// Method: a router with the shapes of our APIs, asked with decoded segments.
#include "transport/http/router.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quell::http {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    Add(Method::kGet, "/");
    Add(Method::kGet, "/_tasks");
    Add(Method::kGet, "/_tasks/{id}");
    Add(Method::kDelete, "/_tasks/{id}");
    Add(Method::kPost, "/_tasks/_cancel");
    Add(Method::kPost, "/_tasks/{id}/_cancel");
    Add(Method::kGet, "/v1/{kind}/{name}");
    Add(Method::kPost, "/v1/tasks/{id}");
  }

  void Add(Method method, std::string pattern) {
    router_.Add(method, std::move(pattern), Permission::kTaskList, [](auto) {});
  }

  std::string Pattern(Method method, const std::vector<std::string>& segments) {
    const Router::Match match = router_.Find(method, segments);
    return match.route == nullptr ? "-" : match.route->pattern;
  }

  Router router_;
};

TEST_F(RouterTest, FindsTheRouteOfAPathAndMethod) {
  EXPECT_EQ(Pattern(Method::kGet, {}), "/");
  EXPECT_EQ(Pattern(Method::kGet, {"_tasks"}), "/_tasks");
  EXPECT_EQ(Pattern(Method::kPost, {"_tasks", "n:1", "_cancel"}), "/_tasks/{id}/_cancel");
}

TEST_F(RouterTest, CapturesInOrder) {
  EXPECT_THAT(router_.Find(Method::kGet, {"v1", "nodes", "n/7"}).captures,
              ElementsAre("nodes", "n/7"));
  EXPECT_THAT(router_.Find(Method::kGet, {"_tasks"}).captures, IsEmpty());
}

TEST_F(RouterTest, PrefersLiteralSegmentsWhateverTheMethod) {
  EXPECT_EQ(Pattern(Method::kPost, {"_tasks", "_cancel"}), "/_tasks/_cancel");
  const Router::Match get = router_.Find(Method::kGet, {"_tasks", "_cancel"});
  EXPECT_EQ(get.route, nullptr);
  EXPECT_THAT(get.allowed, ElementsAre(Method::kPost));
  EXPECT_THAT(router_.Find(Method::kGet, {"v1", "tasks", "7"}).allowed, ElementsAre(Method::kPost));
}

TEST_F(RouterTest, TellsWhatAKnownPathWouldTake) {
  const Router::Match match = router_.Find(Method::kPut, {"_tasks", "n:1"});
  EXPECT_EQ(match.route, nullptr);
  EXPECT_THAT(match.allowed, ElementsAre(Method::kGet, Method::kDelete));
}

TEST_F(RouterTest, TreatsHeadAsAMethodOfItsOwn) {
  const Router::Match match = router_.Find(Method::kHead, {"_tasks"});
  EXPECT_EQ(match.route, nullptr);
  EXPECT_THAT(match.allowed, ElementsAre(Method::kGet));
}

TEST_F(RouterTest, KnowsNothingOfOtherPaths) {
  EXPECT_THAT(router_.Find(Method::kGet, {"_task"}).allowed, IsEmpty());
  EXPECT_THAT(router_.Find(Method::kGet, {"_tasks", "a", "b"}).allowed, IsEmpty());
  EXPECT_THAT(router_.Find(Method::kGet, {"", "_tasks"}).allowed, IsEmpty());
}

TEST_F(RouterTest, NeverCapturesAnEmptySegment) {
  EXPECT_THAT(router_.Find(Method::kPost, {"_tasks", "", "_cancel"}).allowed, IsEmpty());
}

TEST_F(RouterTest, RendersErrorsInItsOwnShapeUnlessTold) {
  EXPECT_EQ(router_.RenderError(404, "not_found", "no \"x\""),
            R"({"error":{"type":"not_found","reason":"no \"x\""},"status":404})");
  router_.SetErrorBody([](int status, std::string_view type, std::string_view reason) {
    return std::to_string(status) + "|" + std::string(type) + "|" + std::string(reason);
  });
  EXPECT_EQ(router_.RenderError(405, "t", "r"), "405|t|r");
}

}  // namespace
}  // namespace quell::http
