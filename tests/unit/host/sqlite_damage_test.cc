// Goal: what was committed and is not there any more, or not as it was, is noticed when the file is
// opened, or before another commit is acknowledged; whoever accepts that goes on with all that can
// be read.
// Method: real files as a crash leaves them, that are cut, flipped, deleted and replaced.
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "host/sqlite.h"
#include "tests/support/result_matchers.h"
#include "tests/unit/host/fixtures.h"

namespace quell::sqlite {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::string_view kTable = "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT) STRICT;";

class SqliteDamageTest : public testing::Test {
 protected:
  Result<Database> Open() { return Database::Open(path_, std::vector{kTable}); }
  Result<Database> Accept() {
    found_.clear();
    OpenOptions options;
    options.accept_damage = true;
    options.damage = [this](const std::string& text) { found_.push_back(text); };
    return Database::Open(path_, std::vector{kTable}, options);
  }
  // So many rows with some text, one in each commit.
  static void Insert(Database& database, int first, int count) {
    for (int id = first; id < first + count; ++id) {
      ASSERT_THAT(database.Begin(), IsOk());
      ASSERT_THAT(database.Run("INSERT INTO t VALUES(?1, ?2)", id, Text(id)), IsOk());
      ASSERT_THAT(database.Commit(), IsOk());
    }
  }
  static std::string Text(int id) { return "row " + std::to_string(id) + std::string(500, '.'); }
  static std::vector<int> Rows(Database& database) {
    std::vector<int> ids;
    auto rows = database.Prepare("SELECT id, name FROM t ORDER BY id");
    EXPECT_THAT(rows, IsOk());
    EXPECT_THAT(rows->ForEach([&](const Statement& row) {
      ids.push_back(static_cast<int>(row.integer(0)));
      EXPECT_EQ(row.text(1), Text(ids.back()));
    }),
                IsOk());
    return ids;
  }
  // What a crash leaves of a file with so many rows; from now on the tests' own.
  void Crash(int rows) {
    auto database = Open();
    ASSERT_THAT(database, IsOk());
    Insert(*database, 1, rows);
    const std::string copy = dir_.File("copy.db");
    for (const char* suffix : {"", "-wal", "-commits"})
      std::filesystem::copy_file(path_ + suffix, copy + suffix);
    path_ = copy;
  }
  // A file with so many rows that was closed: all of it is in the file itself.
  void Close(int rows) {
    auto database = Open();
    ASSERT_THAT(database, IsOk());
    Insert(*database, 1, rows);
  }
  static void Flip(const std::string& file, std::size_t at) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(at));
    const int byte = stream.get();
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(static_cast<char>(byte ^ 4));
  }
  std::size_t Size(const char* suffix = "") const {
    return std::filesystem::file_size(path_ + suffix);
  }
  void Cut(const char* suffix, std::size_t size) {
    std::filesystem::resize_file(path_ + suffix, size);
  }

  TempDir dir_;
  std::string path_ = dir_.File("a.db");
  std::vector<std::string> found_;
};

TEST_F(SqliteDamageTest, NothingIsMissingAfterACrash) {
  Crash(20);
  auto database = Open();
  ASSERT_THAT(database, IsOk());
  EXPECT_EQ(Rows(*database).size(), 20u);
  EXPECT_EQ(database->lost_commits(), 0u);
}

TEST_F(SqliteDamageTest, ALogThatWasCutIsRefusedAndSaysHowManyCommitsAreMissing) {
  Crash(20);
  Cut("-wal", Size("-wal") - 10);
  EXPECT_THAT(Open(),
              FailsWith(ErrorCode::kInternal, "has had 20 commits, and the last 1 of them"));
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kInternal, "--accept-damaged-data"));
}

TEST_F(SqliteDamageTest, AFlippedBitInTheLogIsRefused) {
  Crash(20);
  Flip(path_ + "-wal", Size("-wal") / 2);
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kInternal, path_ + "-wal, was cut, damaged"));
}

TEST_F(SqliteDamageTest, ALogOrAFileThatIsGoneIsRefused) {
  Crash(20);
  std::filesystem::remove(path_ + "-wal");
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kInternal, "are missing"));
  std::filesystem::remove(path_);
  std::filesystem::remove(path_ + "-wal");
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kInternal, "the last 20 of them are missing"));
}

TEST_F(SqliteDamageTest, WithoutItsCountAFileIsRefused) {
  Crash(20);
  std::filesystem::remove(path_ + "-commits");
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kInternal, path_ + "-commits is missing"));
  std::ofstream(path_ + "-commits") << std::string(128, '7');
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kInternal, path_ + "-commits is damaged"));
}

TEST_F(SqliteDamageTest, ACountThatIsLateOrWasTornIsNoDamage) {
  Crash(20);
  const auto count = dir_.File("a.db-commits");
  Flip(path_ + "-commits", 10);  // The slot of the last but one, or of the last one.
  {
    auto database = Open();
    ASSERT_THAT(database, IsOk());
    Insert(*database, 21, 1);
  }
  std::filesystem::copy_file(count, path_ + "-commits",
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(Open(), IsOk()) << "the file has one commit more than it must have";
}

TEST_F(SqliteDamageTest, WhoAcceptsMissingCommitsGoesOnWithTheOthers) {
  Crash(20);
  Cut("-wal", Size("-wal") / 2);
  {
    auto database = Accept();
    ASSERT_THAT(database, IsOk());
    const auto rows = Rows(*database).size();
    EXPECT_GT(rows, 2u);
    EXPECT_LT(rows, 20u);
    EXPECT_EQ(database->lost_commits(), 20 - rows);
    EXPECT_THAT(found_, ElementsAre(HasSubstr("are missing")));
    Insert(*database, 100, 1);
  }
  auto again = Open();
  ASSERT_THAT(again, IsOk()) << "it is whole again";
  EXPECT_EQ(again->lost_commits(), 0u);
  EXPECT_EQ(Rows(*again).back(), 100);
}

TEST_F(SqliteDamageTest, AnAcceptedFileThatIsGoneBeginsAnew) {
  Close(20);
  std::filesystem::remove(path_);
  auto database = Accept();
  ASSERT_THAT(database, IsOk());
  EXPECT_THAT(Rows(*database), IsEmpty());
  EXPECT_EQ(database->lost_commits(), 20u);
}

TEST_F(SqliteDamageTest, AFlippedBitAnywhereInTheFileIsRefused) {
  Close(40);
  const std::size_t size = Size();
  for (std::size_t at = 4096 + 100; at < size; at += 4096 / 3 + 17) {
    Flip(path_, at);
    EXPECT_THAT(Open(), FailsWith(ErrorCode::kInternal, path_)) << "byte " << at << " of " << size;
    Flip(path_, at);
  }
  EXPECT_THAT(Open(), IsOk());
}

TEST_F(SqliteDamageTest, WhoAcceptsADamagedPageGetsTheRowsOfTheOthers) {
  Close(200);
  Flip(path_, Size() / 2);
  {
    auto database = Accept();
    ASSERT_THAT(database, IsOk());
    const std::vector<int> rows = Rows(*database);  // Each with the text that it had.
    EXPECT_GT(rows.size(), 150u);
    EXPECT_LT(rows.size(), 200u);
    EXPECT_EQ(rows.front(), 1);
    EXPECT_EQ(rows.back(), 200) << "what lies behind the damage is read too";
    EXPECT_GT(database->lost_commits(), 0u);
    EXPECT_THAT(found_, testing::Contains(HasSubstr("others cannot be read")));
  }
  EXPECT_TRUE(std::filesystem::exists(path_ + ".damaged-1"));
  EXPECT_THAT(Open(), IsOk());
}

TEST_F(SqliteDamageTest, WhoAcceptsAFileThatWasCutGetsTheRowsThatAreLeft) {
  Close(200);
  Cut("", Size() / 2);
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kInternal, path_));
  auto database = Accept();
  ASSERT_THAT(database, IsOk());
  EXPECT_GT(Rows(*database).size(), 50u);
  EXPECT_LT(Rows(*database).size(), 150u);
}

TEST_F(SqliteDamageTest, AFileOfBeforeThereWereChecksumsGetsThemAndACount) {
  {
    sqlite3* raw = nullptr;
    ASSERT_EQ(::sqlite3_open(path_.c_str(), &raw), SQLITE_OK);
    std::string script = "PRAGMA journal_mode = WAL;" + std::string(kTable);
    for (int id = 1; id <= 100; ++id)
      script += "INSERT INTO t VALUES(" + std::to_string(id) + ", '" + Text(id) + "');";
    script += "PRAGMA user_version = 1;";
    ASSERT_EQ(::sqlite3_exec(raw, script.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    ::sqlite3_close(raw);
  }
  {
    auto database = Open();
    ASSERT_THAT(database, IsOk());
    EXPECT_EQ(Rows(*database).size(), 100u);
    Insert(*database, 101, 1);
  }
  ASSERT_THAT(Open(), IsOk());
  EXPECT_TRUE(std::filesystem::exists(path_ + "-commits"));
  Flip(path_, Size() / 2);
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kInternal, path_));
}

TEST_F(SqliteDamageTest, NothingIsAcknowledgedOnceTheFilesAreDeleted) {
  for (const char* suffix : {"", "-wal", "-commits"}) {
    path_ = dir_.File(std::string("deleted") + suffix + ".db");
    auto database = Open();
    ASSERT_THAT(database, IsOk());
    Insert(*database, 1, 1);
    std::filesystem::remove(path_ + suffix);
    EXPECT_THAT(database->Begin(),
                FailsWith(ErrorCode::kInternal, path_ + suffix + " was deleted"));
  }
}

TEST_F(SqliteDamageTest, ACommitWhoseFileIsReplacedMeanwhileIsNotAcknowledged) {
  auto database = Open();
  ASSERT_THAT(database, IsOk());
  ASSERT_THAT(database->Begin(), IsOk());
  ASSERT_THAT(database->Run("INSERT INTO t VALUES(1, 'a')"), IsOk());
  std::filesystem::copy_file(path_, dir_.File("other"));
  std::filesystem::rename(dir_.File("other"), path_);
  EXPECT_THAT(database->Commit(), FailsWith(ErrorCode::kOutcomeUnknown, "replaced"));
}

TEST_F(SqliteDamageTest, ItsFilesAreForTheirOwnerOnly) {
  auto database = Open();
  ASSERT_THAT(database, IsOk());
  for (const char* suffix : {"", "-wal", "-commits"}) {
    struct stat info {};
    ASSERT_EQ(::stat((path_ + suffix).c_str(), &info), 0) << suffix;
    EXPECT_EQ(info.st_mode & 0777U, 0600U) << suffix;
  }
}

}  // namespace
}  // namespace quell::sqlite
