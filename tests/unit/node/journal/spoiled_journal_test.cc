// Goal: a row of the journal that cannot be read costs itself alone: it is named, and the node
// starts. Method: a real SQLite file, in which single columns are spoiled between two lives.
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/asio_executor.h"
#include "host/system_clock.h"
#include "node/journal/journal_rows.h"
#include "node/journal/sqlite_journal.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"
#include "tests/unit/node/journal/journal_values.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class SpoiledJournalTest : public testing::Test {
 protected:
  Result<SqliteJournal::Opened> TryOpen() {
    SqliteJournalOptions options;
    options.node = kJournalNode;
    options.life = LifeId::Make(random_);
    return SqliteJournal::Open(directory_.path() + "/node.db", executor_, std::move(options));
  }
  void Open() {
    journal_.reset();
    auto opened = TryOpen();
    ASSERT_THAT(opened, IsOk());
    journal_ = std::move(opened->journal);
    state_ = std::move(opened->state);
  }
  // The node ends; each statement spoils something.
  void Spoil(const std::vector<const char*>& statements) {
    journal_.reset();
    auto database = sqlite::Database::Open(directory_.path() + "/node.db", JournalMigrations());
    ASSERT_THAT(database, IsOk());
    for (const char* sql : statements)
      ASSERT_THAT(database->Run(sql), IsOk()) << sql;
  }
  // Everything that was submitted is done, and its callbacks have run.
  void Drain() {
    journal_->Drain();
    context_.restart();
    context_.poll();
  }

  static Task Ended(std::uint64_t number) {
    Task task;
    task.id = {kJournalNode, number};
    task.action = "report/daily";
    task.state = TaskState::kFailed;
    task.start_wall = kJournalWall;
    task.end_mono = task.start_mono + 3s;
    task.end_wall = kJournalWall + 3s;
    task.ancestors = {{kJournalNode, 3}};
    return task;
  }
  IntentId Cancel(const std::vector<std::uint64_t>& numbers) {
    AppliedIntent applied;
    applied.intent.id = IntentId::Make(random_);
    applied.intent.target = TaskId{kJournalNode, numbers.front()};
    for (const std::uint64_t number : numbers)
      applied.tombstones.push_back(
          {number, {applied.intent.id, kJournalWall, "me", "", 1s, false}});
    journal_->RecordApplied(applied, [](const Status& done) { EXPECT_THAT(done, IsOk()); });
    Drain();
    return applied.intent.id;
  }
  std::vector<Task> List() {
    std::vector<Task> listed;
    journal_->ListEnded(kJournalWall - 1h, 0, [&listed](Result<std::vector<Task>> found) {
      ASSERT_THAT(found, IsOk());
      listed = std::move(*found);
    });
    Drain();
    return listed;
  }

  const TempDirectory directory_;
  SystemClock clock_;
  boost::asio::io_context context_;
  AsioExecutor executor_{context_, clock_};
  SeededRandom random_{1};
  std::unique_ptr<SqliteJournal> journal_;
  JournalState state_;
};

TEST_F(SpoiledJournalTest, ARowThatMakesNoSenseCostsItselfAloneAndIsNamed) {
  Open();
  const IntentId intent = Cancel({7, 8});
  std::vector<LiveTaskRecord> live(2);
  live[0].task = Ended(20);
  live[1].task = Ended(21);
  journal_->RecordLive(live, [](const Status&) {});
  journal_->RecordEnded({Ended(30), Ended(31)}, [](const Status&) {});
  Drain();
  Spoil({"UPDATE tombstones SET intent = 'nonsense' WHERE number = 7",
         "UPDATE live SET ancestors = 'AAAAAAAAAAAAAAAAAAAAAA:3' WHERE number = 20",
         "UPDATE ended SET started_at = -1 WHERE number = 30",
         "INSERT INTO intents(id, actions, requested_at, requested_by, reason, cascade, grace_ms, "
         "arrival_boot) VALUES('nonsense', '[]', 1, 'somebody', '', 1, 0, 'boot')",
         "UPDATE lives SET id = 'nonsense'"});
  Open();
  ASSERT_THAT(state_.tombstones, SizeIs(1));
  EXPECT_EQ(state_.tombstones.front().number, 8U);
  ASSERT_THAT(state_.live, SizeIs(1));
  EXPECT_EQ(state_.live.front().task.id.number, 21U);
  EXPECT_THAT(state_.applied, ElementsAre(intent));
  std::vector<std::string> named;
  for (const SkippedRow& row : state_.skipped)
    named.push_back(row.row);
  EXPECT_THAT(named, testing::UnorderedElementsAre(
                         "intent nonsense", "filter of the intent nonsense", "cancel of the task 7",
                         "live task 20", "life nonsense"));
  EXPECT_EQ(state_.skipped_total, named.size());
  EXPECT_THAT(state_.skipped[3].why, HasSubstr("ancestors"));
  EXPECT_THAT(state_.lives, SizeIs(1)) << "the present one";

  const std::vector<Task> listed = List();
  ASSERT_THAT(listed, SizeIs(1));
  EXPECT_EQ(listed.front().id.number, 31U);
  std::optional<Result<Task>> found;
  journal_->FindEnded(30, [&found](Result<Task> task) { found = std::move(task); });
  Drain();
  ASSERT_TRUE(found);
  EXPECT_THAT(*found, FailsWith(ErrorCode::kInternal, "1970"));
}

TEST_F(SpoiledJournalTest, ManyRowsThatMakeNoSenseAreCountedAndTheFirstNamed) {
  Open();
  std::vector<std::uint64_t> numbers(limits::kSkippedRowsNamed + 5);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = 1 + i;
  Cancel(numbers);
  Spoil({"UPDATE tombstones SET grace_ms = -1"});
  Open();
  EXPECT_THAT(state_.tombstones, IsEmpty());
  EXPECT_THAT(state_.skipped, SizeIs(limits::kSkippedRowsNamed));
  EXPECT_EQ(state_.skipped_total, numbers.size());
}

// The reader of a list takes a short page for the last one.
TEST_F(SpoiledJournalTest, WhatCannotBeReadDoesNotMakeAPageShort) {
  Open();
  std::vector<Task> ended;
  for (std::uint64_t number = 1; number <= limits::kPageTasks + 10; ++number)
    ended.push_back(Ended(number));
  journal_->RecordEnded(std::move(ended), [](const Status&) {});
  Drain();
  Spoil({"UPDATE ended SET headers = 'x' WHERE number < 6"});
  Open();
  const std::vector<Task> page = List();
  ASSERT_THAT(page, SizeIs(limits::kPageTasks));
  EXPECT_EQ(page.front().id.number, 6U);
  EXPECT_EQ(page.back().id.number, limits::kPageTasks + 5);
}

TEST_F(SpoiledJournalTest, RefusesAFileThatDoesNotSayWhichNumbersAreGivenOut) {
  Open();
  Spoil({"UPDATE life SET next_number = -5"});
  EXPECT_THAT(TryOpen(), FailsWith(ErrorCode::kInternal, "node.db"));
}

}  // namespace
}  // namespace quell
