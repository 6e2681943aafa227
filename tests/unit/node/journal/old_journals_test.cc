// Goal: a journal of each format that there has been is brought up to date and loses nothing.
// Method: real SQLite files, filled by hand after the first migrations only, then opened.
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
using testing::IsEmpty;
using testing::SizeIs;

class OldJournalsTest : public testing::TestWithParam<std::size_t> {
 protected:
  void Fill() {
    auto old = sqlite::Database::Open(path(), JournalMigrations().first(GetParam()));
    ASSERT_THAT(old, IsOk());
    ASSERT_THAT(old->Begin(), IsOk());
    ASSERT_THAT(old->Run("UPDATE life SET incarnation = 4, next_number = 1001"), IsOk());
    // The first left two tombstones, which the formats before the eighth counted too often; the
    // last left none.
    const int marks = GetParam() < 8 ? 5 : 2;
    for (const auto& [id, task] :
         {std::pair(by_id_, std::optional(TaskId{kJournalNode, 7}.ToString())),
          std::pair(by_filter_, std::optional<std::string>())}) {
      ASSERT_THAT(old->Run("INSERT INTO intents(id, task, actions, requested_at, requested_by, "
                           "reason, cascade, grace_ms, marks) "
                           "VALUES(?1, ?2, ?3, 5, 'a', 'b', 1, 1000, ?4)",
                           id.view(), task, task ? std::optional<std::string>() : "[\"x/*\"]",
                           task ? marks : 0),
                  IsOk());
    }
    for (const int number : {7, 8}) {
      ASSERT_THAT(old->Run("INSERT INTO tombstones(number, intent, marked_at, requested_by, "
                           "reason, grace_ms, inherited, cascade) VALUES(?1, ?2, 5, 'a', 'b', "
                           "1000, ?3, 1)",
                           number, by_id_.view(), number == 8),
                  IsOk());
      ASSERT_THAT(old->Run("INSERT INTO receipts(number, intent, state, recorded_at, note) "
                           "VALUES(?1, ?2, 1, 5, 'a note')",
                           number, by_id_.view()),
                  IsOk());
    }
    ASSERT_THAT(old->Run("INSERT INTO ended(number, type, action, description, status, state, "
                         "cancellable, started_at, ran_nanos, ended_at, ancestors, headers, uid, "
                         "pid) VALUES(9, 'transport', 'report', 'the books', '', ?1, 1, ?2, 3000, "
                         "?2, '', '[]', 1, 2)",
                         TaskState::kFailed, MicrosSinceEpoch(clock_.Wall())),
                IsOk());
    if (GetParam() >= 4) {
      ASSERT_THAT(old->Run("INSERT INTO live(number, type, action, description, cancellable, "
                           "started_at, ancestors, headers, uid, pid, on_parent_lost, key, "
                           "lives_by, birth) VALUES(11, 'transport', 'work', 'of old', 1, 5, '', "
                           "'[]', 1, 2, 1, 'the key', 43, 44)"),
                  IsOk());
    }
    if (GetParam() >= 5) {
      ASSERT_THAT(old->Run("UPDATE intents SET owed = 1 WHERE task IS NOT NULL"), IsOk());
    }
    ASSERT_THAT(old->Commit(), IsOk());
  }

  void Open(std::size_t applied_max) {
    journal_.reset();
    SqliteJournalOptions options;
    options.node = kJournalNode;
    options.life = LifeId::Make(random_);
    options.applied_max = applied_max;
    auto opened = SqliteJournal::Open(path(), executor_, std::move(options));
    ASSERT_THAT(opened, IsOk());
    journal_ = std::move(opened->journal);
    state_ = std::move(opened->state);
  }
  void Drain() {
    journal_->Drain();
    context_.restart();
    context_.poll();
  }
  std::string path() const { return directory_.path() + "/node.db"; }

  const TempDirectory directory_;
  SystemClock clock_;
  boost::asio::io_context context_;
  AsioExecutor executor_{context_, clock_};
  SeededRandom random_{1};
  const IntentId by_id_ = IntentId::Make(random_);
  const IntentId by_filter_ = IntentId::Make(random_);
  std::unique_ptr<SqliteJournal> journal_;
  JournalState state_;
};

TEST_P(OldJournalsTest, KeepsWhatWasAppliedWhatHasEndedWhatLivesAndItsNumbers) {
  Fill();
  Open(100);
  EXPECT_EQ(state_.skipped_total, 0u);
  EXPECT_EQ(state_.incarnation, Incarnation{5});
  EXPECT_GE(state_.next_number, 1001u);
  EXPECT_EQ(state_.forgotten_below, 0u);
  EXPECT_THAT(state_.lives, SizeIs(1)) << "that of this start";
  EXPECT_THAT(state_.applied, ElementsAre(by_id_, by_filter_));
  EXPECT_THAT(state_.filters, IsEmpty()) << "what it had to be compared with was not kept";
  ASSERT_THAT(state_.tombstones, SizeIs(2));
  for (const Tombstone& tombstone : state_.tombstones) {
    EXPECT_EQ(tombstone.mark.intent, by_id_);
    EXPECT_EQ(tombstone.mark.grace, 1s);
    EXPECT_EQ(tombstone.mark.inherited, tombstone.number == 8);
  }
  ASSERT_THAT(state_.receipts, SizeIs(2));
  EXPECT_EQ(state_.receipts[0].note, "a note");
  EXPECT_THAT(state_.handoff, SizeIs(GetParam() >= 5 ? 1 : 0));
  ASSERT_THAT(state_.live, SizeIs(GetParam() >= 4 ? 1 : 0));
  for (const LiveTaskRecord& kept : state_.live) {
    EXPECT_EQ(kept.task.id.number, 11u);
    EXPECT_EQ(kept.key, "the key");
    EXPECT_EQ(kept.task.on_parent_lost, OnParentLost::kCancel);
    EXPECT_FALSE(kept.task.start_boot) << "it was not kept";
  }
  Result<Task> ended = Error{ErrorCode::kInternal, "no answer"};
  journal_->FindEnded(9, [&ended](Result<Task> task) { ended = std::move(task); });
  Drain();
  ASSERT_THAT(ended, IsOk());
  EXPECT_EQ(ended->state, TaskState::kFailed);
  EXPECT_EQ(ended->description, "the books");
  EXPECT_FALSE(ended->resources.cpu);
}

// Their number was wrong of old: then the intent would be kept for ever.
TEST_P(OldJournalsTest, CountsTheTombstonesOfAnIntentAnew) {
  Fill();
  Open(0);
  journal_->RecordHandedOver({by_id_});
  journal_->ForgetTombstones({7, 8});
  AppliedIntent last;
  last.intent.id = IntentId::Make(random_);
  last.intent.target = TaskId{kJournalNode, 12};
  journal_->RecordApplied(last, [](const Status& status) { EXPECT_THAT(status, IsOk()); });
  Drain();
  Open(0);
  EXPECT_THAT(state_.applied, testing::Not(testing::Contains(by_id_)));
}

INSTANTIATE_TEST_SUITE_P(EachFormat, OldJournalsTest,
                         testing::Range<std::size_t>(1, JournalMigrations().size() + 1));

}  // namespace
}  // namespace quell
