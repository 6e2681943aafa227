// Goal: a database is durable, exclusive and checked, and each way in which it can fail has its
// code, its file and its remedy.
// Method: real files; a second process; a disk that is full or fails to sync; damaged files.
#include "host/sqlite.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "tests/support/result_matchers.h"
#include "tests/unit/host/fixtures.h"

namespace quell::sqlite {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kFirst = "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT) STRICT;";
constexpr std::string_view kSecond =
    "ALTER TABLE t ADD COLUMN age INTEGER;"
    "CREATE UNIQUE INDEX t_name ON t(name);";

class SqliteTest : public testing::Test {
 protected:
  SqliteTest() { Disk::InterceptSqliteWrites(); }
  ~SqliteTest() override { Disk::Heal(); }

  Result<Database> Open(std::vector<std::string_view> migrations = {kFirst}) {
    return Database::Open(path_, migrations);
  }
  // With a table of ids and names.
  Database MustOpen() {
    auto database = Open();
    EXPECT_THAT(database, IsOk());
    return std::move(*database);
  }
  static std::int64_t Ask(Database& database, std::string_view sql) {
    auto statement = database.Prepare(sql);
    EXPECT_THAT(statement, IsOk());
    EXPECT_THAT(statement->Step(), IsOkAnd(true));
    return statement->integer(0);
  }
  static std::int64_t Rows(Database& database) { return Ask(database, "SELECT count(*) FROM t"); }
  // What a crash now would leave.
  std::string CopyOfFiles() const {
    const std::string copy = dir_.File("copy.db");
    for (const char* suffix : {"", "-wal", "-commits"}) {
      std::filesystem::copy_file(path_ + suffix, copy + suffix,
                                 std::filesystem::copy_options::overwrite_existing);
    }
    return copy;
  }

  TempDir dir_;
  std::string path_ = dir_.File("a.db");
};

TEST_F(SqliteTest, KeepsWhatWasCommitted) {
  {
    Database database = MustOpen();
    ASSERT_THAT(database.Begin(), IsOk());
    ASSERT_THAT(database.Run("INSERT INTO t VALUES(?1, ?2)", 1, "one"), IsOk());
    ASSERT_THAT(database.Commit(), IsOk());
    ASSERT_THAT(database.Begin(), IsOk());
    ASSERT_THAT(database.Run("INSERT INTO t VALUES(?1, ?2)", 2, "two"), IsOk());
  }
  Database database = MustOpen();
  EXPECT_EQ(Rows(database), 1) << "what was not committed must be gone";
}

TEST_F(SqliteTest, IsSetUpToLoseNothing) {
  Database database = MustOpen();
  EXPECT_EQ(Ask(database, "PRAGMA synchronous"), 2) << "FULL";
  EXPECT_EQ(Ask(database, "PRAGMA foreign_keys"), 1);
  auto mode = database.Prepare("PRAGMA journal_mode");
  ASSERT_THAT(mode->Step(), IsOkAnd(true));
  EXPECT_EQ(mode->text(0), "wal");
  auto locking = database.Prepare("PRAGMA locking_mode");
  ASSERT_THAT(locking->Step(), IsOkAnd(true));
  EXPECT_EQ(locking->text(0), "exclusive");
}

TEST_F(SqliteTest, SyncsEachCommitOnce) {
  Database database = MustOpen();
  const int before = Disk::syncs;
  for (int i = 0; i < 10; ++i) {
    ASSERT_THAT(database.Run("INSERT INTO t VALUES(?1, NULL)", i), IsOk());
  }
  EXPECT_EQ(Disk::syncs - before, 10);
}

TEST_F(SqliteTest, BindsAndReadsEveryType) {
  enum class Colour : std::uint8_t { kBlue = 7 };
  Database database = MustOpen();
  auto statement = database.Prepare("SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9");
  ASSERT_THAT(statement, IsOk());
  statement->Bind(-5, std::uint64_t{1} << 53, true, "text", std::string("a\0b", 3),
                  std::string_view(), Colour::kBlue, std::nullopt, std::optional<int>(9));
  ASSERT_THAT(statement->Step(), IsOkAnd(true));
  EXPECT_EQ(statement->integer(0), -5);
  EXPECT_EQ(statement->number(1), std::uint64_t{1} << 53);
  EXPECT_EQ(statement->integer(2), 1);
  EXPECT_EQ(statement->text(3), "text");
  EXPECT_EQ(statement->text(4), std::string("a\0b", 3));
  EXPECT_FALSE(statement->null(5)) << "an empty text is no NULL";
  EXPECT_EQ(statement->text(5), "");
  EXPECT_EQ(statement->integer(6), 7);
  EXPECT_TRUE(statement->null(7));
  EXPECT_EQ(statement->text(7), "");
  EXPECT_EQ(statement->integer(8), 9);
  EXPECT_THAT(statement->Step(), IsOkAnd(false));
}

TEST_F(SqliteTest, GivesEachRowOnce) {
  Database database = MustOpen();
  for (const int id : {3, 1, 2}) {
    ASSERT_THAT(database.Run("INSERT INTO t VALUES(?1, NULL)", id), IsOk());
  }
  auto statement = database.Prepare("SELECT id FROM t WHERE id >= ?1 ORDER BY id");
  std::vector<std::int64_t> ids;
  statement->Bind(2);
  ASSERT_THAT(statement->ForEach([&](const Statement& row) { ids.push_back(row.integer(0)); }),
              IsOk());
  EXPECT_THAT(ids, ElementsAre(2, 3));
}

TEST_F(SqliteTest, LendsOneTextTwice) {
  Database database = MustOpen();
  ASSERT_THAT(database.Run("INSERT INTO t VALUES(1, 'one'), (2, 'two')"), IsOk());
  constexpr std::string_view kSql = "SELECT name FROM t WHERE id = ?1";
  for (int round = 0; round < 2; ++round) {
    auto first = database.Prepare(kSql);
    auto second = database.Prepare(kSql);
    first->Bind(1);
    second->Bind(2);
    ASSERT_THAT(first->Step(), IsOkAnd(true));
    ASSERT_THAT(second->Step(), IsOkAnd(true));
    EXPECT_EQ(first->text(0), "one");
    EXPECT_EQ(second->text(0), "two");
  }
}

TEST_F(SqliteTest, ForgetsTheArgumentsOfTheLastLoan) {
  Database database = MustOpen();
  { database.Prepare("SELECT ?1")->Bind("left behind"); }
  auto statement = database.Prepare("SELECT ?1");
  ASSERT_THAT(statement->Step(), IsOkAnd(true));
  EXPECT_TRUE(statement->null(0));
}

TEST_F(SqliteTest, CountsChangedRows) {
  Database database = MustOpen();
  ASSERT_THAT(database.Run("INSERT INTO t VALUES(1, 'a'), (2, 'b'), (3, 'c')"), IsOk());
  ASSERT_THAT(database.Run("DELETE FROM t WHERE id > ?1", 1), IsOk());
  EXPECT_EQ(database.rows_changed(), 2);
}

TEST_F(SqliteTest, NamesWrongSql) {
  Database database = MustOpen();
  EXPECT_THAT(database.Run("SELEKT 1"), FailsWith(ErrorCode::kInternal, "SELEKT"));
  EXPECT_THAT(database.Run("SELECT 1", 1, 2), FailsWith(ErrorCode::kInternal, path_))
      << "more arguments than the statement takes";
}

TEST_F(SqliteTest, TellsADoubledKeyFromOtherMistakes) {
  Database database = MustOpen();
  ASSERT_THAT(database.Run("INSERT INTO t VALUES(1, 'a')"), IsOk());
  EXPECT_THAT(database.Run("INSERT INTO t VALUES(1, 'b')"), FailsWith(ErrorCode::kAlreadyExists));
  EXPECT_THAT(database.Run("INSERT INTO t VALUES('x', 'b')"), FailsWith(ErrorCode::kInternal));
}

TEST_F(SqliteTest, BringsAnOldFileUpToDateOnce) {
  {
    auto database = Open({kFirst});
    ASSERT_THAT(database->Run("INSERT INTO t VALUES(1, 'a')"), IsOk());
  }
  for (int round = 0; round < 2; ++round) {
    auto database = Open({kFirst, kSecond});
    ASSERT_THAT(database, IsOk());
    EXPECT_EQ(Ask(*database, "PRAGMA user_version"), 2);
    EXPECT_EQ(Ask(*database, "SELECT count(*) FROM t WHERE age IS NULL"), 1);
  }
}

TEST_F(SqliteTest, RefusesAFileOfANewerVersion) {
  { ASSERT_THAT(Open({kFirst, kSecond}), IsOk()); }
  EXPECT_THAT(Open({kFirst}), FailsWith(ErrorCode::kFailedPrecondition, path_));
  EXPECT_THAT(Open({kFirst}), FailsWith(ErrorCode::kFailedPrecondition, "newer version"));
}

// One without checksums, which would be written anew to get them.
TEST_F(SqliteTest, AFileOfANewerVersionStaysAsItIs) {
  sqlite3* plain = nullptr;
  ASSERT_EQ(::sqlite3_open(path_.c_str(), &plain), SQLITE_OK);
  ASSERT_EQ(::sqlite3_exec(plain,
                           "PRAGMA journal_mode = WAL; CREATE TABLE t(id); PRAGMA user_version = 2",
                           nullptr, nullptr, nullptr),
            SQLITE_OK);
  ::sqlite3_close(plain);
  const auto bytes = [this] {
    std::ifstream file(path_, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string before = bytes();
  EXPECT_THAT(Open({kFirst}), FailsWith(ErrorCode::kFailedPrecondition, "newer version"));
  EXPECT_EQ(bytes(), before);
  EXPECT_FALSE(std::filesystem::exists(path_ + "-commits"));
}

TEST_F(SqliteTest, UndoesAMigrationThatFailsHalfway) {
  EXPECT_THAT(Open({"CREATE TABLE half(x); SELEKT 1;"}), FailsWith(ErrorCode::kInternal));
  auto database = Open({"CREATE TABLE half(x);"});
  EXPECT_THAT(database, IsOk());
}

TEST_F(SqliteTest, BelongsToOneProcess) {
  const ChildProcess other([&] {
    auto held = Open();
    if (!held) return false;
    static const Database kept = std::move(*held);
    return true;
  });
  ASSERT_TRUE(other.ready());
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kAlreadyExists, path_));
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kAlreadyExists, "another process"));
}

TEST_F(SqliteTest, SurvivesTheDeathOfItsProcess) {
  ChildProcess other([&] {
    auto held = Open();
    if (!held || !held->Run("INSERT INTO t VALUES(1, 'a')")) return false;
    static const Database kept = std::move(*held);
    return true;
  });
  ASSERT_TRUE(other.ready());
  other.Kill();
  Database database = MustOpen();
  EXPECT_EQ(Rows(database), 1);
}

TEST_F(SqliteTest, RefusesADamagedFile) {
  {
    Database database = MustOpen();
    ASSERT_THAT(database.Begin(), IsOk());
    for (int i = 0; i < 2000; ++i) {
      ASSERT_THAT(database.Run("INSERT INTO t VALUES(?1, 'some text')", i), IsOk());
    }
    ASSERT_THAT(database.Commit(), IsOk());
  }
  {
    std::fstream file(path_, std::ios::in | std::ios::out);
    file.seekp(4096);
    file << std::string(4096, '\xaa');
  }
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kInternal, path_));
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kInternal, "from a backup"));
}

TEST_F(SqliteTest, RefusesAFileThatIsNoDatabase) {
  std::ofstream(path_) << std::string(10'000, 'x');
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kInternal, "from a backup"));
}

TEST_F(SqliteTest, SaysWhichFileItCannotOpen) {
  path_ = dir_.File("no/such.db");
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kInternal, path_));
}

TEST_F(SqliteTest, HasNothingOfACommitThatAFullDiskRefused) {
  Database database = MustOpen();
  Disk::sqlite_write_error = ENOSPC;
  const Status full = database.Run("INSERT INTO t VALUES(1, 'a')");
  EXPECT_THAT(full, FailsWith(ErrorCode::kResourceExhausted, path_));
  EXPECT_THAT(full, FailsWith(ErrorCode::kResourceExhausted, "free some space"));
  Disk::Heal();
  EXPECT_EQ(Rows(database), 0);
  const std::string copy = CopyOfFiles();
  auto crashed = Database::Open(copy, std::vector{kFirst});
  ASSERT_THAT(crashed, IsOk());
  EXPECT_EQ(Rows(*crashed), 0);
  EXPECT_THAT(database.Run("INSERT INTO t VALUES(1, 'a')"), IsOk()) << "there is space again";
}

TEST_F(SqliteTest, SaysWhenTheLimitOfFileSizeIsMet) {
  Database database = MustOpen();
  const FileSizeLimit limit(64 * 1024);
  const std::string text(256 * 1024, 'x');
  EXPECT_THAT(database.Run("INSERT INTO t VALUES(1, ?1)", text),
              FailsWith(ErrorCode::kResourceExhausted, "ulimit -f"));
  ASSERT_THAT(database.Begin(), IsOk());
  ASSERT_THAT(database.Run("INSERT INTO t VALUES(1, ?1)", text), IsOk());
  EXPECT_THAT(database.Commit(), FailsWith(ErrorCode::kResourceExhausted, path_));
  EXPECT_EQ(Rows(database), 0);
}

TEST_F(SqliteTest, FillsARealDisk) {
  const Tmpfs disk("size=256k");
  if (!disk.mounted()) GTEST_SKIP() << "mounting takes a privilege";
  path_ = disk.dir().File("a.db");
  {
    Database database = MustOpen();
    Status status;
    int stored = 0;
    for (; status && stored < 1000; ++stored) {
      status = database.Run("INSERT INTO t VALUES(NULL, ?1)", std::string(2000, 'x'));
    }
    EXPECT_THAT(status, FailsWith(ErrorCode::kResourceExhausted, path_));
    EXPECT_EQ(Rows(database), stored - 1);
    disk.Remount("size=2m");
    EXPECT_THAT(database.Run("INSERT INTO t VALUES(NULL, 'after')"), IsOk());
    EXPECT_EQ(Rows(database), stored);
  }
  Database again = MustOpen();
  EXPECT_EQ(Ask(again, "SELECT count(*) FROM t WHERE name = 'after'"), 1);
}

// The reason for kOutcomeUnknown: SQLite says that the commit failed, goes on without it, and yet a
// crash brings it back.
TEST_F(SqliteTest, DoesNotClaimToKnowWhatAFailedSyncLeft) {
  Database database = MustOpen();
  ASSERT_THAT(database.Begin(), IsOk());
  ASSERT_THAT(database.Run("INSERT INTO t VALUES(1, 'a')"), IsOk());
  Disk::sync_error = EIO;
  EXPECT_THAT(database.Commit(), FailsWith(ErrorCode::kOutcomeUnknown, path_));
  EXPECT_FALSE(database.in_transaction());
  Disk::Heal();
  EXPECT_EQ(Rows(database), 0);
  const std::string copy = CopyOfFiles();
  {
    auto crashed = Database::Open(copy, std::vector{kFirst});
    ASSERT_THAT(crashed, IsOk());
    EXPECT_EQ(Rows(*crashed), 1) << "if this ever fails, the outcome has become known";
  }
  // Repeating it makes it certain.
  ASSERT_THAT(database.Run("INSERT INTO t VALUES(1, 'a')"), IsOk());
  EXPECT_EQ(Rows(database), 1);
}

TEST_F(SqliteTest, RollsBack) {
  Database database = MustOpen();
  ASSERT_THAT(database.Begin(), IsOk());
  ASSERT_THAT(database.Run("INSERT INTO t VALUES(1, 'a')"), IsOk());
  EXPECT_TRUE(database.in_transaction());
  database.Rollback();
  EXPECT_FALSE(database.in_transaction());
  EXPECT_EQ(Rows(database), 0);
}

TEST_F(SqliteTest, HasTheDaemonsErrorsInOneLine) {
  Database database = MustOpen();
  const Status wrong = database.Run("SELECT\n1\nFROM nowhere");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, testing::Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace quell::sqlite
