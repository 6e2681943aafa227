// Goal: what is held of answers is bounded by bytes: a list that does not fit is streamed, or
// refused with the remedy; a cancel that has been done is never answered as if it had not; and a
// long answer is put together beside the executor. Method: requests go through the real router,
// APIs and coordinator, with a small budget; nodes answer as told.
#include <gmock/gmock.h>

#include "core/limits.h"
#include "tests/support/result_matchers.h"
#include "tests/unit/coordinator/api_fixtures.h"

namespace quell::opensearch {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::size_t kBudget = 4 * 1024 * 1024;

class HeldListTest : public ApiTest {
 protected:
  HeldListTest() {
    held_api_.AddRoutes(held_router_);
    held_native_.AddRoutes(held_router_);
    Join(Info(1));
    Join(Info(2));
    NodesAnswer();
    ByPages();
  }
  // As a node does it, and a page is not larger than a message.
  void ByPages() {
    nodes_.answer = [this, answer = nodes_.answer](const AskedNodes::Asked& ask) {
      struct Split final : ReplySink {
        explicit Split(std::shared_ptr<ReplySink> to) : sink(std::move(to)) {}
        void OnTasks(std::span<const TaskView> page) override {
          for (; page.size() > 50; page = page.subspan(50))
            sink->OnTasks(page.first(50));
          sink->OnTasks(page);
        }
        void OnDone(Result<NodeReply> reply) override { sink->OnDone(std::move(reply)); }
        const std::shared_ptr<ReplySink> sink;
      };
      AskedNodes::Asked split = ask;
      split.sink = std::make_shared<Split>(ask.sink);
      nodes_.asks.clear();  // Nobody but who answers keeps the sink.
      answer(split);
    };
  }
  // Each takes about 4 KB of a detailed answer.
  void Add(int node, std::size_t tasks) {
    for (std::size_t i = 1; i <= tasks; ++i) {
      tasks_.push_back(MakeTask(node, i));
      tasks_.back().description = text_;
    }
  }
  std::shared_ptr<TestExchange> Ask(http::Method method, const std::string& target,
                                    std::vector<Header> headers = {}) {
    return Begin(held_router_, method, target, std::move(headers));
  }
  TestResponse GetHeld(const std::string& target, std::vector<Header> headers = {}) {
    return Finish(Ask(http::Method::kGet, target, std::move(headers)));
  }
  static std::size_t Count(const std::string& body, const std::string& part) {
    std::size_t count = 0;
    for (std::size_t at = body.find(part); at != std::string::npos; at = body.find(part, at + 1))
      ++count;
    return count;
  }

  const std::string text_ = std::string(4000, 'x');
  const std::shared_ptr<http::ByteBudget> budget_ = std::make_shared<http::ByteBudget>(kBudget);
  http::Router held_router_;
  OpenSearchApi held_api_{coordinator_, {Profile::kDocumented, {"quell", "0.1.0"}, {budget_, {}}}};
  native::NativeApi held_native_{coordinator_, [] { return true; }, {budget_, {}}};
};

TEST_F(HeldListTest, AnAnswerThatNobodyMayHoldIsRefusedWithTheBound) {
  Add(1, 1000);
  for (const char* target : {"/_tasks?detailed&group_by=parents", "/_cat/tasks?detailed",
                             "/_tasks?detailed&size=1000", "/quell/v1/tasks"}) {
    const TestResponse got = GetHeld(target);
    EXPECT_EQ(got.status, 400) << target << got.body.substr(0, 300);
    EXPECT_THAT(got.body, HasSubstr("2097152 bytes")) << target;
    EXPECT_EQ(budget_->held(), 0u) << target << " gave back what it held";
  }
}

TEST_F(HeldListTest, WhileOthersHoldTooMuchItIsToComeBack) {
  Add(1, 200);
  http::HeldBytes others(budget_);
  others.Force(kBudget);
  for (const char* target : {"/_tasks?detailed&group_by=parents", "/_cat/tasks?detailed",
                             "/_tasks?detailed&size=200", "/quell/v1/tasks"}) {
    const TestResponse got = GetHeld(target);
    EXPECT_EQ(got.status, 429) << target;
    EXPECT_EQ(got.Header("Retry-After"), "1") << target;
  }
  others.Give(kBudget);
  EXPECT_EQ(GetHeld("/_tasks?detailed&group_by=parents").status, 200);
}

TEST_F(HeldListTest, AShortListIsServedWhateverOthersHold) {
  Add(1, 3);
  http::HeldBytes others(budget_);
  others.Force(2 * kBudget);
  EXPECT_EQ(GetHeld("/_tasks?detailed&group_by=parents").status, 200);
  EXPECT_EQ(GetHeld("/quell/v1/tasks").status, 200);
}

TEST_F(HeldListTest, AListByNodesThatDoesNotFitIsStreamedWhole) {
  Add(1, 900);
  Add(2, 20);
  for (const char* grouping : {"nodes", "none"}) {
    const auto exchange =
        Ask(http::Method::kGet, std::string("/_tasks?detailed&group_by=") + grouping);
    const TestResponse whole = Finish(exchange);
    EXPECT_EQ(whole.status, 200);
    EXPECT_GT(exchange->largest_chunk, 0u) << "it was no stream";
    EXPECT_EQ(Count(whole.body, R"("description":"x)"), 920u) << grouping;
    EXPECT_THAT(whole.body, testing::EndsWith(R"(,"node_failures":[]})"));
  }
}

TEST_F(HeldListTest, AStreamWaitsForRoomAndGoesOn) {
  Add(1, 100);
  http::HeldBytes others(budget_);
  others.Force(2 * kBudget);
  const auto exchange = Ask(http::Method::kGet, "/_tasks?detailed");
  scheduler_.RunUntil([&] { return exchange->stream.has_value(); }, 5s);
  for (int i = 0; i < 20; ++i) {
    exchange->Drain();
    scheduler_.Advance(1s);
  }
  EXPECT_FALSE(exchange->response.has_value());
  others.Give(2 * kBudget);
  const TestResponse whole = Finish(exchange);
  EXPECT_EQ(Count(whole.body, R"("description":"x)"), 100u);
  EXPECT_THAT(whole.body, HasSubstr(R"("node_failures":[])"));
}

TEST_F(HeldListTest, AStreamThatGetsNoRoomSaysWhichNodeIsIncomplete) {
  Add(1, 100);
  http::HeldBytes others(budget_);
  others.Force(2 * kBudget);
  const MonoTime began = scheduler_.Now();
  const TestResponse got = GetHeld("/_tasks?detailed");
  EXPECT_THAT(got.body,
              AllOf(HasSubstr(R"("incomplete":true)"), HasSubstr("circuit_breaking_exception"),
                    HasSubstr("come back later")));
  EXPECT_GE(scheduler_.Now() - began, limits::kHeldWait);
}

TEST_F(HeldListTest, ACancelThatWasDoneSaysSoAndWhatItOmits) {
  Add(1, 1000);
  Add(2, 1);
  http::HeldBytes others(budget_);
  others.Force(2 * kBudget);
  const auto exchange = Ask(http::Method::kPost, "/_tasks/_cancel?actions=*");
  const TestResponse got = Finish(exchange);
  EXPECT_EQ(got.status, 200);
  EXPECT_TRUE(got.promised);
  EXPECT_EQ(got.Header("Quell-Nodes"), "selected=3 answered=3 failed=0");
  EXPECT_NE(got.Header("Quell-Operation"), "");
  EXPECT_THAT(got.Header("Quell-Shortened"), StartsWith("omitted="));
  EXPECT_THAT(got.body, HasSubstr(R"("incomplete":true)"));
  const std::size_t shown = Count(got.body, R"("description":"x)");
  EXPECT_LT(shown, 1001u);
  EXPECT_EQ(got.Header("Quell-Shortened"), "omitted=" + std::to_string(1001 - shown));
  const TestResponse strict =
      Finish(Ask(http::Method::kPost, "/_tasks/_cancel?actions=*", Strict()));
  EXPECT_EQ(strict.status, 200);
  EXPECT_THAT(strict.body, Not(HasSubstr("incomplete")));
}

TEST_F(HeldListTest, ALongAnswerIsPutTogetherBesideTheExecutor) {
  Add(1, 100);
  std::function<void()> work;
  std::function<void()> then;
  OpenSearchApi api(coordinator_, {Profile::kDocumented,
                                   {"quell", "0.1.0"},
                                   {budget_, [&](std::function<void()> w, std::function<void()> t) {
                                      work = std::move(w);
                                      then = std::move(t);
                                    }}});
  http::Router router;
  api.AddRoutes(router);
  for (const char* target : {"/_tasks?detailed", "/_tasks?detailed&group_by=parents&format=yaml",
                             "/_tasks?detailed&size=100", "/_cat/tasks?detailed&s=action"}) {
    tasks_.clear();
    Add(1, target[1] == '_' && target[2] == 'c' ? 2000 : 100);
    for (TaskView& task : tasks_)
      if (tasks_.size() > 1000) task.description = "";
    work = nullptr;
    const auto exchange = Begin(router, http::Method::kGet, target);
    scheduler_.Advance(1s);
    ASSERT_TRUE(work) << target;
    EXPECT_FALSE(exchange->response.has_value()) << target;
    work();
    EXPECT_FALSE(exchange->response.has_value()) << "it is sent on the executor alone";
    then();
    ASSERT_TRUE(exchange->response.has_value()) << target;
    EXPECT_EQ(exchange->response->status, 200) << target;
  }
}

}  // namespace
}  // namespace quell::opensearch
