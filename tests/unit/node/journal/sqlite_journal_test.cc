// Goal: what the journal has acknowledged is there after kill -9, and a disk that fails loses
// nothing of it.
// Method: real SQLite files; a child process that is killed in the middle of its work; a file size
// limit as a full disk.
#include "node/journal/sqlite_journal.h"

#include <csignal>
#include <filesystem>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/asio_executor.h"
#include "host/file.h"
#include "host/system_clock.h"
#include "node/journal/journal_rows.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"
#include "tests/unit/node/journal/journal_values.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;
using testing::SizeIs;

class SqliteJournalTest : public testing::Test {
 protected:
  std::string path() const { return directory_.path() + "/node.db"; }
  void Open(SqliteJournalOptions options = {}) {
    journal_.reset();
    options.node = kJournalNode;
    if (options.life.is_null()) options.life = LifeId::Make(random_);
    auto opened = SqliteJournal::Open(path(), executor_, std::move(options));
    ASSERT_THAT(opened, IsOk());
    journal_ = std::move(opened->journal);
    state_ = std::move(opened->state);
  }
  void OpenIn(const LifeId& life) {
    SqliteJournalOptions options;
    options.life = life;
    Open(std::move(options));
  }
  // Everything that was submitted is done, and its callbacks have run.
  void Drain() {
    journal_->Drain();
    context_.restart();
    context_.poll();
  }
  Journal::Done Keep(std::optional<Status>& to) {
    return [&to](Status status) { to = std::move(status); };
  }
  Status Record(AppliedIntent applied) {
    std::optional<Status> done;
    journal_->RecordApplied(std::move(applied), Keep(done));
    Drain();
    if (!done) return Error{ErrorCode::kInternal, "no answer"};
    return *done;
  }
  Result<Task> FindEnded(std::uint64_t number) {
    Result<Task> found = Error{ErrorCode::kInternal, "no answer"};
    journal_->FindEnded(number, [&found](Result<Task> task) { found = std::move(task); });
    Drain();
    return found;
  }

  AppliedIntent Applied(std::vector<std::uint64_t> numbers, std::string by = "somebody") {
    AppliedIntent applied;
    applied.intent.id = IntentId::Make(random_);
    applied.intent.target = TaskId{kJournalNode, numbers.empty() ? 1 : numbers.front()};
    applied.intent.requested_at = kJournalWall;
    applied.intent.by = by;
    for (const std::uint64_t number : numbers) {
      Tombstone tombstone;
      tombstone.number = number;
      tombstone.mark = {applied.intent.id, kJournalWall + 5us, by, "it's \"why\"", 1500ms,
                        number % 2 == 0};
      applied.tombstones.push_back(tombstone);
      Receipt receipt;
      receipt.task = {kJournalNode, number};
      receipt.intent = applied.intent.id;
      receipt.recorded_at = kJournalWall + 5us;
      applied.receipts.push_back(receipt);
    }
    return applied;
  }
  Intent Filter(std::vector<std::string> actions, std::optional<TaskId> parent = {}) {
    Intent intent;
    intent.id = IntentId::Make(random_);
    intent.target = TaskFilter{std::move(actions), parent};
    intent.requested_at = kJournalWall;
    intent.moment = {"their boot", BootTime(123456789ns)};
    intent.by = "somebody";
    intent.reason = "all of them";
    intent.cascade = false;
    intent.grace = 3s;
    return intent;
  }
  Task Ended(std::uint64_t number) const {
    Task task;
    task.id = {kJournalNode, number};
    task.action = "report/daily";
    task.description = "the books";
    task.status_json = R"({"phase":1.0})";
    task.state = TaskState::kFailed;
    task.cancellable = false;
    task.start_wall = kJournalWall;
    task.start_mono = MonoTime(100s);
    task.end_mono = MonoTime(103s);
    task.end_wall = kJournalWall + 3s;
    task.ancestors = {{kJournalNode, 3}, {*NodeId::Parse("OOOOOOOOOOOOOOOOOOOOOg"), 4}};
    task.headers = {{"X-Opaque-Id", "a \"b\""}, {"traceparent", "00-1"}};
    task.owner_uid = 4'000'000'000;
    task.pid = 42;
    return task;
  }

  LiveTaskRecord Live(std::uint64_t number) const {
    LiveTaskRecord kept;
    kept.task = Ended(number);
    kept.task.on_parent_lost = OnParentLost::kCancel;
    kept.key = "the key";
    kept.task.start_boot = BootTime(98765ns);
    kept.boot_id = "our boot";
    kept.lives_by = {43, 0xFFFF'FFFF'FFFF'FFF0U};
    return kept;
  }

  const TempDirectory directory_;
  SystemClock clock_;
  boost::asio::io_context context_;
  AsioExecutor executor_{context_, clock_};
  SeededRandom random_{1};
  std::unique_ptr<SqliteJournal> journal_;
  JournalState state_;
};

TEST_F(SqliteJournalTest, BeginsEmptyInItsFirstLife) {
  Open();
  EXPECT_EQ(state_.incarnation, Incarnation{1});
  EXPECT_EQ(state_.next_number, 1u);
  EXPECT_THAT(state_.applied, IsEmpty());
  EXPECT_THAT(state_.tombstones, IsEmpty());
}

TEST_F(SqliteJournalTest, EachStartIsANewLife) {
  Open();
  Open();
  EXPECT_EQ(state_.incarnation, Incarnation{2});
  Open();
  EXPECT_EQ(state_.incarnation, Incarnation{3});
}

TEST_F(SqliteJournalTest, NeverLowersTheReservedEnd) {
  Open();
  std::optional<Status> done;
  journal_->ReserveNumbers(1001, Keep(done));
  journal_->ReserveNumbers(501, Keep(done));
  Drain();
  ASSERT_TRUE(done.has_value()) << "no answer";
  Open();
  EXPECT_EQ(state_.next_number, 1001u);
}

TEST_F(SqliteJournalTest, BringsBackWhatWasApplied) {
  Open();
  const AppliedIntent applied = Applied({7, 8});
  ASSERT_THAT(Record(applied), IsOk());
  Open();
  EXPECT_THAT(state_.applied, ElementsAre(applied.intent.id));
  EXPECT_EQ(state_.tombstones, applied.tombstones);
  EXPECT_EQ(state_.receipts, applied.receipts);
  EXPECT_THAT(state_.filters, IsEmpty());
}

TEST_F(SqliteJournalTest, KeepsTheFirstMarkAndOnlyMakesItStronger) {
  Open();
  AppliedIntent first = Applied({7}, "first");
  first.tombstones[0].cascade = false;
  AppliedIntent second = Applied({7}, "second");
  second.tombstones[0].mark.grace = 1ms;
  ASSERT_THAT(Record(first), IsOk());
  ASSERT_THAT(Record(second), IsOk());
  Open();
  EXPECT_THAT(state_.applied, ElementsAre(first.intent.id, second.intent.id));
  ASSERT_THAT(state_.tombstones, SizeIs(1));
  EXPECT_EQ(state_.tombstones[0].mark.by, "first");
  EXPECT_EQ(state_.tombstones[0].mark.grace, 1ms);
  EXPECT_TRUE(state_.tombstones[0].cascade);
  ASSERT_THAT(state_.receipts, SizeIs(1));
  EXPECT_EQ(state_.receipts[0].intent, first.intent.id);
}

TEST_F(SqliteJournalTest, AddsWhatIsNewWhenAnIntentIsRecordedAgain) {
  Open();
  AppliedIntent applied = Applied({7});
  ASSERT_THAT(Record(applied), IsOk());
  AppliedIntent more = Applied({8});
  more.intent = applied.intent;
  more.tombstones[0].mark.intent = applied.intent.id;
  ASSERT_THAT(Record(more), IsOk());
  Open();
  EXPECT_THAT(state_.applied, SizeIs(1));
  EXPECT_THAT(state_.tombstones, SizeIs(2));
}

TEST_F(SqliteJournalTest, BringsBackFiltersInTheirOrder) {
  Open();
  const AppliedFilter one{Filter({"build:*", "a \"b\""}), {{"our boot", BootTime(7ns)}, 5, 9}};
  const AppliedFilter two{Filter({}, TaskId{kJournalNode, 9}),
                          {{"our boot", BootTime(9ns)}, 0, 12}};
  for (const AppliedFilter& filter : {one, two}) {
    AppliedIntent applied;
    applied.intent = filter.intent;
    applied.arrival = filter.arrival;
    ASSERT_THAT(Record(applied), IsOk());
    applied.arrival = {{"another boot", BootTime(1ns)}, 1, 2};
    ASSERT_THAT(Record(applied), IsOk());
  }
  Open();
  EXPECT_THAT(state_.filters, ElementsAre(one, two)) << "the first arrival stays";
}

TEST_F(SqliteJournalTest, KnowsItsLastLivesAndWhereTheirNumbersBegan) {
  std::vector<Life> lives;
  for (std::size_t i = 0; i < limits::kLivesKept + 2; ++i) {
    const std::uint64_t first = lives.empty() ? 1 : 100 * lives.size();
    lives.push_back({LifeId::Make(random_), first, {}});
    OpenIn(lives.back().id);
    if (i % 2 == 0) {
      lives.back().joined_number = first + 7;
      journal_->RecordJoined(first + 7);
      journal_->RecordJoined(first + 8);  // Only the first join says what was given out before.
    }
    journal_->ReserveNumbers(100 * lives.size(), [](const Status&) {});
    Drain();
  }
  lives.erase(lives.begin(), lives.begin() + 2);
  EXPECT_EQ(state_.lives.back().joined_number, std::nullopt) << "as it began";
  lives.push_back({LifeId::Make(random_), 100 * (lives.size() + 2), {}});
  OpenIn(lives.back().id);
  lives.erase(lives.begin());
  EXPECT_EQ(state_.lives, lives);
}

TEST_F(SqliteJournalTest, ForgetsTheOldestIntentsThatHitNothingAndNoOthers) {
  SqliteJournalOptions options;
  options.applied_max = 3;
  Open(options);
  const AppliedIntent hit = Applied({7});
  ASSERT_THAT(Record(hit), IsOk());
  std::vector<IntentId> empty;
  for (int i = 0; i < 5; ++i) {
    const AppliedIntent applied = Applied({});
    empty.push_back(applied.intent.id);
    ASSERT_THAT(Record(applied), IsOk());
  }
  Open();
  EXPECT_THAT(state_.applied, ElementsAre(hit.intent.id, empty[2], empty[3], empty[4]));
}

TEST_F(SqliteJournalTest, BringsBackTheLastReceiptAndForgetsNoTimeInIt) {
  Open();
  const AppliedIntent applied = Applied({7});
  ASSERT_THAT(Record(applied), IsOk());
  Receipt receipt = applied.receipts[0];
  receipt.state = ReceiptState::kDeferred;
  receipt.delivered_at = kJournalWall + 1s;
  receipt.acknowledged_at = kJournalWall + 2s;
  receipt.note = "in a shield";
  journal_->RecordReceipt(receipt);
  Receipt later = applied.receipts[0];
  later.state = ReceiptState::kEnded;
  later.ended_at = kJournalWall + 9s;
  later.outcome = TaskState::kCancelled;
  journal_->RecordReceipt(later);
  Drain();
  Open();
  ASSERT_THAT(state_.receipts, SizeIs(1));
  EXPECT_EQ(state_.receipts[0].state, ReceiptState::kEnded);
  EXPECT_EQ(state_.receipts[0].delivered_at, kJournalWall + 1s);
  EXPECT_EQ(state_.receipts[0].acknowledged_at, kJournalWall + 2s);
  EXPECT_EQ(state_.receipts[0].outcome, TaskState::kCancelled);
}

TEST_F(SqliteJournalTest, KeepsNoReceiptWithoutATombstone) {
  Open();
  Receipt receipt;
  receipt.task = {kJournalNode, 5};
  receipt.intent = IntentId::Make(random_);
  journal_->RecordReceipt(receipt);
  Drain();
  ASSERT_THAT(Record(Applied({5})), IsOk());
  Open();
  EXPECT_THAT(state_.receipts, SizeIs(1)) << "two receipts for one task";
}

TEST_F(SqliteJournalTest, WhatWasNotMeasuredOfAnEndedTaskStaysAbsent) {
  Open();
  Task cpu = Ended(5);
  cpu.resources.Take({CpuUse{5s, 5s, 5s, 1, 0}, {}});
  Task memory = Ended(6);
  memory.resources.Take({{}, 4096});
  for (const Task& task : {cpu, memory, Ended(7)})
    journal_->RecordEnded({task}, {});
  EXPECT_EQ(FindEnded(5)->resources, cpu.resources);
  EXPECT_EQ(FindEnded(6)->resources, memory.resources);
  EXPECT_FALSE(FindEnded(7)->resources.measured());
}

TEST_F(SqliteJournalTest, BringsBackWhatIsOwedUntilItIsHandedOver) {
  Open();
  AppliedIntent handoff = Applied({5});
  handoff.handoff = true;
  AppliedIntent other = Applied({7});
  other.handoff = true;
  ASSERT_THAT(Record(Applied({6})), IsOk());
  ASSERT_THAT(Record(other), IsOk());
  ASSERT_THAT(Record(handoff), IsOk());
  AppliedIntent birth = handoff;
  birth.handoff = false;
  ASSERT_THAT(Record(birth), IsOk());
  Open();
  EXPECT_THAT(state_.handoff, ElementsAre(other.intent, handoff.intent));
  journal_->RecordHandedOver(other.intent.id);
  Open();
  EXPECT_THAT(state_.handoff, ElementsAre(handoff.intent));
}

TEST_F(SqliteJournalTest, BringsBackWhatLives) {
  Open();
  LiveTaskRecord kept = Live(5);
  journal_->RecordLive({Live(9), Live(5)}, [](const Status&) {});
  kept.lives_by.pid = 44;
  kept.unchecked = true;
  journal_->RecordLive({kept}, [](const Status&) {});
  Open();
  ASSERT_THAT(state_.live, SizeIs(2));
  const LiveTaskRecord& found = state_.live[0];
  EXPECT_EQ(state_.live[1].task.id.number, 9u);
  EXPECT_EQ(found.task.id, kept.task.id);
  EXPECT_EQ(found.task.type, kept.task.type);
  EXPECT_EQ(found.task.action, kept.task.action);
  EXPECT_EQ(found.task.description, kept.task.description);
  EXPECT_EQ(found.task.state, TaskState::kRunning);
  EXPECT_EQ(found.task.cancellable, kept.task.cancellable);
  EXPECT_EQ(found.task.start_wall, kept.task.start_wall);
  EXPECT_EQ(found.task.ancestors, kept.task.ancestors);
  EXPECT_EQ(found.task.headers, kept.task.headers);
  EXPECT_EQ(found.task.owner_uid, kept.task.owner_uid);
  EXPECT_EQ(found.task.pid, kept.task.pid);
  EXPECT_EQ(found.task.on_parent_lost, kept.task.on_parent_lost);
  EXPECT_EQ(found.key, kept.key);
  EXPECT_EQ(found.lives_by, kept.lives_by);
  EXPECT_EQ(found.task.start_boot, kept.task.start_boot);
  EXPECT_EQ(found.boot_id, kept.boot_id);
  EXPECT_TRUE(found.unchecked);
  EXPECT_FALSE(state_.live[1].unchecked);
}

TEST_F(SqliteJournalTest, WhatHasEndedLivesNoLonger) {
  Open();
  journal_->RecordLive({Live(5), Live(6), Live(7)}, [](const Status&) {});
  journal_->RecordEnded({Ended(5)}, {});
  std::optional<Status> done;
  journal_->RecordEnded({Ended(6)}, Keep(done));
  Drain();
  EXPECT_THAT(done, Optional(IsOk()));
  Open();
  ASSERT_THAT(state_.live, SizeIs(1));
  EXPECT_EQ(state_.live[0].task.id.number, 7u);
}

TEST_F(SqliteJournalTest, FindsAnEndedTaskAtOnceAndAfterARestart) {
  Open();
  Task task = Ended(5);
  task.cancel = CancelMark{IntentId::Make(random_), kJournalWall, "me", "why", 10s, true};
  for (const std::uint64_t bytes : {4096U, 8192U, 4097U})
    task.resources.Take({CpuUse{5s, 1s, 3s, 3, 0}, bytes});
  journal_->RecordEnded({task}, {});
  for (int life = 1; life <= 2; ++life) {
    const Result<Task> found = FindEnded(5);
    ASSERT_THAT(found, IsOk()) << life;
    EXPECT_EQ(found->id, task.id);
    EXPECT_EQ(found->action, task.action);
    EXPECT_EQ(found->description, task.description);
    EXPECT_EQ(found->status_json, task.status_json);
    EXPECT_EQ(found->state, task.state);
    EXPECT_EQ(found->cancellable, task.cancellable);
    EXPECT_EQ(found->cancel, task.cancel);
    EXPECT_EQ(found->start_wall, task.start_wall);
    EXPECT_EQ(*found->end_mono - found->start_mono, 3s);
    EXPECT_EQ(found->end_wall, task.end_wall);
    EXPECT_EQ(found->ancestors, task.ancestors);
    EXPECT_EQ(found->headers, task.headers);
    EXPECT_EQ(found->owner_uid, task.owner_uid);
    EXPECT_EQ(found->pid, task.pid);
    EXPECT_EQ(found->on_parent_lost, task.on_parent_lost);
    EXPECT_EQ(found->last_check, task.last_check);
    EXPECT_EQ(found->resources, task.resources);
    Open();
  }
  EXPECT_THAT(FindEnded(6), FailsWith(ErrorCode::kNotFound));
}

TEST_F(SqliteJournalTest, ForgetsTheOldestEndedTasks) {
  SqliteJournalOptions options;
  options.ended.count = 2;
  Open(options);
  for (const std::uint64_t number : {9, 5, 7})
    journal_->RecordEnded({Ended(number)}, {});
  EXPECT_THAT(FindEnded(9), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(FindEnded(5), IsOk());
  EXPECT_THAT(FindEnded(7), IsOk());
}

TEST_F(SqliteJournalTest, ForgetsTheOldestWhenEndedTasksTakeTooMuchRoom) {
  SqliteJournalOptions options;
  options.ended.bytes = 3000;
  Open(options);
  Task large = Ended(9);
  large.description.assign(1000, 'd');
  journal_->RecordEnded({large}, {});
  journal_->RecordEnded({Ended(5)}, {});
  EXPECT_THAT(FindEnded(9), IsOk());
  large.id.number = 7;
  large.description.assign(3000, 'd');
  journal_->RecordEnded({large}, {});
  EXPECT_THAT(FindEnded(9), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(FindEnded(7), IsOk());
}

TEST_F(SqliteJournalTest, ForgetsEndedTasksThatAreTooOld) {
  SqliteJournalOptions options;
  options.ended.age = 60s;
  Open(options);
  journal_->RecordEnded({Ended(9)}, {});
  Task later = Ended(5);
  *later.end_wall += 60s;
  journal_->RecordEnded({later}, {});
  EXPECT_THAT(FindEnded(9), IsOk());
  later.id.number = 7;
  *later.end_wall += 1s;
  journal_->RecordEnded({later}, {});
  EXPECT_THAT(FindEnded(9), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(FindEnded(5), IsOk());
}

TEST_F(SqliteJournalTest, ListsWhatHasEndedSinceInPages) {
  Open();
  const Task first = Ended(1);
  for (std::uint64_t number = 1; number <= limits::kPageTasks + 2; ++number) {
    Task task = Ended(number);
    if (number == 2) *task.end_wall -= 1s;  // Too early.
    journal_->RecordEnded({task}, {});
  }
  const auto list = [this, &first](std::uint64_t after) {
    std::vector<Task> tasks;
    journal_->ListEnded(*first.end_wall, after, [&tasks](Result<std::vector<Task>> found) {
      EXPECT_THAT(found, IsOk());
      if (found) tasks = std::move(*found);
    });
    Drain();
    return tasks;
  };
  const std::vector<Task> page = list(0);
  ASSERT_THAT(page, SizeIs(limits::kPageTasks));
  EXPECT_EQ(page[0].id.number, 1u);
  EXPECT_EQ(page[1].id.number, 3u);
  EXPECT_EQ(page[1].description, first.description);
  const std::vector<Task> rest = list(page.back().id.number);
  ASSERT_THAT(rest, SizeIs(1));
  EXPECT_EQ(rest[0].id, (TaskId{kJournalNode, limits::kPageTasks + 2}));
}

TEST_F(SqliteJournalTest, AnswersInTheOrderOfTheCallsAndNeverInsideThem) {
  Open();
  std::vector<std::string> told;
  journal_->ReserveNumbers(10, [&](const Status&) { told.push_back("reserve"); });
  journal_->FindEnded(1, [&](const Result<Task>&) { told.push_back("find"); });
  journal_->RecordApplied(Applied({1}), [&](const Status&) { told.push_back("apply"); });
  EXPECT_THAT(told, IsEmpty());
  Drain();
  EXPECT_THAT(told, ElementsAre("reserve", "find", "apply"));
}

TEST_F(SqliteJournalTest, AFullDiskIsSaidByNameAndLosesNothingThatWasKept) {
  Open();
  const AppliedIntent kept = Applied({1, 2, 3});
  ASSERT_THAT(Record(kept), IsOk());
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit full = before;
  full.rlim_cur = std::filesystem::file_size(path() + "-wal") + 4096;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  std::vector<std::uint64_t> many(2000);
  for (std::size_t i = 0; i < many.size(); ++i)
    many[i] = 100 + i;
  const Status refused = Record(Applied(many));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_THAT(refused, FailsWith(ErrorCode::kResourceExhausted, "node.db"));
  const AppliedIntent after = Applied({4});
  EXPECT_THAT(Record(after), IsOk());
  Open();
  EXPECT_THAT(state_.applied, ElementsAre(kept.intent.id, after.intent.id));
  EXPECT_THAT(state_.tombstones, SizeIs(4));
}

// The child writes down what was acknowledged; the parent kills it in the middle of its work.
TEST_F(SqliteJournalTest, WhatWasAcknowledgedIsThereAfterKillNine) {
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    SystemClock clock;
    boost::asio::io_context context;
    const auto guard = boost::asio::make_work_guard(context);
    AsioExecutor executor(context, clock);
    SqliteJournalOptions options;
    options.node = kJournalNode;
    auto opened = SqliteJournal::Open(path(), executor, std::move(options));
    if (!opened) ::_exit(1);
    std::uint64_t number = 0;
    std::function<void()> next = [&] {
      ++number;
      AppliedIntent applied = Applied({number});
      opened->journal->ReserveNumbers(number * 10, [](const Status&) {});
      opened->journal->RecordApplied(applied, [&, kept = number](const Status& status) {
        if (!status || ::write(pipe_ends[1], &kept, sizeof(kept)) != sizeof(kept)) ::_exit(2);
        next();
      });
    };
    next();
    context.run();
    ::_exit(3);
  }
  ::close(pipe_ends[1]);
  std::uint64_t acknowledged = 0;
  for (std::uint64_t number = 0; acknowledged < 50;) {
    ASSERT_EQ(::read(pipe_ends[0], &number, sizeof(number)), static_cast<ssize_t>(sizeof(number)))
        << "the child has ended by itself";
    acknowledged = number;
  }
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  for (std::uint64_t number = 0;
       ::read(pipe_ends[0], &number, sizeof(number)) == static_cast<ssize_t>(sizeof(number));)
    acknowledged = number;
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ::close(pipe_ends[0]);
  Open();
  EXPECT_EQ(state_.incarnation, Incarnation{2});
  EXPECT_GE(state_.next_number, acknowledged * 10);
  ASSERT_GE(state_.tombstones.size(), acknowledged);
  EXPECT_LE(state_.tombstones.size(), acknowledged + 1);
  EXPECT_EQ(state_.tombstones[acknowledged - 1].number, acknowledged);
  EXPECT_EQ(state_.applied.size(), state_.tombstones.size());
}

}  // namespace
}  // namespace quell
