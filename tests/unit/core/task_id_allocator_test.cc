// Goal: no number is given out before it is reserved, or twice, whatever the disk and the
// coordinator do.
// Method: Numbers over the journal double on simulated time; crashes drop all but the file.
#include "core/task_id_allocator.h"

#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "tests/support/memory_journal.h"
#include "tests/support/result_matchers.h"
#include "tests/support/sim_executor.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class NumbersTest : public testing::Test {
 protected:
  NumbersTest() { Start(); }
  void Start() {
    executor_ = std::make_unique<SimExecutor>(scheduler_, clock_);
    journal_ = std::make_unique<MemoryJournal>(*executor_, file_);
    numbers_ = std::make_unique<TaskIdAllocator>(
        [this](std::uint64_t end, auto done) { journal_->ReserveNumbers(end, std::move(done)); },
        file_.Open(random_).next_number);
  }
  void Crash() {
    executor_->Kill();
    numbers_.reset();
    journal_.reset();
    executor_.reset();
    Start();
  }
  void Take(std::size_t count = 1) {
    numbers_->Take(count, [this](const Result<std::uint64_t>& first) {
      if (first) {
        EXPECT_LE(*first, file_.next_number) << "given out before it was reserved";
        taken_.push_back(*first);
      } else {
        errors_.push_back(first.error());
      }
    });
  }

  SimScheduler scheduler_;
  SeededRandom random_{1};
  SimClock clock_{scheduler_};
  JournalFile file_;
  std::unique_ptr<SimExecutor> executor_;
  std::unique_ptr<MemoryJournal> journal_;
  std::unique_ptr<TaskIdAllocator> numbers_;
  std::vector<std::uint64_t> taken_;
  std::vector<Error> errors_;
};

TEST_F(NumbersTest, BeginAtOneAndWaitForTheFirstReservation) {
  Take();
  EXPECT_THAT(taken_, IsEmpty());
  scheduler_.Advance(1ms);
  EXPECT_THAT(taken_, ElementsAre(1));
}

TEST_F(NumbersTest, AreGivenOutAtOnceWhenTheyAreReserved) {
  scheduler_.Advance(1ms);
  Take();
  Take(3);
  Take();
  EXPECT_THAT(taken_, ElementsAre(1, 2, 5));
  EXPECT_EQ(numbers_->next(), 6u);
}

TEST_F(NumbersTest, WhoMustNotWaitGetsOneOnlyIfItIsReserved) {
  EXPECT_EQ(numbers_->TryTake(), std::nullopt);
  scheduler_.Advance(1s);
  EXPECT_EQ(numbers_->TryTake(), 1u);
  for (std::uint64_t i = 1; i < limits::kIdBlock; ++i)
    EXPECT_LE(numbers_->TryTake(), file_.next_number);
  scheduler_.Advance(1s);
  EXPECT_EQ(numbers_->TryTake(), limits::kIdBlock + 1);
}

TEST_F(NumbersTest, AreReservedAheadBeforeTheyRunOut) {
  scheduler_.Advance(1ms);
  Take(limits::kIdBlock / 2 + 1);
  scheduler_.Advance(1ms);
  EXPECT_EQ(file_.next_number, 2 * limits::kIdBlock + 1);
}

TEST_F(NumbersTest, ComeInOneRowForABatchLargerThanABlock) {
  scheduler_.Advance(1ms);
  Take();
  Take(3 * limits::kIdBlock);
  Take();
  scheduler_.Advance(5ms);
  EXPECT_THAT(taken_, ElementsAre(1, 2, 2 + 3 * limits::kIdBlock));
}

TEST_F(NumbersTest, AreNeverUsedAgainAfterACrash) {
  scheduler_.Advance(1ms);
  Take(10);
  Crash();
  scheduler_.Advance(1ms);
  Take();
  EXPECT_THAT(taken_, ElementsAre(1, limits::kIdBlock + 1));
}

TEST_F(NumbersTest, AreNotUsedAgainIfTheReservationWasDurableAndNotReported) {
  file_.disk.report_max = 10ms;
  journal_->ReserveNumbers(5000, [](const Status&) {});
  scheduler_.Advance(3ms);
  Crash();
  scheduler_.Advance(20ms);
  Take();
  EXPECT_THAT(taken_, ElementsAre(5000));
}

TEST_F(NumbersTest, AFullDiskFailsWhoeverWaitsAndLosesNothing) {
  scheduler_.Advance(1ms);
  file_.disk.error = Error{ErrorCode::kResourceExhausted, "node.db: the disk is full"};
  Take(2 * limits::kIdBlock);
  scheduler_.Advance(1ms);
  ASSERT_EQ(errors_.size(), 1u);
  EXPECT_EQ(errors_[0], *file_.disk.error);
  Take(5);  // What is reserved already needs no disk.
  file_.disk.error.reset();
  Take(2 * limits::kIdBlock);
  scheduler_.Advance(5ms);
  EXPECT_THAT(taken_, ElementsAre(1, 6));
}

TEST_F(NumbersTest, AreRaisedWhenTheCoordinatorKnowsHigherOnes) {
  scheduler_.Advance(1ms);
  numbers_->RaiseTo(70'000);
  EXPECT_EQ(numbers_->next(), 70'000u);
  Take();
  EXPECT_THAT(taken_, IsEmpty()) << "70000 is not reserved yet";
  scheduler_.Advance(5ms);
  EXPECT_THAT(taken_, ElementsAre(70'000));
  numbers_->RaiseTo(5);
  EXPECT_EQ(numbers_->next(), 70'001u);
}

TEST_F(NumbersTest, RunOutOnlyBeyondWhatJsonCanSay) {
  numbers_->RaiseTo(TaskId::kNumberMax);
  Take(2);
  scheduler_.Advance(5ms);
  ASSERT_EQ(errors_.size(), 1u);
  EXPECT_EQ(errors_[0].code, ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace quell
