#include "host/sqlite.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <sqlite3.h>

#include "host/sqlite_checksums.h"
#include "host/sqlite_rescue.h"

namespace quell::sqlite {
namespace {

constexpr std::size_t kIdleMax = 100;  // Compiled statements kept.

std::string InOneLine(std::string_view sql) {
  return std::string(sql.substr(0, std::min<std::size_t>(sql.find('\n'), 80)));
}

// So that errno, after an error, is this step's: SQLite does not keep it when a commit fails.
int StepOnce(sqlite3_stmt* handle) {
  errno = 0;
  return ::sqlite3_step(handle);
}

bool IsDamage(int code) {
  return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB ||
         code == SQLITE_IOERR_DATA;
}

constexpr std::string_view kGoOn =
    "; restore the whole directory from a backup, or start once with --accept-damaged-data to go "
    "on "
    "with what can be read";

// A file that is there is not opened: to close it would give up the locks that SQLite has on it.
void MakeForOwner(const std::string& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
}

bool IsFull(int code, int error) {
  return code == SQLITE_FULL ||
         (code == SQLITE_IOERR_WRITE && (error == ENOSPC || error == EDQUOT || error == EFBIG));
}

}  // namespace

// ---- Statement

Statement::Statement(Database& database, std::string sql, sqlite3_stmt* handle)
    : database_(&database), sql_(std::move(sql)), handle_(handle) {}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_),
      sql_(std::move(other.sql_)),
      handle_(std::exchange(other.handle_, nullptr)),
      failed_bind_(other.failed_bind_) {}

Statement::~Statement() {
  if (handle_ == nullptr) return;
  Reset();
  database_->GiveBack(std::move(sql_), handle_);
}

Result<bool> Statement::Step() {
  const int code = failed_bind_ != 0 ? failed_bind_ : StepOnce(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  const Error error = database_->LastError(code, InOneLine(sql_));
  ::sqlite3_reset(handle_);
  return error;
}

Status Statement::Finish() {
  const Status done = ForEach([](const Statement&) {});
  ::sqlite3_reset(handle_);  // A statement that is not reset keeps the transaction open.
  return done;
}

std::int64_t Statement::integer(int column) const {
  return ::sqlite3_column_int64(handle_, column);
}

std::string_view Statement::text(int column) const {
  const void* bytes = ::sqlite3_column_blob(handle_, column);
  const int size = ::sqlite3_column_bytes(handle_, column);
  return {static_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

bool Statement::null(int column) const {
  return ::sqlite3_column_type(handle_, column) == SQLITE_NULL;
}

void Statement::Reset() {
  ::sqlite3_reset(handle_);
  ::sqlite3_clear_bindings(handle_);
  failed_bind_ = 0;
}

void Statement::BindNull(int index) {
  if (const int code = ::sqlite3_bind_null(handle_, index); code != SQLITE_OK) failed_bind_ = code;
}

void Statement::BindInteger(int index, std::int64_t value) {
  if (const int code = ::sqlite3_bind_int64(handle_, index, value); code != SQLITE_OK) {
    failed_bind_ = code;
  }
}

void Statement::BindText(int index, std::string_view value) {
  // An empty view may have no address, which SQLite would take for NULL.
  const char* data = value.empty() ? "" : value.data();
  const int code =
      ::sqlite3_bind_text64(handle_, index, data, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) failed_bind_ = code;
}

// ---- Database

void Database::CloseHandle::operator()(sqlite3* handle) const {
  ::sqlite3_close_v2(handle);
}

Database::Database(Database&&) noexcept = default;

Database::~Database() {
  for (const auto& [sql, statement] : idle_)
    ::sqlite3_finalize(statement);
}

Result<Database> Database::Open(const std::string& path,
                                std::span<const std::string_view> migrations,
                                const OpenOptions& options) {
  Damage damage = Damage::kNone;
  Result<Database> whole = OpenWhole(path, migrations, damage);
  if (whole || damage == Damage::kNone || !options.accept_damage) return whole;
  if (options.damage) options.damage(whole.error().message);
  if (damage == Damage::kPages) {
    const Status rescued = Rescue(path, migrations, options).Run();
    if (!rescued) {
      return Error{rescued.error().code,
                   path + " cannot be rescued, move it and " + path +
                       "-commits away to start without it: " + rescued.error().message};
    }
  }
  // What is there now is all there is: the count begins with it.
  const Result<CommitCount> before = CommitCount::Open(path + "-commits");
  ::unlink((path + "-commits").c_str());
  std::uint64_t left = 0;
  {
    Database restarted(path);
    Status counted = restarted.Connect();
    if (counted) counted = restarted.Configure();
    if (counted) counted = restarted.StartCount();
    if (!counted) return counted.error();
    if (damage == Damage::kCommits) left = restarted.commits_;
  }
  Result<Database> rest = OpenWhole(path, migrations, damage);
  if (!rest) return rest;
  rest->lost_commits_ = before && before->count() > left ? before->count() - left : 1;
  return rest;
}

Result<Database> Database::OpenWhole(const std::string& path,
                                     std::span<const std::string_view> migrations, Damage& damage) {
  Database database(path);
  Status done = database.Connect();
  if (done) done = database.Configure();
  if (done) done = database.Check(damage);
  if (done) done = database.CheckFormat(migrations.size());
  if (done) done = database.AddChecksums();
  if (done) done = database.CheckCount(damage);
  if (done) done = database.Migrate(migrations);
  if (!done) {
    if (IsDamage(::sqlite3_extended_errcode(database.handle_.get()))) damage = Damage::kPages;
    return done.error();
  }
  for (const char* suffix : {"", "-wal", "-commits"})
    database.files_.emplace_back(path + suffix);
  return database;
}

Status Database::Connect() {
  MakeForOwner(path_);  // What cannot be made SQLite will name.
  sqlite3* handle = nullptr;
  const int code = ::sqlite3_open_v2(
      path_.c_str(), &handle,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      ChecksumLayer());
  handle_.reset(handle);  // Made even when it fails; it knows the cause.
  if (code != SQLITE_OK) return LastError(code, "open");
  int reserve = kChecksumBytes;  // Of a file that is made now, or rewritten by AddChecksums().
  ::sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_RESERVE_BYTES, &reserve);
  return {};
}

Status Database::Configure() {
  ::sqlite3_db_config(handle_.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  // Exclusive locking comes before the log: then the log's index is plain memory, and no second
  // connection can ever open the file. That also keeps clear of a race between a checkpoint and a
  // second connection's commit that SQLite before 3.51.3 has.
  if (Status done = RunScript("PRAGMA locking_mode = EXCLUSIVE;"
                              "PRAGMA foreign_keys = ON;"
                              "PRAGMA trusted_schema = OFF;"
                              "PRAGMA temp_store = MEMORY;");
      !done) {
    return done;
  }
  Result<Statement> mode = Prepare("PRAGMA journal_mode = WAL");
  if (!mode) return mode.error();
  const Result<bool> row = mode->Step();
  if (!row) return row.error();
  if (!*row || mode->text(0) != "wal") {
    return Error{ErrorCode::kInternal, path_ +
                                           " cannot have a write-ahead log where it lies; "
                                           "give a --data on a local disk"};
  }
  return RunScript(
      "PRAGMA synchronous = FULL;"
      "PRAGMA journal_size_limit = 67108864;");
}

Status Database::Check(Damage& damage) {
  Result<Statement> check = Prepare("PRAGMA quick_check(1)");
  if (!check) return check.error();
  const Result<bool> row = check->Step();
  if (!row) return row.error();
  if (*row && check->text(0) == "ok") return {};
  damage = Damage::kPages;
  std::string found(*row ? check->text(0) : "no answer");
  std::replace(found.begin(), found.end(), '\n', ' ');
  return Error{ErrorCode::kInternal, path_ + " is damaged (" + found + ")" + std::string(kGoOn)};
}

// Of a file of before there were any: it is written anew, once.
Status Database::AddChecksums() {
  Result<Statement> pages = Prepare("PRAGMA page_count");
  if (!pages) return pages.error();
  const Result<bool> row = pages->Step();
  if (!row) return row.error();
  if (pages->integer(0) == 0 || HasChecksums(handle_.get())) return {};
  pages->Reset();
  return RunScript("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);");
}

Status Database::CheckCount(Damage& damage) {
  const std::string path = path_ + "-commits";
  Result<CommitCount> beside = CommitCount::Open(path);
  const bool none = !beside && beside.error().code == ErrorCode::kNotFound;
  bool counts = false;
  {
    Result<Statement> table = Prepare("SELECT 1 FROM sqlite_master WHERE name = 'commits'");
    if (!table) return table.error();
    const Result<bool> found = table->Step();
    if (!found) return found.error();
    counts = *found;
  }
  if (!counts && none) return StartCount();
  if (counts) {
    Result<Statement> count = Prepare("SELECT count FROM commits");
    if (!count) return count.error();
    const Result<bool> row = count->Step();
    if (!row) return row.error();
    if (*row) commits_ = count->number(0);
  }
  if (none && commits_ == 0) return StartCount();
  damage = Damage::kCommits;
  if (!beside) {
    if (!none && beside.error().code != ErrorCode::kInternal) return beside.error();
    return Error{ErrorCode::kInternal, path + (none ? " is missing" : " is damaged") +
                                           ": without it nobody knows whether " + path_ +
                                           " has all its commits" + std::string(kGoOn)};
  }
  if (commits_ < beside->count()) {
    return Error{ErrorCode::kInternal,
                 path_ + " has had " + std::to_string(beside->count()) + " commits, and the last " +
                     std::to_string(beside->count() - commits_) +
                     " of them are missing: it, or its log " + path_ +
                     "-wal, was cut, damaged, deleted, or replaced by an older one" +
                     std::string(kGoOn)};
  }
  damage = Damage::kNone;
  // It may be late. The next commit writes it: the last ones here may not be synced yet.
  count_ = std::move(*beside);
  return {};
}

// First the table, then the file: a crash in between finds a count of none.
Status Database::StartCount() {
  Status made = RunScript(
      "CREATE TABLE IF NOT EXISTS commits(count INTEGER NOT NULL);"
      "INSERT INTO commits SELECT 0 WHERE NOT EXISTS(SELECT 1 FROM commits)");
  if (!made) return made;
  {
    Result<Statement> count = Prepare("SELECT count FROM commits");
    if (!count) return count.error();
    const Result<bool> row = count->Step();
    if (!row) return row.error();
    commits_ = count->number(0);
  }
  Result<CommitCount> beside = CommitCount::Make(path_ + "-commits", commits_);
  if (!beside) return beside.error();
  count_ = std::move(*beside);
  return {};
}

Status Database::CheckInPlace() {
  for (FileIdentity& file : files_) {
    if (file.Unchanged()) continue;
    return Error{ErrorCode::kInternal,
                 file.path() +
                     " was deleted or replaced while this daemon has it open, and nothing can be "
                     "kept any more: stop the daemon, restore the data directory, start it again"};
  }
  return {};
}

// How many migrations it has had.
Result<std::size_t> Database::Format() {
  Result<Statement> query = Prepare("PRAGMA user_version");
  if (!query) return query.error();
  const Result<bool> row = query->Step();
  if (!row) return row.error();
  return query->number(0);
}

// Before anything is written: a file that is refused stays as it is.
Status Database::CheckFormat(std::size_t known) {
  const Result<std::size_t> format = Format();
  if (!format) return format.error();
  if (*format <= known) return {};
  return Error{ErrorCode::kFailedPrecondition,
               path_ + " was written by a newer version of this program (its format is " +
                   std::to_string(*format) + ", this one knows " + std::to_string(known) +
                   "); run that version, or give another --data"};
}

Status Database::Migrate(std::span<const std::string_view> migrations) {
  const Result<std::size_t> format = Format();
  if (!format) return format.error();
  for (std::size_t version = *format; version < migrations.size(); ++version) {
    Status done = Begin();
    if (done) done = RunScript(migrations[version]);
    if (done) done = RunScript("PRAGMA user_version = " + std::to_string(version + 1));
    if (done) done = Commit();
    if (!done) {
      Rollback();
      return done;
    }
  }
  return {};
}

Result<Statement> Database::Prepare(std::string_view sql) {
  if (const auto found = idle_.find(sql); found != idle_.end()) {
    auto node = idle_.extract(found);
    return Statement(*this, std::move(node.key()), node.mapped());
  }
  sqlite3_stmt* handle = nullptr;
  const int code = ::sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
  if (code != SQLITE_OK) return LastError(code, InOneLine(sql));
  return Statement(*this, std::string(sql), handle);
}

void Database::GiveBack(std::string sql, sqlite3_stmt* handle) {
  if (idle_.size() < kIdleMax) {
    idle_.emplace(std::move(sql), handle);
  } else {
    ::sqlite3_finalize(handle);
  }
}

Status Database::RunScript(std::string_view script) {
  const std::string text(script);
  const int code = ::sqlite3_exec(handle_.get(), text.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return LastError(code, InOneLine(script));
  return {};
}

Status Database::Begin() {
  if (Status in_place = CheckInPlace(); !in_place) return in_place;
  changes_before_ = ::sqlite3_total_changes64(handle_.get());
  return Run("BEGIN IMMEDIATE");
}

Status Database::Commit() {
  // One that has only read is none, and costs no sync.
  const bool counts = ::sqlite3_total_changes64(handle_.get()) != changes_before_;
  if (counts) {
    if (Status counted = Run("UPDATE commits SET count = ?1", commits_ + 1); !counted) {
      Rollback();
      return counted;
    }
  }
  Result<Statement> commit = Prepare("COMMIT");
  if (!commit) return commit.error();
  const int code = StepOnce(commit->handle_);
  if (code == SQLITE_DONE) {
    if (counts) count_->Write(++commits_);
    const Status in_place = CheckInPlace();
    if (in_place) return {};
    return Error{ErrorCode::kOutcomeUnknown, in_place.error().message};
  }
  Error error = LastError(code, "COMMIT");
  // SQLite writes the frame that makes the commit valid last, then syncs. If a write failed, that
  // frame is not whole. If anything after it failed, the frame may lie in the log and be found by
  // the recovery after a crash, although this connection goes on without it.
  if ((code & 0xff) == SQLITE_IOERR && error.code == ErrorCode::kInternal) {
    error.code = ErrorCode::kOutcomeUnknown;
  }
  ::sqlite3_reset(commit->handle_);
  Rollback();
  return error;
}

void Database::Rollback() {
  if (in_transaction()) (void)Run("ROLLBACK");
}

bool Database::in_transaction() const {
  return ::sqlite3_get_autocommit(handle_.get()) == 0;
}

std::int64_t Database::rows_changed() const {
  return ::sqlite3_changes64(handle_.get());
}

Error Database::LastError(int code, std::string_view doing) const {
  const int cause = errno;
  const int kept = ::sqlite3_system_errno(handle_.get());
  const int error = kept != 0 ? kept : cause;
  std::string message = path_ + ": ";
  if (IsFull(code, error)) {
    return {ErrorCode::kResourceExhausted,
            message + (error == EFBIG ? "the limit of file size is met; raise it (ulimit -f)"
                                      : "the disk is full; free some space there"),
            ErrorCause::kStorage};
  }
  ErrorCode kind = ErrorCode::kInternal;
  std::string_view remedy;
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorCode::kAlreadyExists,
              message + "another process has it open; stop that process, or give another --data"};
    case SQLITE_CONSTRAINT:
      if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
          code == SQLITE_CONSTRAINT_ROWID) {
        kind = ErrorCode::kAlreadyExists;
      }
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      remedy = kGoOn;
      break;
    case SQLITE_CANTOPEN:
      if (error == EACCES || error == EPERM) kind = ErrorCode::kPermissionDenied;
      break;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      kind = ErrorCode::kPermissionDenied;
      remedy = "; run as the user who owns it, or give another --data";
      break;
    default:
      break;
  }
  if (code == SQLITE_IOERR_DATA) {
    message += "a page does not have its checksum, the file is damaged";
    remedy = kGoOn;
  } else {
    message += ::sqlite3_errmsg(handle_.get());
  }
  message += " (" + std::string(doing);
  if ((code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN) {
    if (error != 0) message += ": " + std::string(std::strerror(error));
  }
  message += ')';
  message += remedy;
  return {kind, std::move(message)};
}

}  // namespace quell::sqlite
