// SQLite as we use it: one connection a file, write-ahead log, every commit synced, every page with
// a checksum, a count of the commits that notices missing ones, errors as values.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/result.h"
#include "host/commit_count.h"

struct sqlite3;
struct sqlite3_stmt;

namespace quell::sqlite {

// A statement on loan from its Database, which must outlive it; given back, reset, when destroyed.
//
// Arguments are bound from ?1 on, in order: integers, bool, text (std::string_view and what turns
// into one), enumerations (as their number), std::nullopt (NULL), and std::optional of these. Texts
// are copied. Columns are counted from 0; what text() refers to dies with the next Step().
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // Starts afresh with these arguments.
  template <typename... Args>
  void Bind(const Args&... args) {
    Reset();
    int index = 0;
    (BindOne(++index, args), ...);
  }
  // Whether there is a (next) row. Errors: see Database.
  Result<bool> Step();
  // Bind(), and runs to the end; for what gives no rows.
  template <typename... Args>
  Status Run(const Args&... args) {
    Bind(args...);
    return Finish();
  }
  // Calls `row(*this)` for each row that is left.
  template <typename Row>
  Status ForEach(Row row) {
    for (;;) {
      const Result<bool> more = Step();
      if (!more) return more.error();
      if (!*more) return {};
      row(*this);
    }
  }

  std::int64_t integer(int column) const;
  std::uint64_t number(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  std::string_view text(int column) const;
  bool null(int column) const;

 private:
  friend class Database;
  friend class Rescue;
  Statement(class Database& database, std::string sql, sqlite3_stmt* handle);

  template <typename T>
  void BindOne(int index, const T& value) {
    if constexpr (std::is_same_v<T, std::nullopt_t>) {
      BindNull(index);
    } else if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
      BindInteger(index, static_cast<std::int64_t>(value));
    } else {
      BindText(index, value);
    }
  }
  template <typename T>
  void BindOne(int index, const std::optional<T>& value) {
    value ? BindOne(index, *value) : BindNull(index);
  }
  void Reset();
  Status Finish();
  void BindNull(int index);
  void BindInteger(int index, std::int64_t value);
  void BindText(int index, std::string_view value);

  Database* database_;
  std::string sql_;
  sqlite3_stmt* handle_;  // None: moved from.
  int failed_bind_ = 0;   // Told by the next Step().
};

struct OpenOptions {
  // Goes on with what can be read of a damaged file, which is kept beside it, as PATH.damaged-N.
  bool accept_damage = false;
  // Told, line by line, what was found and what was lost, then.
  std::function<void(const std::string&)> damage = {};
  // A script that brings in order what depends on rows that may be lost.
  std::string_view repair = {};
};

// One open file. Used by one thread at a time.
//
// Errors, everywhere below; each message names the file, and the remedy where there is one:
// kResourceExhausted (full disk, quota or file size limit: nothing of the transaction is durable),
// kAlreadyExists (another process has the file open; a row breaks a UNIQUE or PRIMARY KEY),
// kPermissionDenied, kInternal (damaged file, I/O error, wrong SQL; the file was deleted or
// replaced since it was opened: nothing is done then), and, of Commit() alone, kOutcomeUnknown: the
// sync failed after the commit was written, so that a crash now may bring the transaction back, or
// the file was deleted meanwhile. Repeating it with the same keys is safe, and makes it certain.
class Database {
 public:
  // Opens or creates the file, for its owner only, takes it for this process alone, checks it, and
  // brings it up to date: `migrations` are scripts, each run once, in order; their number is the
  // file's version. PATH-commits, beside it, says how many commits it must have.
  // Also kFailedPrecondition: a newer version of the program wrote it; it stays as it is.
  static Result<Database> Open(const std::string& path,
                               std::span<const std::string_view> migrations,
                               const OpenOptions& options = {});
  Database(Database&&) noexcept;
  Database& operator=(Database&&) = delete;
  ~Database();

  // Compiled once for each text, then kept.
  Result<Statement> Prepare(std::string_view sql);
  // Prepare() and Run().
  template <typename... Args>
  Status Run(std::string_view sql, const Args&... args) {
    Result<Statement> statement = Prepare(sql);
    if (!statement) return statement.error();
    return statement->Run(args...);
  }
  // Statements without arguments, separated by semicolons.
  Status RunScript(std::string_view script);

  // Begin(): an error if the file is not any more where it was opened.
  // After an error of Commit() the transaction is rolled back. SQLite may roll back by itself when
  // a statement fails badly: ask in_transaction().
  Status Begin();
  Status Commit();
  void Rollback();
  bool in_transaction() const;

  std::int64_t rows_changed() const;  // By the last INSERT, UPDATE or DELETE.
  const std::string& path() const { return path_; }
  // It was damaged when it was opened, and that was accepted: so many commits may be missing, if
  // that is known, else at least one.
  std::uint64_t lost_commits() const { return lost_commits_; }

 private:
  enum class Damage : std::uint8_t { kNone, kCommits, kPages };
  friend class Statement;
  friend class Rescue;
  struct CloseHandle {
    void operator()(sqlite3* handle) const;
  };

  explicit Database(std::string path) : path_(std::move(path)) {}
  // Whole, or an error; `damage` says of which kind it is.
  static Result<Database> OpenWhole(const std::string& path,
                                    std::span<const std::string_view> migrations, Damage& damage);
  Status Connect();
  Status Configure();
  Status Check(Damage& damage);
  Result<std::size_t> Format();
  Status CheckFormat(std::size_t known);
  Status AddChecksums();
  Status CheckCount(Damage& damage);
  Status StartCount();
  Status CheckInPlace();
  Status Migrate(std::span<const std::string_view> migrations);
  Error LastError(int code, std::string_view doing) const;
  void GiveBack(std::string sql, sqlite3_stmt* handle);

  std::string path_;
  std::vector<FileIdentity> files_;  // That must stay where they are.
  std::optional<CommitCount> count_;
  std::uint64_t commits_ = 0;
  std::int64_t changes_before_ = 0;  // Of rows, since it was opened, before this transaction.
  std::uint64_t lost_commits_ = 0;
  std::unique_ptr<sqlite3, CloseHandle> handle_;
  std::multimap<std::string, sqlite3_stmt*, std::less<>> idle_;  // Compiled, not on loan.
};

}  // namespace quell::sqlite
