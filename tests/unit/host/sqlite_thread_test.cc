// Goal: what SqliteThread says is durable is durable, works do not hurt each other, replies come in
// order and exactly once, and commits are shared.
// Method: a real file; the thread is held in a work until the queue is as the test wants it; the
// disk fails when it is told to; syncs are counted.
#include "host/sqlite_thread.h"

#include <cerrno>
#include <future>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/result_matchers.h"
#include "tests/unit/host/fixtures.h"

namespace quell {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;

constexpr std::string_view kSchema = "CREATE TABLE t(id INTEGER PRIMARY KEY) STRICT;";

SqliteThread::Work Insert(int id) {
  return [id](sqlite::Database& database) { return database.Run("INSERT INTO t VALUES(?1)", id); };
}

class SqliteThreadTest : public testing::Test {
 protected:
  SqliteThreadTest() {
    Disk::InterceptSqliteWrites();
    options_.turn = 1h;
    options_.behind_failed = [this](const Error& error) { behind_errors_.push_back(error); };
  }
  ~SqliteThreadTest() override {
    Disk::Heal();
    gate_.set_value();
  }

  sqlite::Database Open() {
    auto database = sqlite::Database::Open(path_, std::vector{kSchema});
    EXPECT_THAT(database, IsOk());
    return std::move(*database);
  }
  void Start() { thread_.emplace(Open(), loop_.executor, options_); }
  // The thread stops in a work until Release(): what is submitted meanwhile shares a commit.
  void Hold() {
    auto begun = std::make_shared<std::promise<void>>();
    thread_->Submit(
        [begun, open = open_](sqlite::Database&) -> Status {
          begun->set_value();
          open.wait();
          return {};
        },
        [](const Status&) {});
    begun->get_future().wait();
  }
  void Release() {
    gate_.set_value();
    gate_ = {};
    open_ = gate_.get_future().share();
  }
  void Submit(SqliteThread::Work work) {
    thread_->Submit(std::move(work), [this](const Status& status) { replies_.push_back(status); });
  }
  [[nodiscard]] bool GotReplies(std::size_t count) {
    return loop_.RunUntil([&] { return replies_.size() >= count; });
  }
  std::vector<int> Stored() {
    std::optional<std::vector<int>> ids;
    thread_->Query<std::vector<int>>(
        [](sqlite::Database& database) -> Result<std::vector<int>> {
          std::vector<int> found;
          auto statement = database.Prepare("SELECT id FROM t ORDER BY id");
          if (!statement) return statement.error();
          const Status done = statement->ForEach([&](const sqlite::Statement& row) {
            found.push_back(static_cast<int>(row.integer(0)));
          });
          if (!done) return done.error();
          return found;
        },
        [&](Result<std::vector<int>> result) {
          EXPECT_THAT(result, IsOk());
          ids = result ? *result : std::vector<int>();
        });
    EXPECT_TRUE(loop_.RunUntil([&] { return ids.has_value(); }));
    return *ids;
  }
  // After the thread has ended.
  std::vector<int> StoredInFile() {
    thread_.reset();
    Start();
    return Stored();
  }

  TempDir dir_;
  const std::string path_ = dir_.File("a.db");
  Loop loop_;
  SqliteThreadOptions options_;
  std::promise<void> gate_;
  std::shared_future<void> open_ = gate_.get_future().share();
  std::vector<Error> behind_errors_;
  std::vector<Status> replies_;
  std::optional<SqliteThread> thread_;
};

TEST_F(SqliteThreadTest, RepliesOnTheExecutorOnceItIsDurable) {
  Start();
  Submit(Insert(1));
  thread_->Drain();
  EXPECT_THAT(replies_, IsEmpty()) << "replies belong to the executor's thread";
  ASSERT_TRUE(GotReplies(1));
  EXPECT_THAT(replies_, ElementsAre(IsOk()));
  EXPECT_THAT(StoredInFile(), ElementsAre(1));
}

TEST_F(SqliteThreadTest, SharesOneSyncAmongThoseWhoWait) {
  Start();
  Submit(Insert(0));
  ASSERT_TRUE(GotReplies(1));
  Hold();
  for (int i = 1; i <= 50; ++i)
    Submit(Insert(i));
  const int before = Disk::syncs;
  Release();
  ASSERT_TRUE(GotReplies(51));
  EXPECT_EQ(Disk::syncs - before, 1);
  EXPECT_THAT(Stored(), SizeIs(51));
}

TEST_F(SqliteThreadTest, CommitsAtMostItsBoundTogether) {
  Start();
  Hold();
  const int count = static_cast<int>(limits::kDiskGroup) + 1;
  for (int i = 0; i < count; ++i)
    Submit(Insert(i));
  const int before = Disk::syncs;
  Release();
  ASSERT_TRUE(GotReplies(static_cast<std::size_t>(count)));
  EXPECT_EQ(Disk::syncs - before, 2);
}

TEST_F(SqliteThreadTest, RepliesInTheOrderOfTheCalls) {
  Start();
  std::vector<int> order;
  for (int i = 0; i < 200; ++i) {
    thread_->Submit(Insert(i), [&order, i](const Status&) { order.push_back(i); });
  }
  ASSERT_TRUE(loop_.RunUntil([&] { return order.size() == 200; }));
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_F(SqliteThreadTest, WhatDependsOnNothingOvertakesTheOthers) {
  Start();
  std::vector<int> order;
  const auto note = [&order](int id) {
    return [&order, id](sqlite::Database&) -> Status {
      order.push_back(id);
      return {};
    };
  };
  Hold();
  thread_->SubmitBehind(note(1));
  Submit(note(2));
  for (const int id : {3, 4})
    thread_->SubmitFirst(note(id), [this](const Status& status) { replies_.push_back(status); });
  Release();
  ASSERT_TRUE(GotReplies(3));
  thread_.reset();
  EXPECT_THAT(order, ElementsAre(3, 4, 1, 2));
}

TEST_F(SqliteThreadTest, ACommitHasItsTurnAndTheRestComesNext) {
  options_.turn = 0ms;
  options_.behind_delay = 1h;
  Start();
  Hold();
  thread_->SubmitBehind(Insert(1));
  thread_->SubmitBehind(Insert(2));
  Submit(Insert(3));
  thread_->SubmitBehind(Insert(4));
  const int before = Disk::syncs;
  Release();
  ASSERT_TRUE(GotReplies(1));
  EXPECT_GE(Disk::syncs - before, 3);
  EXPECT_THAT(Stored(), ElementsAre(1, 2, 3, 4));
  thread_->SubmitBehind(Insert(5));
  thread_->SubmitBehind(Insert(6));
  thread_->Drain();
  EXPECT_THAT(Stored(), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_F(SqliteThreadTest, KeepsAFailingWorkToItself) {
  Start();
  Hold();
  Submit(Insert(1));
  Submit([](sqlite::Database& database) -> Status {
    EXPECT_THAT(database.Run("INSERT INTO t VALUES(2)"), IsOk());
    return Error{ErrorCode::kFailedPrecondition, "changed its mind"};
  });
  Submit(Insert(1));
  Submit(Insert(3));
  Release();
  ASSERT_TRUE(GotReplies(4));
  EXPECT_THAT(replies_, ElementsAre(IsOk(), FailsWith(ErrorCode::kFailedPrecondition, "its mind"),
                                    FailsWith(ErrorCode::kAlreadyExists), IsOk()));
  EXPECT_THAT(Stored(), ElementsAre(1, 3));
}

TEST_F(SqliteThreadTest, FailsAllOfACommitThatFailed) {
  Start();
  Hold();
  Submit(Insert(1));
  Submit([](sqlite::Database&) -> Status { return Error{ErrorCode::kNotFound, "its own"}; });
  Submit(Insert(2));
  Disk::sqlite_write_error = ENOSPC;
  Release();
  ASSERT_TRUE(GotReplies(3));
  EXPECT_THAT(replies_, ElementsAre(FailsWith(ErrorCode::kResourceExhausted, path_),
                                    FailsWith(ErrorCode::kNotFound, "its own"),
                                    FailsWith(ErrorCode::kResourceExhausted, "free some space")));
  Disk::Heal();
  EXPECT_THAT(Stored(), IsEmpty());
  Submit(Insert(1));
  ASSERT_TRUE(GotReplies(4));
  EXPECT_THAT(replies_.back(), IsOk());
}

TEST_F(SqliteThreadTest, SaysWhenItCannotKnow) {
  Start();
  Disk::sync_error = EIO;
  Submit(Insert(1));
  ASSERT_TRUE(GotReplies(1));
  EXPECT_THAT(replies_, ElementsAre(FailsWith(ErrorCode::kOutcomeUnknown, path_)));
  Disk::Heal();
  Submit([](sqlite::Database& database) {
    return database.Run("INSERT OR IGNORE INTO t VALUES(?1)", 1);
  });
  ASSERT_TRUE(GotReplies(2));
  EXPECT_THAT(replies_.back(), IsOk());
  EXPECT_THAT(StoredInFile(), ElementsAre(1));
}

TEST_F(SqliteThreadTest, FailsAllWhenAWorkEndsTheirTransaction) {
  Start();
  Hold();
  Submit(Insert(1));
  Submit([](sqlite::Database& database) -> Status {
    database.Rollback();
    return {};
  });
  Submit(Insert(3));
  Release();
  ASSERT_TRUE(GotReplies(3));
  EXPECT_THAT(replies_, testing::Each(FailsWith(ErrorCode::kInternal, "ended its transaction")));
  EXPECT_THAT(Stored(), IsEmpty());
}

TEST_F(SqliteThreadTest, RefusesMoreThanItsQueueHoldsAndStillRepliesInOrder) {
  options_.queue_max = 3;
  Start();
  Hold();
  for (int i = 1; i <= 5; ++i)
    Submit(Insert(i));
  Release();
  ASSERT_TRUE(GotReplies(5));
  EXPECT_THAT(replies_,
              ElementsAre(IsOk(), IsOk(), IsOk(), FailsWith(ErrorCode::kResourceExhausted, path_),
                          FailsWith(ErrorCode::kResourceExhausted, "come back later")));
  Submit(Insert(6));
  ASSERT_TRUE(GotReplies(6));
  EXPECT_THAT(Stored(), ElementsAre(1, 2, 3, 6));
}

TEST_F(SqliteThreadTest, ReadsWhatWasWrittenBefore) {
  Start();
  Submit(Insert(1));
  EXPECT_TRUE(thread_->SubmitBehind(Insert(2)));
  EXPECT_THAT(Stored(), ElementsAre(1, 2));
}

TEST_F(SqliteThreadTest, HandsOnAReadersError) {
  Start();
  std::optional<Result<int>> answer;
  thread_->Query<int>(
      [](sqlite::Database&) -> Result<int> {
        return Error{ErrorCode::kNotFound, "no such row"};
      },
      [&](Result<int> result) { answer = result; });
  ASSERT_TRUE(loop_.RunUntil([&] { return answer.has_value(); }));
  EXPECT_THAT(*answer, FailsWith(ErrorCode::kNotFound, "no such row"));
}

// It may have read what is not durable and never will be.
TEST_F(SqliteThreadTest, FailsAReadThatSharedAFailedCommit) {
  Start();
  Hold();
  Submit(Insert(1));
  std::optional<Result<int>> answer;
  thread_->Query<int>([](sqlite::Database&) -> Result<int> { return 1; },
                      [&](Result<int> result) { answer = result; });
  Disk::sqlite_write_error = ENOSPC;
  Release();
  ASSERT_TRUE(loop_.RunUntil([&] { return answer.has_value(); }));
  EXPECT_THAT(*answer, FailsWith(ErrorCode::kResourceExhausted));
}

TEST_F(SqliteThreadTest, WritesBehindWithoutBeingAsked) {
  options_.behind_delay = 1ms;
  Start();
  std::promise<void> ran;
  EXPECT_TRUE(thread_->SubmitBehind([&](sqlite::Database& database) {
    ran.set_value();
    return database.Run("INSERT INTO t VALUES(1)");
  }));
  EXPECT_EQ(ran.get_future().wait_for(60s), std::future_status::ready);
}

TEST_F(SqliteThreadTest, WritesBehindWithTheNextCommitInTheOrderOfTheCalls) {
  options_.behind_delay = 1h;
  Start();
  Hold();
  EXPECT_TRUE(thread_->SubmitBehind(Insert(1)));
  Submit([](sqlite::Database& database) { return database.Run("UPDATE t SET id = id + 10"); });
  EXPECT_TRUE(thread_->SubmitBehind(Insert(2)));
  const int before = Disk::syncs;
  Release();
  thread_->Drain();
  EXPECT_LE(Disk::syncs - before, 2);
  EXPECT_THAT(StoredInFile(), ElementsAre(2, 11));
}

TEST_F(SqliteThreadTest, WritesBehindAgainWhenTheCommitFailedAndTellsOnce) {
  options_.behind_delay = 1ms;
  Start();
  Disk::sqlite_write_error = ENOSPC;
  std::atomic<int> tries = 0;
  std::promise<void> tried_often;
  EXPECT_TRUE(thread_->SubmitBehind([&](sqlite::Database& database) {
    if (++tries == 3) tried_often.set_value();
    return database.Run("INSERT INTO t VALUES(1)");
  }));
  EXPECT_TRUE(thread_->SubmitBehind(Insert(2)));
  tried_often.get_future().wait();
  Disk::Heal();
  thread_->Drain();
  loop_.RunReady();
  EXPECT_THAT(Stored(), ElementsAre(1, 2));
  ASSERT_THAT(behind_errors_, SizeIs(1));
  EXPECT_EQ(behind_errors_[0].code, ErrorCode::kResourceExhausted);
}

TEST_F(SqliteThreadTest, KeepsTheOrderOfWhatItWritesAgain) {
  options_.behind_delay = 1ms;
  Start();
  Disk::sqlite_write_error = ENOSPC;
  std::promise<void> begun;
  EXPECT_TRUE(thread_->SubmitBehind(
      [&begun, open = open_, first = true](sqlite::Database& database) mutable -> Status {
        if (std::exchange(first, false)) begun.set_value();
        open.wait();
        return database.Run("INSERT INTO t VALUES(1)");
      }));
  begun.get_future().wait();
  EXPECT_TRUE(thread_->SubmitBehind(
      [](sqlite::Database& database) { return database.Run("UPDATE t SET id = id + 10"); }));
  Release();
  ASSERT_TRUE(loop_.RunUntil([&] { return !behind_errors_.empty(); }));
  Disk::Heal();
  EXPECT_THAT(Stored(), ElementsAre(11));
}

TEST_F(SqliteThreadTest, TellsOfWorkBehindThatFailed) {
  Start();
  EXPECT_TRUE(thread_->SubmitBehind([](sqlite::Database&) -> Status {
    return Error{ErrorCode::kInternal, "its own"};
  }));
  EXPECT_TRUE(thread_->SubmitBehind(Insert(1)));
  thread_->Drain();
  EXPECT_THAT(Stored(), ElementsAre(1));
  EXPECT_THAT(behind_errors_, ElementsAre(Error{ErrorCode::kInternal, "its own"}));
}

TEST_F(SqliteThreadTest, RefusesMoreBehindThanItsBound) {
  options_.behind_max = 2;
  Start();
  Hold();
  EXPECT_TRUE(thread_->SubmitBehind(Insert(1)));
  EXPECT_TRUE(thread_->SubmitBehind(Insert(2)));
  EXPECT_FALSE(thread_->SubmitBehind(Insert(3)));
  Release();
  thread_->Drain();
  EXPECT_TRUE(thread_->SubmitBehind(Insert(4))) << "there is room again";
  EXPECT_THAT(Stored(), ElementsAre(1, 2, 4));
}

TEST_F(SqliteThreadTest, CountsWhatIsTriedAgainOnceAgainstTheBound) {
  options_.behind_delay = 1ms;
  options_.behind_max = 1;
  Start();
  Disk::sqlite_write_error = ENOSPC;
  EXPECT_TRUE(thread_->SubmitBehind(Insert(1)));
  for (int i = 0; i < 10; ++i)
    thread_->Drain();
  EXPECT_FALSE(thread_->SubmitBehind(Insert(2)));
  Disk::Heal();
  thread_->Drain();
  EXPECT_TRUE(thread_->SubmitBehind(Insert(3)));
  EXPECT_THAT(Stored(), ElementsAre(1, 3));
}

TEST_F(SqliteThreadTest, FinishesWhatIsQueuedBeforeItEnds) {
  options_.behind_delay = 1h;
  Start();
  Hold();
  for (int i = 0; i < 20; ++i)
    Submit(Insert(i));
  EXPECT_TRUE(thread_->SubmitBehind(Insert(20)));
  Release();
  thread_.reset();
  ASSERT_TRUE(GotReplies(20));
  EXPECT_THAT(replies_, testing::Each(IsOk()));
  Start();
  EXPECT_THAT(Stored(), SizeIs(21));
}

TEST_F(SqliteThreadTest, EndsOnAFullDiskToo) {
  Start();
  Hold();
  Disk::sqlite_write_error = ENOSPC;
  Submit(Insert(1));
  EXPECT_TRUE(thread_->SubmitBehind(Insert(2)));
  Release();
  thread_.reset();
  ASSERT_TRUE(GotReplies(1));
  EXPECT_THAT(replies_, ElementsAre(FailsWith(ErrorCode::kResourceExhausted)));
  loop_.RunReady();
  EXPECT_THAT(behind_errors_, SizeIs(1));
}

TEST_F(SqliteThreadTest, TakesWorkFromManyThreads) {
  Start();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 100; ++i) {
        thread_->Submit(Insert(t * 100 + i), [this](const Status& s) { replies_.push_back(s); });
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  ASSERT_TRUE(GotReplies(400));
  EXPECT_THAT(replies_, testing::Each(IsOk()));
  EXPECT_THAT(Stored(), SizeIs(400));
}

}  // namespace
}  // namespace quell
