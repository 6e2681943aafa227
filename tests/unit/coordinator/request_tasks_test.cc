// Goal: a request is a task for as long as it is served, with its parts below it, and nothing else
// changes by that.
// Method: the real Coordinator on simulated time, with nodes that answer as the test says.
#include <gmock/gmock.h>

#include "tests/support/result_matchers.h"
#include "tests/unit/coordinator/coordinator_fixtures.h"

namespace quell {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using RequestsTest = CoordinatorTest;

TEST_F(RequestsTest, AListIsATaskWithAPartOnEachNodeAndSoAreTheRequestsBesideIt) {
  Join(Info(1));
  ListQuery query;
  query.as_task = RequestTask{{}, "why", {}, {{"X-Opaque-Id", "me"}}};
  std::optional<Result<Gathered>> first, second;
  const auto into = [](auto& to) { return [&to](Result<Gathered> got) { to = std::move(got); }; };
  coordinator_->List(query, 5s, NumberSinks(), into(first));
  const auto asked = nodes_.Take(1);
  ASSERT_TRUE(asked);
  const std::optional<RequestTask>& part = std::get<ListRequest>(asked->request).as_task;
  ASSERT_TRUE(part);
  EXPECT_EQ(part->action, "cluster:monitor/tasks/lists[n]");
  EXPECT_EQ(part->parent, (TaskId{Self().id, 1}));
  EXPECT_EQ(part->headers, query.as_task->headers);

  query.nodes.tokens = {Self().id.ToString()};
  coordinator_->List(query, 5s, NumberSinks(), into(second));
  query.as_task = std::nullopt;
  std::optional<Result<Gathered>> quiet;
  coordinator_->List(query, 5s, NumberSinks(), into(quiet));
  scheduler_.RunReady();
  const auto shown = [](const std::optional<Result<Gathered>>& got) {
    return static_cast<const NumbersSink&>(*(*got)->slots[0].sink).numbers;
  };
  ASSERT_TRUE(second && quiet);
  EXPECT_THAT(shown(second), ElementsAre(1, 2, 3, 4)) << "two lists and a part of each";
  EXPECT_EQ(std::get<ListReply>(*(*second)->slots[0].reply).count, 4u);
  EXPECT_THAT(shown(quiet), IsEmpty());
  EXPECT_FALSE(first);
  asked->sink->OnDone(ListReply{});
  scheduler_.RunReady();
  ASSERT_TRUE(first);
  EXPECT_THAT(shown(first), ElementsAre(1, 2)) << "the others have been answered";
}

TEST_F(RequestsTest, ARequestCanBeGotWhileItRunsAndNeverCancelled) {
  Join(Info(1));
  CancelQuery query = OneTask(TaskOf(1, 7));
  query.as_task = RequestTask{{}, "why"};
  const auto answer = Cancel(query);
  const std::string own = TaskOf(0, 1);
  const auto refused = Cancel(OneTask(own));
  scheduler_.RunReady();
  EXPECT_THAT(Describe(*refused->slot(0).failure), HasSubstr("support cancellation"));
  const auto get = [&](bool wait) {
    std::optional<Result<GetAnswer>> got;
    coordinator_->Get({*TaskIdText::Parse(own), wait}, 5s, NumberSinks(),
                      [&](Result<GetAnswer> found) { got = std::move(found); });
    scheduler_.RunReady();
    return std::move(*got);
  };
  EXPECT_THAT(get(false), IsOk());
  EXPECT_THAT(get(true), FailsWith(ErrorCode::kFailedPrecondition));
  AnswerWith(1, Error{ErrorCode::kNotFound, "gone"});
  ASSERT_TRUE(answer->got);
  EXPECT_THAT(get(false), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(file_.intents, IsEmpty());
}

TEST_F(RequestsTest, NumbersOfRequestsAreNotUsedAgainAfterACrash) {
  ListQuery query;
  query.as_task = RequestTask{};
  const auto list = [&] {
    std::vector<std::uint64_t> numbers;
    coordinator_->List(query, 5s, NumberSinks(), [&](Result<Gathered> got) {
      numbers = static_cast<const NumbersSink&>(*got->slots[0].sink).numbers;
    });
    scheduler_.RunReady();
    return numbers;
  };
  EXPECT_THAT(list(), IsEmpty()) << "none is reserved yet, and a list waits for no disk";
  scheduler_.Advance(1s);
  EXPECT_THAT(list(), ElementsAre(1, 2));
  Start();
  scheduler_.Advance(1s);
  EXPECT_THAT(list(), ElementsAre(limits::kIdBlock + 1, limits::kIdBlock + 2));
}

}  // namespace
}  // namespace quell
