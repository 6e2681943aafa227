#include "host/sqlite.h"

#include <cerrno>
#include <cstring>

#include <sqlite3.h>

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
                                std::span<const std::string_view> migrations) {
  Database database(path);
  sqlite3* handle = nullptr;
  const int code = ::sqlite3_open_v2(
      path.c_str(), &handle,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      nullptr);
  database.handle_.reset(handle);  // Made even when it fails; it knows the cause.
  if (code != SQLITE_OK) return database.LastError(code, "open");
  if (Status done = database.Configure(); !done) return done.error();
  if (Status done = database.Check(); !done) return done.error();
  if (Status done = database.Migrate(migrations); !done) return done.error();
  return database;
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

Status Database::Check() {
  Result<Statement> check = Prepare("PRAGMA quick_check(1)");
  if (!check) return check.error();
  const Result<bool> row = check->Step();
  if (!row) return row.error();
  if (*row && check->text(0) == "ok") return {};
  return Error{ErrorCode::kInternal,
               path_ + " is damaged (" + std::string(*row ? check->text(0) : "no answer") +
                   "); restore it from a backup, or move it away to start without it"};
}

Status Database::Migrate(std::span<const std::string_view> migrations) {
  std::size_t version = 0;
  {
    Result<Statement> query = Prepare("PRAGMA user_version");
    if (!query) return query.error();
    const Result<bool> row = query->Step();
    if (!row) return row.error();
    version = query->number(0);
  }
  if (version > migrations.size()) {
    return Error{ErrorCode::kFailedPrecondition,
                 path_ + " was written by a newer version of this program (its format is " +
                     std::to_string(version) + ", this one knows " +
                     std::to_string(migrations.size()) +
                     "); run that version, or give another --data"};
  }
  for (; version < migrations.size(); ++version) {
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
  return Run("BEGIN IMMEDIATE");
}

Status Database::Commit() {
  Result<Statement> commit = Prepare("COMMIT");
  if (!commit) return commit.error();
  const int code = StepOnce(commit->handle_);
  if (code == SQLITE_DONE) return {};
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
                                      : "the disk is full; free some space there")};
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
      remedy = "; restore it from a backup, or move it away to start without it";
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
  message += ::sqlite3_errmsg(handle_.get());
  message += " (" + std::string(doing);
  if ((code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN) {
    if (error != 0) message += ": " + std::string(std::strerror(error));
  }
  message += ')';
  message += remedy;
  return {kind, std::move(message)};
}

}  // namespace quell::sqlite
