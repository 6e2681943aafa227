// Goal: who waits for tasks holds a bounded number of entries, and gives them back.
// Method: the parts of a node alone, with a table that holds few entries.
#include "node/tasks/await_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/tasks/task_lifecycle.h"
#include "tests/support/memory_journal.h"
#include "tests/support/result_matchers.h"
#include "tests/support/sim_executor.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class EndWriter final : public ReplyWriter {
 public:
  explicit EndWriter(Executor& executor) : executor_(executor) {}
  void Tasks(std::span<const TaskView> page, std::function<void()> then) override {
    tasks += page.size();
    executor_.Post(std::move(then));
  }
  void Finish(Result<NodeReply> end) override { reply = std::move(end); }
  void OnGone(std::function<void()>) override {}

  std::size_t tasks = 0;
  std::optional<Result<NodeReply>> reply;

 private:
  Executor& executor_;
};

class WaitTableTest : public testing::Test {
 protected:
  void AddTasks(std::uint64_t count) {
    for (std::uint64_t number = 1; number <= count; ++number) {
      Task task;
      task.id = context_.IdOf(number);
      lifecycle_.Add(std::move(task), {}, session_, nullptr, false);
    }
    numbers_.RaiseTo(count + 1);
  }
  std::shared_ptr<EndWriter> AwaitAll() {
    auto writer = std::make_shared<EndWriter>(executor_);
    AwaitRequest request;
    request.which = TaskFilter{};
    request.limit = 1min;
    await_table_.Await(request, clock_.Now() + 1h, writer);
    scheduler_.Advance(50ms);
    return writer;
  }

  SimScheduler scheduler_;
  SimClock clock_{scheduler_};
  SimExecutor executor_{scheduler_, clock_};
  JournalFile file_;
  MemoryJournal journal_{executor_, file_};
  const NodeContext context_{NodeInfo{}, executor_};
  TaskIdAllocator numbers_{
      [this](std::uint64_t end, auto done) { journal_.ReserveNumbers(end, std::move(done)); }, 1};
  Registry registry_;
  Session session_;
  TaskLifecycle lifecycle_{context_, journal_, registry_, {}};
  TaskQueries queries_{context_, journal_, registry_, numbers_, lifecycle_, 1};
  AwaitTable await_table_{context_, registry_, numbers_, queries_, lifecycle_.events(), 10'000};
};

TEST_F(WaitTableTest, AFullTableRefusesAndWhoIsAnsweredGivesHisEntriesBack) {
  AddTasks(6000);
  const auto first = AwaitAll();
  EXPECT_FALSE(first->reply.has_value());
  const auto second = AwaitAll();
  ASSERT_TRUE(second->reply.has_value()) << "12,000 entries";
  EXPECT_THAT(*second->reply, FailsWith(ErrorCode::kResourceExhausted));
  EXPECT_THAT(second->reply->error().message, HasSubstr("10000 tasks are waited for"));
  scheduler_.Advance(2min);
  ASSERT_TRUE(first->reply.has_value()) << "its limit has passed";
  EXPECT_EQ(first->tasks, 6000u);
  const auto third = AwaitAll();
  EXPECT_FALSE(third->reply.has_value()) << "the entries were not given back";
  for (std::uint64_t number = 1; number <= 6000; ++number)
    ASSERT_THAT(lifecycle_.End(*registry_.Find(number), TaskState::kFailed), IsOk());
  scheduler_.Advance(1s);
  EXPECT_TRUE(third->reply.has_value()) << "all have ended";
}

}  // namespace
}  // namespace quell
