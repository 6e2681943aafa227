// Goal: what the store said is durable is there after any end of the process, each target has one
// intent, and no limit makes it forget a pending one.
// Method: real files in a directory of their own; reopened, killed in the middle, and made to run
// out of room by a limit on the file size.
#include "coordinator/store/sqlite_store.h"

#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <mutex>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>

#include "coordinator/store/sqlite_rows.h"
#include "tests/support/result_matchers.h"
#include "tests/unit/coordinator/fixtures.h"

namespace quell {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// Runs what the store's thread posts, on the test's thread.
class WaitingExecutor final : public Executor {
 public:
  void Post(Work work) override {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
    changed_.notify_all();
  }
  TimerId At(MonoTime, Work) override { return TimerId::kNone; }
  void Cancel(TimerId) override {}
  const Clock& clock() const override { return clock_; }

  void RunOne() {
    Work work;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return !queue_.empty(); });
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }

 private:
  SimScheduler scheduler_;
  SimClock clock_{scheduler_};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> queue_;
};

IntentId Named(int n) {
  return *IntentId::Parse(Id(n).view());
}

Intent OnTask(int intent, std::uint64_t number) {
  Intent made;
  made.id = Named(intent);
  made.target = TaskId{Id(1), number};
  made.requested_at = WallFromMicros(1'700'000'000'123'456);
  made.moment = {"a boot", BootTime(std::chrono::nanoseconds(1'234'567'891'234))};
  made.by = "loopback";
  made.reason = "too \"slow\"";
  made.grace = std::chrono::milliseconds(5000);
  return made;
}

// What a coordinator knew of node n.
PendingAt At(int n) {
  return {Id(n), {*LifeId::Parse(Id(n + 50).view()), static_cast<std::uint64_t>(n) * 1000}};
}

class SqliteStoreTest : public testing::Test {
 protected:
  SqliteStoreTest() {
    std::string pattern = testing::TempDir() + "quell-store-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    Open();
  }
  ~SqliteStoreTest() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  std::string file() const { return directory_ + "/store.db"; }

  void Open(SqliteStoreOptions options = {}) {
    store_.reset();
    Result<SqliteStore::Opened> opened = SqliteStore::Open(file(), executor_, std::move(options));
    ASSERT_THAT(opened, IsOk());
    store_ = std::move(opened->store);
    state_ = std::move(opened->state);
  }

  Result<StoredIntent> Commit(const Intent& intent, std::vector<PendingAt> pending) {
    std::optional<Result<StoredIntent>> got;
    store_->CommitIntent(intent, std::move(pending), [&](Result<StoredIntent> r) { got = r; });
    while (!got)
      executor_.RunOne();
    return *got;
  }
  Status Put(const KnownNode& node) {
    std::optional<Status> got;
    store_->PutNode(node, [&](Status s) { got = s; });
    while (!got)
      executor_.RunOne();
    return *got;
  }
  Status Forget(int n) {
    std::optional<Status> got;
    store_->ForgetNode(Id(n), [&](Status s) { got = s; });
    while (!got)
      executor_.RunOne();
    return *got;
  }

  Status Reserve(std::uint64_t end) {
    std::optional<Status> got;
    store_->ReserveNumbers(end, [&](Status s) { got = s; });
    while (!got)
      executor_.RunOne();
    return *got;
  }

  std::string directory_;
  WaitingExecutor executor_;
  std::unique_ptr<SqliteStore> store_;
  StoreState state_;
};

TEST_F(SqliteStoreTest, BringsBackNodesAsTheyWere) {
  KnownNode node = Known(1);
  node.info.roles = {"data", "ingest"};
  node.info.attributes = {{"rack", "r\"1"}, {"zone", "\u00e9"}};
  node.info.boot_id = "boot";
  node.info.life = *LifeId::Parse(Id(77).view());
  node.next_number = TaskId::kNumberMax;
  node.told_number = 5;
  KnownNode gone = Known(2);
  gone.left = true;
  KnownNode away = Known(3);
  away.stopped = WallFromMicros(1'700'000'000'123'456);
  ASSERT_THAT(Put(Known(1, "earlier")), IsOk());
  ASSERT_THAT(Put(node), IsOk());
  ASSERT_THAT(Put(gone), IsOk());
  ASSERT_THAT(Put(away), IsOk());
  Open();
  EXPECT_THAT(state_.nodes, ElementsAre(node, gone, away));
}

TEST_F(SqliteStoreTest, NothingIsPendingForANodeThatHasLeftAndAllForOneThatStopped) {
  KnownNode gone = Known(1);
  KnownNode away = Known(2);
  Put(gone);
  Put(away);
  Commit(OnTask(1, 7), {At(1), At(2)});
  gone.left = true;
  away.stopped = WallFromMicros(1);
  ASSERT_THAT(Put(gone), IsOk());
  ASSERT_THAT(Put(away), IsOk());
  Open();
  ASSERT_THAT(state_.intents, SizeIs(1));
  EXPECT_THAT(state_.intents[0].pending, ElementsAre(At(2)));
}

TEST_F(SqliteStoreTest, NumbersThatWereReservedStayReserved) {
  EXPECT_EQ(state_.next_number, 1u) << "a new store has given out none";
  ASSERT_THAT(Reserve(2001), IsOk());
  ASSERT_THAT(Reserve(1001), IsOk());
  Open();
  EXPECT_EQ(state_.next_number, 2001u);
}

TEST_F(SqliteStoreTest, BringsBackIntentsWithWhomTheyWaitFor) {
  Intent filter = OnTask(2, 1);
  filter.target = TaskFilter{{"job:*", "a,b"}, TaskId{Id(3), 9}};
  filter.cascade = false;
  const Result<StoredIntent> first = Commit(OnTask(1, 7), {At(1)});
  const Result<StoredIntent> second = Commit(filter, {At(2), At(1)});
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->intent, filter);
  EXPECT_THAT(second->pending, ElementsAre(At(1), At(2)));
  Open();
  EXPECT_THAT(state_.intents, ElementsAre(*first, *second));
}

TEST_F(SqliteStoreTest, AnAcknowledgedIntentWaitsForNobody) {
  Commit(OnTask(1, 7), {At(1), At(2)});
  Receipt receipt;
  receipt.task = {Id(1), 7};
  receipt.intent = Named(1);
  receipt.outcome = TaskState::kCancelled;
  receipt.ended_at = WallFromMicros(5);
  store_->Acknowledge(Id(1), Named(1), {receipt});
  store_->Acknowledge(Id(1), Named(1), {receipt});
  store_->Drain();
  Open();
  ASSERT_THAT(state_.intents, SizeIs(1));
  EXPECT_THAT(state_.intents[0].pending, ElementsAre(At(2)));
  store_->Acknowledge(Id(2), Named(1), {});
  store_->Drain();
  Open();
  EXPECT_THAT(state_.intents, IsEmpty());
}

TEST_F(SqliteStoreTest, ASecondCancelOfATaskStrengthensTheFirst) {
  const Result<StoredIntent> first = Commit(OnTask(1, 7), {At(1)});
  store_->Acknowledge(Id(1), Named(1), {});

  Intent weaker = OnTask(2, 7);
  weaker.grace = std::chrono::milliseconds(9000);
  Result<StoredIntent> kept = Commit(weaker, {At(1)});
  ASSERT_THAT(kept, IsOk());
  EXPECT_EQ(kept->intent, first->intent);
  EXPECT_THAT(kept->pending, IsEmpty());  // Its node has it already.

  Intent stronger = OnTask(3, 7);
  stronger.grace = std::chrono::milliseconds(10);
  kept = Commit(stronger, {At(1)});
  ASSERT_THAT(kept, IsOk());
  EXPECT_EQ(kept->intent.id, Named(1));
  EXPECT_EQ(kept->intent.grace, stronger.grace);
  EXPECT_EQ(kept->durable_at, first->durable_at);
  EXPECT_THAT(kept->pending, ElementsAre(At(1)));
  Open();
  EXPECT_THAT(state_.intents, ElementsAre(*kept));
}

TEST_F(SqliteStoreTest, RepeatingACommitWithTheSameIdChangesNothing) {
  Intent filter = OnTask(1, 7);
  filter.target = TaskFilter{};
  const Result<StoredIntent> first = Commit(filter, {At(1), At(2)});
  const Result<StoredIntent> again = Commit(filter, {At(1), At(2)});
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(*again, *first);
}

TEST_F(SqliteStoreTest, ForgettingANodeGivesUpWhatWasPendingThere) {
  Put(Known(1));
  Commit(OnTask(1, 7), {At(1)});
  Commit(OnTask(2, 8), {At(1), At(2)});
  EXPECT_THAT(Forget(1), IsOk());
  Open();
  EXPECT_THAT(state_.nodes, IsEmpty());
  ASSERT_THAT(state_.intents, SizeIs(1));
  EXPECT_THAT(state_.intents[0].pending, ElementsAre(At(2)));
}

TEST_F(SqliteStoreTest, AtTheLimitSettledIntentsMakeRoomAndPendingOnesNever) {
  SqliteStoreOptions options;
  options.intents_max = 3;
  Open(options);
  for (int n = 1; n <= 3; ++n) {
    ASSERT_THAT(Commit(OnTask(n, static_cast<std::uint64_t>(n)), {At(1)}), IsOk());
  }
  EXPECT_THAT(Commit(OnTask(4, 4), {At(1)}),
              FailsWith(ErrorCode::kResourceExhausted, "DELETE /quell/v1/nodes"));
  // The same target is no new intent.
  EXPECT_THAT(Commit(OnTask(5, 3), {At(1)}), IsOk());
  store_->Acknowledge(Id(1), Named(2), {});
  EXPECT_THAT(Commit(OnTask(4, 4), {At(1)}), IsOk());
  EXPECT_THAT(Commit(OnTask(6, 6), {At(1)}), FailsWith(ErrorCode::kResourceExhausted));
  Open(options);
  ASSERT_THAT(state_.intents, SizeIs(3));
  EXPECT_EQ(state_.intents[0].intent.id, Named(1));
  EXPECT_EQ(state_.intents[2].intent.id, Named(4));
}

TEST_F(SqliteStoreTest, AFullDiskIsToldAndNothingOfItIsKept) {
  Put(Known(1));
  store_->Drain();
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto ignored = signal(SIGXFSZ, SIG_IGN);
  rlimit tight = before;
  tight.rlim_cur = std::filesystem::file_size(file() + "-wal") + 100;
  setrlimit(RLIMIT_FSIZE, &tight);
  const Result<StoredIntent> refused = Commit(OnTask(1, 7), {At(1)});
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, ignored);
  EXPECT_THAT(refused, FailsWith(ErrorCode::kResourceExhausted, file()));
  EXPECT_THAT(Commit(OnTask(2, 8), {At(1)}), IsOk());
  Open();
  ASSERT_THAT(state_.intents, SizeIs(1));
  EXPECT_EQ(state_.intents[0].intent.id, Named(2));
  EXPECT_THAT(state_.nodes, SizeIs(1));
}

// A child commits one intent after the other and says so over a pipe; it is killed in the middle.
TEST_F(SqliteStoreTest, WhatWasReportedSurvivesAKilledProcess) {
  store_.reset();
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    WaitingExecutor executor;
    Result<SqliteStore::Opened> opened = SqliteStore::Open(file(), executor);
    if (!opened) _exit(1);
    for (std::uint64_t n = 1;; ++n) {
      Intent intent = OnTask(1, n);
      SeededRandom random(n);
      intent.id = IntentId::Make(random);
      bool done = false;
      opened->store->CommitIntent(intent, {At(1)}, [&](Result<StoredIntent> stored) {
        done = true;
        if (!stored || write(pipe_ends[1], &n, sizeof(n)) != sizeof(n)) _exit(1);
      });
      while (!done)
        executor.RunOne();
    }
  }
  close(pipe_ends[1]);
  std::uint64_t reported = 0;
  while (reported < 25)
    ASSERT_EQ(read(pipe_ends[0], &reported, sizeof(reported)), 8);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  for (std::uint64_t more = 0; read(pipe_ends[0], &more, sizeof(more)) == 8;)
    reported = more;
  close(pipe_ends[0]);
  Open();
  ASSERT_GE(state_.intents.size(), reported);
  for (std::uint64_t n = 1; n <= reported; ++n) {
    EXPECT_EQ(state_.intents[n - 1].intent.task()->number, n);
  }
}

// An intent whose pending rows are lost waits for nobody; one that is lost leaves none behind.
TEST_F(SqliteStoreTest, WhatIsRescuedOfADamagedFileFitsTogether) {
  for (int n = 1; n <= 300; ++n) {
    ASSERT_THAT(Commit(OnTask(n, static_cast<std::uint64_t>(n)), {At(1), At(2)}), IsOk());
  }
  store_.reset();
  const auto pages = std::filesystem::file_size(file()) / 4096;
  for (std::uint64_t page = 12; page < pages; page += 7) {
    const int fd = open(file().c_str(), O_WRONLY);
    ASSERT_EQ(pwrite(fd, "x", 1, static_cast<off_t>(page * 4096 + 4000)), 1);
    close(fd);
  }
  EXPECT_THAT(SqliteStore::Open(file(), executor_), FailsWith(ErrorCode::kInternal, "damaged"));
  SqliteStoreOptions options;
  options.accept_damage = true;
  options.intents_max = 300;
  Open(options);
  EXPECT_GT(state_.intents.size(), 10u);
  EXPECT_LT(state_.intents.size(), 300u);
  for (const StoredIntent& stored : state_.intents)
    EXPECT_GT(stored.pending.size(), 0u);
  EXPECT_THAT(Commit(OnTask(999, 999), {At(1)}), IsOk());
  Open();
  EXPECT_EQ(state_.intents.back().intent.id, Named(999));
}

// Goes from each format that there has been to today's.
TEST_F(SqliteStoreTest, AFileOfEachOlderFormatKeepsItsNodesIntentsAndNumbers) {
  for (std::size_t format = 1; format <= StoreMigrations().size(); ++format) {
    SCOPED_TRACE(format);
    store_.reset();
    for (const char* suffix : {"", "-wal", "-commits"})
      std::filesystem::remove(file() + suffix);
    {
      auto old = sqlite::Database::Open(file(), StoreMigrations().first(format));
      ASSERT_THAT(old, IsOk());
      ASSERT_THAT(old->Begin(), IsOk());
      for (int n = 1; n <= 2; ++n) {
        ASSERT_THAT(
            old->Run("INSERT INTO nodes(id, incarnation, name, address, host, roles, "
                     "attributes, version, boot_id, next_number, has_left) VALUES(?1, 3, "
                     "'web', 'web:1', 'web', '[\"data\"]', '[\"zone\",\"x\"]', '1', 'boot', "
                     "?2, ?3)",
                     Id(n).view(), n * 1000, n == 2),
            IsOk());
      }
      ASSERT_THAT(old->Run("INSERT INTO intents(id, task, requested_at, requested_by, reason, "
                           "cascade, grace_ms, durable_at) VALUES(?1, ?2, 5, 'a', 'b', 1, 700, 6)",
                           Named(7).view(), TaskId{Id(1), 41}.ToString()),
                  IsOk());
      ASSERT_THAT(old->Run("INSERT INTO intents(id, actions, requested_at, requested_by, reason, "
                           "cascade, grace_ms, durable_at) VALUES(?1, '[\"a/*\"]', 5, 'a', 'b', 1, "
                           "700, 6)",
                           Named(8).view()),
                  IsOk());
      ASSERT_THAT(
          old->Run("INSERT INTO pending(node, intent) SELECT ?1, seq FROM intents", Id(1).view()),
          IsOk());
      ASSERT_THAT(old->Run("INSERT INTO receipts(task, intent, state, recorded_at, note) "
                           "VALUES(?1, ?2, 1, 5, '')",
                           TaskId{Id(1), 40}.ToString(), Named(6).view()),
                  IsOk());
      if (format >= 2) {
        ASSERT_THAT(old->Run("UPDATE numbers SET next = 77"), IsOk());
      }
      ASSERT_THAT(old->Commit(), IsOk());
    }
    Open();
    EXPECT_EQ(state_.next_number, format >= 2 ? 77u : 1u);
    ASSERT_THAT(state_.nodes, SizeIs(2));
    EXPECT_EQ(state_.nodes[0].info.id, Id(1));
    EXPECT_EQ(state_.nodes[0].info.attributes, (std::vector<Header>{{"zone", "x"}}));
    EXPECT_EQ(state_.nodes[0].next_number, 1000u);
    EXPECT_FALSE(state_.nodes[0].left);
    EXPECT_FALSE(state_.nodes[0].stopped);
    // Of old, one that stopped cleanly was kept as one that has left.
    EXPECT_EQ(state_.nodes[1].left, format >= 4);
    EXPECT_EQ(state_.nodes[1].stopped.has_value(), format < 4);
    ASSERT_THAT(state_.intents, SizeIs(2));
    EXPECT_EQ(state_.intents[0].intent.id, Named(7));
    EXPECT_EQ(*state_.intents[0].intent.task(), (TaskId{Id(1), 41}));
    EXPECT_EQ(state_.intents[0].intent.grace, std::chrono::milliseconds(700));
    EXPECT_THAT(state_.intents[1].intent.filter()->actions, ElementsAre("a/*"));
    for (const StoredIntent& stored : state_.intents) {
      EXPECT_THAT(stored.pending, ElementsAre(PendingAt{Id(1), {}}));
      EXPECT_FALSE(stored.intent.moment.known());
    }
    EXPECT_THAT(Commit(OnTask(9, 9), {At(2)}), IsOk());
    store_.reset();
    auto now = sqlite::Database::Open(file(), StoreMigrations());
    ASSERT_THAT(now, IsOk());
    auto receipts = now->Prepare("SELECT task, intent FROM receipts");
    ASSERT_THAT(receipts, IsOk());
    ASSERT_THAT(receipts->Step(), IsOkAnd(true));
    EXPECT_EQ(receipts->text(0), (TaskId{Id(1), 40}.ToString()));
    EXPECT_EQ(receipts->text(1), Named(6).view());
  }
}

TEST_F(SqliteStoreTest, AFileInUseOrNotOursIsRefusedByName) {
  WaitingExecutor other;
  const pid_t child = fork();
  if (child == 0) {
    Result<SqliteStore::Opened> second = SqliteStore::Open(file(), other);
    _exit(!second && second.error().code == ErrorCode::kAlreadyExists ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  store_.reset();
  const int fd = open((directory_ + "/noise").c_str(), O_CREAT | O_WRONLY, 0600);
  ASSERT_EQ(write(fd, std::string(8192, 'x').data(), 8192), 8192);
  close(fd);
  EXPECT_THAT(SqliteStore::Open(directory_ + "/noise", executor_),
              FailsWith(ErrorCode::kInternal, "noise"));
}

}  // namespace
}  // namespace quell
