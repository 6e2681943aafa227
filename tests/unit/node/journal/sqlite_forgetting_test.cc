// Goal: the journal forgets the tombstones that it is told to, all that belongs to them, and
// nothing else; its file is reused. Method: real SQLite files, reopened.
#include <filesystem>

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
using testing::SizeIs;

class SqliteForgettingTest : public testing::Test {
 protected:
  std::string path() const { return directory_.path() + "/node.db"; }
  void Open(SqliteJournalOptions options = {}) {
    journal_.reset();
    options.node = kJournalNode;
    auto opened = SqliteJournal::Open(path(), executor_, std::move(options));
    ASSERT_THAT(opened, IsOk());
    journal_ = std::move(opened->journal);
    state_ = std::move(opened->state);
  }
  Status Record(AppliedIntent applied) {
    Status done = Error{ErrorCode::kInternal, "no answer"};
    journal_->RecordApplied(std::move(applied), [&done](const Status& status) { done = status; });
    journal_->Drain();
    context_.restart();
    context_.poll();
    return done;
  }
  AppliedIntent Applied(const std::vector<std::uint64_t>& numbers) {
    AppliedIntent applied;
    applied.intent.id = IntentId::Make(random_);
    applied.intent.target = TaskId{kJournalNode, numbers.empty() ? 1 : numbers.front()};
    for (const std::uint64_t number : numbers) {
      Tombstone tombstone;
      tombstone.number = number;
      tombstone.mark.intent = applied.intent.id;
      applied.tombstones.push_back(tombstone);
      Receipt receipt;
      receipt.task = {kJournalNode, number};
      receipt.intent = applied.intent.id;
      applied.receipts.push_back(receipt);
    }
    return applied;
  }
  static Task Ended(std::uint64_t number) {
    Task task;
    task.id = {kJournalNode, number};
    task.action = "work";
    task.state = TaskState::kCancelled;
    task.end_wall = WallTime(1'700'000'000s);
    return task;
  }

  const TempDirectory directory_;
  SystemClock clock_;
  boost::asio::io_context context_;
  AsioExecutor executor_{context_, clock_};
  SeededRandom random_{1};
  std::unique_ptr<SqliteJournal> journal_;
  JournalState state_;
};

TEST_F(SqliteForgettingTest, ForgetsTombstonesWithTheirReceiptsAndThenTheirIntents) {
  SqliteJournalOptions options;
  options.applied_max = 0;
  Open(options);
  const AppliedIntent gone = Applied({7, 8});
  const AppliedIntent half = Applied({9, 10});
  ASSERT_THAT(Record(gone), IsOk());
  ASSERT_THAT(Record(gone), IsOk()) << "written again, it counts once";
  ASSERT_THAT(Record(half), IsOk());
  journal_->ForgetTombstones({7, 8, 9});
  const AppliedIntent last = Applied({11});
  ASSERT_THAT(Record(last), IsOk());
  Open(options);
  EXPECT_THAT(state_.applied, ElementsAre(half.intent.id, last.intent.id));
  ASSERT_THAT(state_.tombstones, SizeIs(2));
  EXPECT_EQ(state_.tombstones[0], half.tombstones[1]);
  EXPECT_THAT(state_.receipts, SizeIs(2));
  EXPECT_EQ(state_.forgotten_below, 10u);
}

TEST_F(SqliteForgettingTest, AnIntentWhoseMarksWereWrittenBeforeItIsForgottenToo) {
  SqliteJournalOptions options;
  options.applied_max = 1;
  Open(options);
  const AppliedIntent early = Applied({7, 8});
  AppliedIntent other = Applied({9});
  other.tombstones.insert(other.tombstones.end(), early.tombstones.begin(), early.tombstones.end());
  ASSERT_THAT(Record(other), IsOk());
  ASSERT_THAT(Record(early), IsOk());
  journal_->ForgetTombstones({7, 8, 9});
  const AppliedIntent last = Applied({10});
  ASSERT_THAT(Record(last), IsOk());
  ASSERT_THAT(Record(last), IsOk());
  Open(options);
  EXPECT_THAT(state_.applied, testing::Not(testing::Contains(early.intent.id)));
  EXPECT_THAT(state_.applied, testing::Contains(last.intent.id));
}

TEST_F(SqliteForgettingTest, DoesNotForgetWhatIsOwed) {
  SqliteJournalOptions options;
  options.applied_max = 0;
  Open(options);
  AppliedIntent handoff = Applied({7});
  handoff.handoff = true;
  ASSERT_THAT(Record(handoff), IsOk());
  journal_->ForgetTombstones({7});
  ASSERT_THAT(Record(Applied({8})), IsOk());
  Open(options);
  EXPECT_THAT(state_.handoff, ElementsAre(handoff.intent));
}

TEST_F(SqliteForgettingTest, TombstonesComeBackInTheOrderInWhichTheirTasksEnded) {
  Open();
  ASSERT_THAT(Record(Applied({1, 2, 3, 4})), IsOk());
  for (const std::uint64_t number : {3, 1, 4})
    journal_->RecordEnded({Ended(number)}, {});
  Open();
  std::vector<std::uint64_t> numbers;
  for (const Tombstone& tombstone : state_.tombstones)
    numbers.push_back(tombstone.number);
  EXPECT_THAT(numbers, ElementsAre(3, 1, 4, 2)) << "2 is not known to have ended";
}

TEST_F(SqliteForgettingTest, TheFileOfALongLifeIsNoLargerThanThatOfAShortOne) {
  SqliteJournalOptions options;
  options.applied_max = 10;
  options.ended.count = 10;
  Open(options);
  const auto live = [this](std::uint64_t first) {
    for (std::uint64_t number = first; number < first + 500; ++number) {
      journal_->RecordApplied(Applied({number}), [](const Status&) {});
      journal_->RecordEnded({Ended(number)}, {});
      journal_->ForgetTombstones({number});
    }
    journal_.reset();  // The log goes into the file.
    return std::filesystem::file_size(path());
  };
  const auto before = live(1);
  for (std::uint64_t first = 501; first < 5001; first += 500) {
    Open(options);
    live(first);
  }
  EXPECT_LE(std::filesystem::file_size(path()), before + before / 4);
}

TEST_F(SqliteForgettingTest, AFileOfBeforeTombstonesWereForgottenIsRead) {
  const Intent intent = Applied({7}).intent;
  {
    auto database = sqlite::Database::Open(path(), JournalMigrations().first(5));
    ASSERT_THAT(database, IsOk());
    ASSERT_THAT(database->Run("UPDATE life SET incarnation = 4, next_number = 1001"), IsOk());
    ASSERT_THAT(database->Run("INSERT INTO tombstones VALUES(7, ?1, 5, 'a', 'b', 1000, 0, 1)",
                              intent.id.view()),
                IsOk());
    // It has been written twice, and was counted twice.
    ASSERT_THAT(database->Run("INSERT INTO intents(id, task, requested_at, requested_by, reason, "
                              "cascade, grace_ms, marks) VALUES(?1, ?2, 5, 'a', 'b', 1, 1000, 2)",
                              intent.id.view(), intent.task()->ToString()),
                IsOk());
  }
  SqliteJournalOptions options;
  options.applied_max = 0;
  Open(options);
  EXPECT_EQ(state_.incarnation, Incarnation{5});
  EXPECT_THAT(state_.applied, ElementsAre(intent.id));
  ASSERT_THAT(state_.tombstones, SizeIs(1));
  EXPECT_EQ(state_.forgotten_below, 0u);
  journal_->ForgetTombstones({7});
  ASSERT_THAT(Record(Applied({})), IsOk());
  Open(options);
  EXPECT_THAT(state_.applied, testing::Not(testing::Contains(intent.id)));
}

}  // namespace
}  // namespace quell
