// Goal: a list that is too large to be held is streamed, or taken page by page: each task stands in
// it once and in order, no more than a part is held, and a node that fails midway is named.
// Method: requests go through the real router, API and coordinator; nodes answer as told.
#include <gmock/gmock.h>

#include "coordinator/api/opensearch/format/pretty.h"
#include "core/limits.h"
#include "tests/support/result_matchers.h"
#include "tests/unit/coordinator/api_fixtures.h"

namespace quell::opensearch {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Le;
using testing::Not;
using testing::StartsWith;

// What one of three nodes (two, and the coordinator) is asked for at first.
constexpr std::size_t kShare = limits::kListHeld / 3;

class BigListTest : public ApiTest {
 protected:
  BigListTest() {
    Join(Info(1));
    Join(Info(2));
    NodesAnswer();
  }
  void Add(int node, std::size_t tasks) {
    for (std::size_t i = 1; i <= tasks; ++i)
      tasks_.push_back(MakeTask(node, i));
  }
  // The ids of nodes' tasks in a body, in their order; the coordinator's are the list itself.
  static std::vector<std::string> Ids(const std::string& body) {
    std::vector<std::string> ids;
    const std::string mark = R"({"node":")";
    for (std::size_t at = body.find(mark); at != std::string::npos; at = body.find(mark, at + 1)) {
      const std::string node = body.substr(at + mark.size(), NodeId::kLength);
      if (node == Self().id.ToString()) continue;
      const std::size_t number = body.find(R"("id":)", at) + 5;
      ids.push_back(node + ":" + body.substr(number, body.find(',', number) - number));
    }
    return ids;
  }
  std::vector<std::string> AllIds() const {
    std::vector<std::string> ids;
    for (const TaskView& task : tasks_)
      ids.push_back(task.id.ToString());
    return ids;
  }
  static std::string Next(const std::string& body) {
    const std::size_t at = body.find(R"("next":")");
    return at == std::string::npos ? "" : body.substr(at + 8, body.find('"', at + 8) - at - 8);
  }
  std::vector<std::string> AllPages(const std::string& target, std::size_t size) {
    std::vector<std::string> ids;
    std::string after;
    do {
      const TestResponse page = Get(target + "size=" + std::to_string(size) + after);
      EXPECT_EQ(page.status, 200) << page.body;
      EXPECT_EQ(page.Header("Quell-Nodes"), "selected=3 answered=3 failed=0");
      const std::vector<std::string> shown = Ids(page.body);
      EXPECT_THAT(shown.size(), Le(size));
      ids.insert(ids.end(), shown.begin(), shown.end());
      after = Next(page.body);
      if (!after.empty()) after = "&after=" + after;
    } while (!after.empty() && ids.size() < 100);
    return ids;
  }
};

TEST_F(BigListTest, PagesTogetherShowEachTaskOnceAndInOrder) {
  Add(1, 5);
  Add(2, 3);
  for (const std::size_t size : {1u, 2u, 3u, 5u, 8u, 9u}) {
    EXPECT_EQ(AllPages("/_tasks?", size), AllIds()) << "size " << size;
    EXPECT_EQ(AllPages("/_tasks?group_by=none&", size), AllIds()) << "size " << size;
  }
}

TEST_F(BigListTest, APageThatHoldsTheLastTaskHasNoNext) {
  Add(1, 2);
  EXPECT_EQ(Next(Get("/_tasks?size=2").body), "");
  EXPECT_EQ(Next(Get("/_tasks?size=1").body), tasks_[0].id.ToString());
}

TEST_F(BigListTest, WhatIsStreamedIsNeitherFilteredNorInAnotherFormat) {
  Add(1, limits::kListHeld + 1);
  for (const char* wish : {"format=yaml", "filter_path=nodes.*.name"}) {
    const TestResponse got = Get(std::string("/_tasks?") + wish);
    EXPECT_EQ(got.status, 400) << wish;
    EXPECT_THAT(got.body, HasSubstr("use [size]")) << wish;
  }
  EXPECT_EQ(Get("/_tasks?size=10&filter_path=node_failures").body, R"({"node_failures":[]})");
}

TEST_F(BigListTest, APageIsOfTheDocumentedProfileAndSaysWhatItNeeds) {
  EXPECT_THAT(Get("/_tasks?size=2", Strict()).body, HasSubstr("unrecognized parameter: [size]"));
  EXPECT_EQ(Get("/_tasks?size=0").body,
            Refusal("[size] must be a number from [1] to [10000] but was [0]"));
  EXPECT_EQ(Get("/_tasks?size=x").status, 400);
  EXPECT_EQ(Get("/_tasks?after=" + Info(1).id.ToString() + ":3").body,
            Refusal("[after] needs [size]: how many tasks the page may hold"));
  EXPECT_EQ(Get("/_tasks?size=1&after=nobody:3").status, 400);
  EXPECT_THAT(Get("/_tasks?size=1&nodes=" + Info(2).id.ToString() +
                  "&after=" + Info(1).id.ToString() + ":3")
                  .body,
              HasSubstr("which is not among those that are asked"));
  EXPECT_THAT(Get("/_tasks?size=1&group_by=parents").body, HasSubstr("group_by=parents"));
}

TEST_F(BigListTest, ASilentNodeIsNamedOnEveryPage) {
  Add(1, 2);
  nodes_.answer = [this, answer = nodes_.answer](const AskedNodes::Asked& ask) {
    if (ask.node == Info(1).id) return answer(ask);
    executor_.Post([ask] { ask.sink->OnDone(Error{ErrorCode::kUnavailable, "gone"}); });
  };
  const TestResponse page = Get("/_tasks?size=1");
  EXPECT_EQ(page.Header("Quell-Nodes"), "selected=3 answered=2 failed=1");
  EXPECT_THAT(page.body, AllOf(HasSubstr(R"("node_failures":[{)"), HasSubstr(R"("next":)")));
}

TEST_F(BigListTest, AListThatCanBeHeldIsNoStream) {
  Add(1, kShare);
  const auto exchange = Begin(router_, http::Method::kGet, "/_tasks");
  EXPECT_EQ(Ids(Finish(exchange).body), AllIds());
  EXPECT_EQ(exchange->largest_chunk, 0u);
}

TEST_F(BigListTest, ALargerOneIsStreamedInPartsWithFailuresLast) {
  Add(1, kShare + limits::kListPart + 7);
  Add(2, kShare + 1);
  for (const char* grouping : {"nodes", "none"}) {
    const auto exchange =
        Begin(router_, http::Method::kGet, std::string("/_tasks?group_by=") + grouping);
    const TestResponse whole = Finish(exchange);
    EXPECT_EQ(whole.status, 200);
    EXPECT_EQ(whole.Header("Quell-Nodes"), "selected=3 answered=3 failed=0");
    EXPECT_EQ(Ids(whole.body), AllIds()) << grouping;
    EXPECT_THAT(whole.body, testing::EndsWith(R"(,"node_failures":[]})"));
    EXPECT_THAT(whole.body, Not(HasSubstr("incomplete")));
    EXPECT_GT(exchange->largest_chunk, 0u);
    EXPECT_LT(exchange->largest_chunk, whole.body.size() * 6 / 10);
  }
}

TEST_F(BigListTest, AStreamHasTheFormOfAnAnswerThatIsHeld) {
  Add(1, kShare + 1);
  const std::string target = "/_tasks?nodes=" + Info(1).id.ToString();
  const std::string streamed = Get(target, Strict()).body;
  const std::string held = Get(target + "&size=" + std::to_string(kShare + 1)).body;
  const std::size_t begin = held.find(R"("tasks":{)");
  const std::string tasks = held.substr(begin, held.find("}}}}") + 2 - begin);
  EXPECT_THAT(streamed, StartsWith(R"({"nodes":{")" + Info(1).id.ToString() + "\""));
  EXPECT_EQ(streamed.substr(streamed.find(R"("tasks":)")), tasks + "}}}}");
  EXPECT_EQ(Get(target + "&pretty", Strict()).body, Prettify(streamed));
}

TEST_F(BigListTest, ANodeThatFailsMidwayIsNamedAndItsPartMarked) {
  Add(1, kShare + limits::kListPart + 7);
  Add(2, 3);
  nodes_.answer = [this, answer = nodes_.answer](const AskedNodes::Asked& ask) {
    const auto& list = std::get<ListRequest>(ask.request);
    if (list.after <= kShare) return answer(ask);
    executor_.Post([ask] { ask.sink->OnDone(Error{ErrorCode::kUnavailable, "it died"}); });
  };
  std::vector<std::string> shown = AllIds();
  shown.erase(shown.begin() + kShare + limits::kListPart,
              shown.begin() + kShare + limits::kListPart + 7);
  const std::string body = Get("/_tasks").body;
  EXPECT_EQ(Ids(body), shown);
  EXPECT_THAT(body, AllOf(HasSubstr(R"(}},"incomplete":true},")"),
                          HasSubstr(R"("node_failures":[{"type":"failed_node_exception")"),
                          HasSubstr("it died")));
  const std::string strict = Get("/_tasks", Strict()).body;
  EXPECT_THAT(strict, AllOf(Not(HasSubstr("incomplete")), HasSubstr("it died")));
}

TEST_F(BigListTest, ANodeThatIsForgottenMidwayIsNamed) {
  Add(1, kShare + limits::kListPart + 7);
  const auto exchange = Begin(router_, http::Method::kGet, "/_tasks");
  scheduler_.RunUntil([&] { return exchange->stream.has_value(); }, 5s);
  nodes_.answer = nullptr;
  scheduler_.Advance(10s);
  coordinator_.Forget(Info(1).id, [](const Result<Forgotten>& done) { EXPECT_THAT(done, IsOk()); });
  scheduler_.Advance(1s);
  EXPECT_THAT(Finish(exchange).body,
              AllOf(HasSubstr(R"("incomplete":true)"), HasSubstr("no_such_node_exception")));
}

TEST_F(BigListTest, APartThatTheCoordinatorIsTooBusyToAskForIsNamed) {
  Add(1, kShare + limits::kListPart + 7);
  const auto exchange = Begin(router_, http::Method::kGet, "/_tasks");
  scheduler_.RunUntil([&] { return exchange->stream.has_value(); }, 5s);
  nodes_.answer = nullptr;
  for (std::size_t i = 0; i < limits::kFanOutsMax; ++i)
    coordinator_.List({}, 5s, NumberSinks(), [](const Result<Gathered>&) {});
  EXPECT_THAT(Finish(exchange).body,
              AllOf(HasSubstr(R"("incomplete":true)"), HasSubstr("requests are waiting for nodes"),
                    HasSubstr(R"("node_id":")" + Info(1).id.ToString())));
}

TEST_F(BigListTest, NobodyIsAskedForAReaderThatDoesNotRead) {
  Add(1, kShare + limits::kListPart + 7);
  std::size_t asks = 0;
  nodes_.answer = [&asks, answer = nodes_.answer](const AskedNodes::Asked& ask) {
    ++asks;
    answer(ask);
  };
  const auto exchange = Begin(router_, http::Method::kGet, "/_tasks");
  scheduler_.Advance(60s);
  EXPECT_TRUE(exchange->stream.has_value()) << "no answer has begun";
  EXPECT_EQ(asks, 2u) << "one for each node";
  exchange->Drain();
  scheduler_.Advance(60s);
  EXPECT_EQ(asks, 3u);
  EXPECT_EQ(Ids(Finish(exchange).body), AllIds()) << "it reads on";
}

}  // namespace
}  // namespace quell::opensearch
