// Goal: the journal double forgets in a crash exactly what a real one may forget, and no more.
// Method: a journal on simulated time, killed at chosen moments; then the file is opened again.
#include "tests/support/memory_journal.h"

#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/result_matchers.h"
#include "tests/support/sim_executor.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class MemoryJournalTest : public testing::Test {
 protected:
  MemoryJournalTest() {
    file_.disk.commit_min = file_.disk.commit_max = 10ms;
    file_.disk.behind_max = 100ms;
    Start();
  }
  void Start() {
    executor_ = std::make_unique<SimExecutor>(scheduler_, clock_);
    journal_ = std::make_unique<MemoryJournal>(*executor_, file_);
  }
  void Crash() {
    executor_->Kill();
    journal_.reset();
    executor_.reset();
    Start();
  }
  Journal::Done Note(std::string name) {
    return [this, name = std::move(name)](const Status& status) {
      told_.push_back(name + (status ? "" : " " + std::string(ToString(status.error().code))));
    };
  }
  AppliedIntent Applied(std::uint64_t number, std::string by = "somebody") {
    AppliedIntent applied;
    applied.intent.id = IntentId::Make(random_);
    applied.tombstones.push_back(
        {number, CancelMark{applied.intent.id, clock_.Wall(), std::move(by), "", 0ms, false}});
    return applied;
  }

  SimScheduler scheduler_;
  SimClock clock_{scheduler_};
  SeededRandom random_{1};
  JournalFile file_;
  std::unique_ptr<SimExecutor> executor_;
  std::unique_ptr<MemoryJournal> journal_;
  std::vector<std::string> told_;
};

TEST_F(MemoryJournalTest, WhatIsWrittenBehindComesAfterTheCommitsBeforeIt) {
  file_.disk.commit_min = file_.disk.commit_max = 1s;
  journal_->RecordApplied(Applied(7), Note("applied"));
  journal_->ForgetTombstones({7});
  scheduler_.Advance(2s);
  EXPECT_THAT(file_.tombstones, IsEmpty());
}

TEST_F(MemoryJournalTest, ReportsCommitsInTheOrderOfTheCallsAndNotInsideThem) {
  journal_->ReserveNumbers(1001, Note("reserve"));
  journal_->RecordApplied(Applied(1), Note("apply"));
  EXPECT_THAT(told_, IsEmpty());
  scheduler_.Advance(10ms);
  EXPECT_THAT(told_, ElementsAre("reserve", "apply"));
}

TEST_F(MemoryJournalTest, LosesWhatIsNotCommittedInACrash) {
  journal_->ReserveNumbers(1001, Note("reserve"));
  scheduler_.Advance(9ms);
  Crash();
  scheduler_.Advance(1s);
  EXPECT_EQ(file_.Open(random_).next_number, 1u);
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(MemoryJournalTest, KeepsWhatIsCommittedOverACrash) {
  const AppliedIntent applied = Applied(7);
  journal_->ReserveNumbers(1001, Note("reserve"));
  journal_->RecordApplied(applied, Note("apply"));
  scheduler_.Advance(10ms);
  Crash();
  const JournalState state = file_.Open(random_);
  EXPECT_EQ(state.next_number, 1001u);
  EXPECT_THAT(state.applied, ElementsAre(applied.intent.id));
  EXPECT_THAT(state.tombstones, ElementsAre(applied.tombstones[0]));
}

TEST_F(MemoryJournalTest, CanBeDurableWithoutHavingSaidSo) {
  SeededRandom random(3);
  file_.disk.report_max = 10ms;
  journal_ = std::make_unique<MemoryJournal>(*executor_, file_, &random);
  journal_->ReserveNumbers(1001, Note("reserve"));
  ASSERT_TRUE(scheduler_.RunUntil([this] { return file_.next_number == 1001; }, 1s));
  Crash();
  scheduler_.Advance(1s);
  EXPECT_THAT(told_, IsEmpty());
  EXPECT_EQ(file_.Open(random_).next_number, 1001u);
}

TEST_F(MemoryJournalTest, RaisesTheIncarnationWithEachStart) {
  EXPECT_EQ(file_.Open(random_).incarnation, Incarnation{1});
  EXPECT_EQ(file_.Open(random_).incarnation, Incarnation{2});
}

TEST_F(MemoryJournalTest, KeepsNothingOfAFailedCommit) {
  file_.disk.fail_next = 1;
  journal_->RecordApplied(Applied(7), Note("refused"));
  journal_->RecordApplied(Applied(8), Note("kept"));
  scheduler_.Advance(10ms);
  EXPECT_THAT(told_, ElementsAre("refused resource_exhausted", "kept"));
  EXPECT_EQ(file_.tombstones.count(7), 0u);
  EXPECT_EQ(file_.tombstones.count(8), 1u);
}

TEST_F(MemoryJournalTest, KeepsTheFirstMarkOfATask) {
  journal_->RecordApplied(Applied(7, "first"), Note("first"));
  journal_->RecordApplied(Applied(7, "second"), Note("second"));
  scheduler_.Advance(10ms);
  EXPECT_EQ(file_.tombstones.at(7).mark.by, "first");
  EXPECT_EQ(file_.applied.size(), 2u);
}

TEST_F(MemoryJournalTest, AddsWhatIsNewWhenAnIntentIsRecordedAgain) {
  AppliedIntent applied = Applied(7);
  journal_->RecordApplied(applied, Note("once"));
  applied.tombstones = {applied.tombstones[0], {8, applied.tombstones[0].mark}};
  journal_->RecordApplied(applied, Note("twice"));
  scheduler_.Advance(10ms);
  EXPECT_EQ(file_.applied.at(applied.intent.id).tombstones.size(), 2u);
  EXPECT_EQ(file_.tombstones.size(), 2u);
}

TEST_F(MemoryJournalTest, FindsAnEndedTaskBeforeItIsDurableAndMayLoseIt) {
  Task task;
  task.id.number = 5;
  task.action = "ended";
  journal_->RecordEnded({task}, {});
  std::vector<std::string> found;
  const auto note = [&found](const Result<Task>& result) {
    found.push_back(result ? result->action : std::string(ToString(result.error().code)));
  };
  journal_->FindEnded(5, note);
  scheduler_.Advance(10ms);
  Crash();
  journal_->FindEnded(5, note);
  scheduler_.Advance(10ms);
  EXPECT_THAT(found, ElementsAre("ended", "not_found"));
}

}  // namespace
}  // namespace quell
