#include "node/sqlite_journal.h"

#include <array>
#include <optional>
#include <utility>

#include <boost/json.hpp>

namespace quell {
namespace {

constexpr std::string_view kFirst = R"sql(
CREATE TABLE life(incarnation INTEGER NOT NULL, next_number INTEGER NOT NULL);
INSERT INTO life VALUES(0, 1);
CREATE TABLE applied(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, actions TEXT, parent TEXT,
  requested_at INTEGER NOT NULL, requested_by TEXT NOT NULL, reason TEXT NOT NULL,
  cascade INTEGER NOT NULL, grace_ms INTEGER NOT NULL);
CREATE TABLE tombstones(
  number INTEGER PRIMARY KEY, intent TEXT NOT NULL, marked_at INTEGER NOT NULL,
  requested_by TEXT NOT NULL, reason TEXT NOT NULL, grace_ms INTEGER NOT NULL,
  inherited INTEGER NOT NULL, cascade INTEGER NOT NULL);
CREATE TABLE receipts(
  number INTEGER PRIMARY KEY, intent TEXT NOT NULL, state INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL, delivered_at INTEGER, acknowledged_at INTEGER,
  escalated_at INTEGER, ended_at INTEGER, outcome INTEGER, note TEXT NOT NULL);
CREATE TABLE ended(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, number INTEGER NOT NULL UNIQUE, type TEXT NOT NULL,
  action TEXT NOT NULL, description TEXT NOT NULL, status TEXT NOT NULL, state INTEGER NOT NULL,
  cancellable INTEGER NOT NULL, started_at INTEGER NOT NULL, running_ns INTEGER NOT NULL,
  ended_at INTEGER, ancestors TEXT NOT NULL, headers TEXT NOT NULL, uid INTEGER NOT NULL,
  pid INTEGER NOT NULL, intent TEXT, marked_at INTEGER, requested_by TEXT, reason TEXT,
  grace_ms INTEGER, inherited INTEGER);
)sql";

constexpr std::array<std::string_view, 1> kMigrations = {kFirst};

// Intents that marked nothing are kept only so that they are not carried out twice.
constexpr int kAppliedKept = 10'000;

Error Damaged(const sqlite::Database& database, std::string_view what) {
  return {ErrorCode::kInternal,
          database.path() + ": unreadable " + std::string(what) +
              "; restore the file from a backup. Moving the whole data directory "
              "away starts a new node with a new id"};
}

std::string TextList(const std::vector<std::string>& texts) {
  return boost::json::serialize(boost::json::array(texts.begin(), texts.end()));
}

std::optional<std::vector<std::string>> ParseTextList(std::string_view json) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(json, error);
  if (error || !value.is_array()) return std::nullopt;
  std::vector<std::string> texts;
  for (const boost::json::value& one : value.get_array()) {
    if (!one.is_string()) return std::nullopt;
    texts.emplace_back(one.get_string());
  }
  return texts;
}

std::optional<std::int64_t> Micros(const std::optional<WallTime>& time) {
  return time ? std::optional(MicrosSinceEpoch(*time)) : std::nullopt;
}

std::optional<WallTime> TimeAt(const sqlite::Statement& row, int column) {
  return row.null(column) ? std::nullopt : std::optional(WallFromMicros(row.integer(column)));
}

Status KeepTombstone(sqlite::Database& database, const Tombstone& tombstone) {
  const CancelMark& mark = tombstone.mark;
  // The first mark stays; a stronger intent shortens the grace and turns the cascade on.
  return database.Run(
      "INSERT INTO tombstones VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(number) DO UPDATE "
      "SET "
      "grace_ms = min(grace_ms, excluded.grace_ms), cascade = max(cascade, excluded.cascade)",
      tombstone.number, mark.intent.view(), MicrosSinceEpoch(mark.at), mark.by, mark.reason,
      mark.grace.count(), mark.inherited, tombstone.cascade);
}

Status KeepReceipt(sqlite::Database& database, const Receipt& receipt) {
  return database.Run(
      "INSERT OR REPLACE INTO receipts VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
      receipt.task.number, receipt.intent.view(), receipt.state,
      MicrosSinceEpoch(receipt.recorded_at), Micros(receipt.delivered_at),
      Micros(receipt.acknowledged_at), Micros(receipt.escalated_at), Micros(receipt.ended_at),
      receipt.outcome, receipt.note);
}

Status KeepApplied(sqlite::Database& database, const AppliedIntent& applied) {
  const Intent& intent = applied.intent;
  std::optional<std::string> actions;
  std::optional<std::string> parent;
  if (const TaskFilter* filter = intent.filter()) {
    actions = TextList(filter->actions);
    if (filter->parent) parent = filter->parent->ToString();
  }
  if (Status kept =
          database.Run("INSERT INTO applied(id, actions, parent, requested_at, requested_by, "
                       "reason, cascade, grace_ms) "
                       "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(id) DO NOTHING",
                       intent.id.view(), actions, parent, MicrosSinceEpoch(intent.requested_at),
                       intent.by, intent.reason, intent.cascade, intent.grace.count());
      !kept) {
    return kept;
  }
  for (const Tombstone& tombstone : applied.tombstones) {
    if (Status kept = KeepTombstone(database, tombstone); !kept) return kept;
  }
  for (const Receipt& receipt : applied.receipts) {
    if (Status kept = KeepReceipt(database, receipt); !kept) return kept;
  }
  return database.Run(
      "DELETE FROM applied WHERE seq <= (SELECT max(seq) FROM applied) - ?1 AND id NOT IN "
      "(SELECT intent FROM tombstones)",
      kAppliedKept);
}

Status KeepEnded(sqlite::Database& database, const Task& task, std::size_t kept_max) {
  std::vector<std::string> ancestors;
  for (const TaskId& id : task.ancestors)
    ancestors.push_back(id.ToString());
  std::vector<std::string> headers;  // Names and values in turn.
  for (const Header& header : task.headers) {
    headers.push_back(header.name);
    headers.push_back(header.value);
  }
  std::optional<std::string_view> intent;
  std::optional<std::int64_t> marked_at;
  std::optional<std::string_view> by;
  std::optional<std::string_view> reason;
  std::optional<std::int64_t> grace;
  std::optional<bool> inherited;
  if (task.cancel) {
    intent = task.cancel->intent.view();
    marked_at = MicrosSinceEpoch(task.cancel->at);
    by = task.cancel->by;
    reason = task.cancel->reason;
    grace = task.cancel->grace.count();
    inherited = task.cancel->inherited;
  }
  const auto running = task.end_mono ? *task.end_mono - task.start_mono : MonoClock::duration(0);
  if (Status kept = database.Run(
          "INSERT OR REPLACE INTO ended(number, type, action, description, status, state, "
          "cancellable, "
          "started_at, running_ns, ended_at, ancestors, headers, uid, pid, intent, marked_at, "
          "requested_by, "
          "reason, grace_ms, inherited) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, "
          "?13, ?14, "
          "?15, ?16, ?17, ?18, ?19, ?20)",
          task.id.number, task.type, task.action, task.description, task.status_json, task.state,
          task.cancellable, MicrosSinceEpoch(task.start_wall), running.count(),
          Micros(task.end_wall), TextList(ancestors), TextList(headers), task.owner_uid, task.pid,
          intent, marked_at, by, reason, grace, inherited);
      !kept) {
    return kept;
  }
  return database.Run("DELETE FROM ended WHERE seq <= (SELECT max(seq) FROM ended) - ?1", kept_max);
}

// Columns as the table's.
std::optional<Task> ReadEnded(const sqlite::Statement& row, const NodeId& self) {
  Task task;
  task.id = {self, row.number(1)};
  task.type = row.text(2);
  task.action = row.text(3);
  task.description = row.text(4);
  task.status_json = row.text(5);
  task.state = static_cast<TaskState>(row.integer(6));
  task.cancellable = row.integer(7) != 0;
  task.start_wall = WallFromMicros(row.integer(8));
  task.end_mono = task.start_mono + std::chrono::nanoseconds(row.integer(9));
  task.end_wall = TimeAt(row, 10);
  const auto ancestors = ParseTextList(row.text(11));
  const auto headers = ParseTextList(row.text(12));
  if (!IsTerminal(task.state) || !ancestors || !headers || headers->size() % 2 != 0)
    return std::nullopt;
  for (const std::string& text : *ancestors) {
    const Result<TaskId> id = TaskId::Parse(text);
    if (!id) return std::nullopt;
    task.ancestors.push_back(*id);
  }
  for (std::size_t i = 0; i < headers->size(); i += 2)
    task.headers.push_back({(*headers)[i], (*headers)[i + 1]});
  task.owner_uid = static_cast<std::uint32_t>(row.integer(13));
  task.pid = static_cast<std::int32_t>(row.integer(14));
  if (!row.null(15)) {
    const auto intent = IntentId::Parse(row.text(15));
    if (!intent) return std::nullopt;
    task.cancel = CancelMark{*intent,
                             WallFromMicros(row.integer(16)),
                             std::string(row.text(17)),
                             std::string(row.text(18)),
                             std::chrono::milliseconds(row.integer(19)),
                             row.integer(20) != 0};
  }
  return task;
}

Result<Task> LoadEnded(sqlite::Database& database, std::uint64_t number, const NodeId& self) {
  Result<sqlite::Statement> statement = database.Prepare("SELECT * FROM ended WHERE number = ?1");
  if (!statement) return statement.error();
  statement->Bind(number);
  const Result<bool> found = statement->Step();
  if (!found) return found.error();
  if (!*found)
    return Error{ErrorCode::kNotFound,
                 "task [" + TaskId{self, number}.ToString() + "] is not known"};
  std::optional<Task> task = ReadEnded(*statement, self);
  if (!task) return Damaged(database, "ended task " + std::to_string(number));
  return std::move(*task);
}

Status LoadApplied(sqlite::Database& database, JournalState& state) {
  Result<sqlite::Statement> statement = database.Prepare(
      "SELECT id, actions, parent, requested_at, requested_by, reason, cascade, grace_ms FROM "
      "applied "
      "ORDER BY seq");
  if (!statement) return statement.error();
  bool fine = true;
  Status read = statement->ForEach([&](const sqlite::Statement& row) {
    const auto id = IntentId::Parse(row.text(0));
    fine = fine && id.has_value();
    if (!fine) return;
    state.applied.push_back(*id);
    if (row.null(1)) return;
    const auto actions = ParseTextList(row.text(1));
    TaskFilter filter;
    fine = actions.has_value();
    if (fine) filter.actions = *actions;
    if (!row.null(2)) {
      const Result<TaskId> parent = TaskId::Parse(row.text(2));
      fine = fine && parent.has_value();
      if (fine) filter.parent = *parent;
    }
    Intent intent;
    intent.id = *id;
    intent.target = std::move(filter);
    intent.requested_at = WallFromMicros(row.integer(3));
    intent.by = row.text(4);
    intent.reason = row.text(5);
    intent.cascade = row.integer(6) != 0;
    intent.grace = std::chrono::milliseconds(row.integer(7));
    state.filters.push_back(std::move(intent));
  });
  if (!read) return read;
  if (!fine) return Damaged(database, "applied cancel");
  if (state.filters.size() > limits::kFiltersKept) {
    state.filters.erase(state.filters.begin(),
                        state.filters.end() - static_cast<std::ptrdiff_t>(limits::kFiltersKept));
  }
  return {};
}

Status LoadTombstones(sqlite::Database& database, JournalState& state) {
  Result<sqlite::Statement> statement =
      database.Prepare("SELECT * FROM tombstones ORDER BY number");
  if (!statement) return statement.error();
  bool fine = true;
  Status read = statement->ForEach([&](const sqlite::Statement& row) {
    const auto intent = IntentId::Parse(row.text(1));
    fine = fine && intent.has_value();
    if (!fine) return;
    Tombstone& tombstone = state.tombstones.emplace_back();
    tombstone.number = row.number(0);
    tombstone.mark = {*intent,
                      WallFromMicros(row.integer(2)),
                      std::string(row.text(3)),
                      std::string(row.text(4)),
                      std::chrono::milliseconds(row.integer(5)),
                      row.integer(6) != 0};
    tombstone.cascade = row.integer(7) != 0;
  });
  if (!read) return read;
  if (!fine) return Damaged(database, "tombstone");
  return {};
}

Result<JournalState> BeginLife(sqlite::Database& database) {
  JournalState state;
  if (Status begun = database.Begin(); !begun) return begun.error();
  const auto load = [&]() -> Status {
    if (Status grown = database.Run("UPDATE life SET incarnation = incarnation + 1"); !grown)
      return grown;
    Result<sqlite::Statement> life = database.Prepare("SELECT incarnation, next_number FROM life");
    if (!life) return life.error();
    const Result<bool> found = life->Step();
    if (!found) return found.error();
    if (!*found) return Damaged(database, "life");
    state.incarnation = Incarnation{life->number(0)};
    state.next_number = life->number(1);
    if (Status loaded = LoadApplied(database, state); !loaded) return loaded;
    return LoadTombstones(database, state);
  };
  Status loaded = load();
  if (loaded) loaded = database.Commit();
  if (!loaded) {
    if (database.in_transaction()) database.Rollback();
    return loaded.error();
  }
  return state;
}

}  // namespace

SqliteJournal::SqliteJournal(sqlite::Database database, const NodeId& self, Executor& executor,
                             SqliteJournalOptions options)
    : executor_(executor),
      self_(self),
      options_(std::move(options)),
      thread_(std::move(database), executor,
              SqliteThreadOptions{.behind_failed = options_.behind_failed}) {}

SqliteJournal::~SqliteJournal() = default;

Result<SqliteJournal::Opened> SqliteJournal::Open(const std::string& path, const NodeId& self,
                                                  Executor& executor,
                                                  SqliteJournalOptions options) {
  Result<sqlite::Database> database = sqlite::Database::Open(path, kMigrations);
  if (!database) return database.error();
  Result<JournalState> state = BeginLife(*database);
  if (!state) return state.error();
  Opened opened;
  opened.journal.reset(new SqliteJournal(std::move(*database), self, executor, std::move(options)));
  opened.state = std::move(*state);
  return opened;
}

void SqliteJournal::ReserveNumbers(std::uint64_t end, Done done) {
  thread_.Submit(
      [end](sqlite::Database& database) {
        return database.Run("UPDATE life SET next_number = max(next_number, ?1)", end);
      },
      std::move(done));
}

void SqliteJournal::RecordApplied(AppliedIntent applied, Done done) {
  thread_.Submit([applied = std::move(applied)](
                     sqlite::Database& database) { return KeepApplied(database, applied); },
                 std::move(done));
}

void SqliteJournal::RecordReceipt(const Receipt& receipt) {
  Behind([receipt](sqlite::Database& database) { return KeepReceipt(database, receipt); });
}

void SqliteJournal::RecordEnded(const Task& task) {
  Behind([task, kept = options_.ended_kept](sqlite::Database& database) {
    return KeepEnded(database, task, kept);
  });
}

void SqliteJournal::FindEnded(std::uint64_t number, std::function<void(Result<Task>)> done) {
  thread_.Query<Task>([number, self = self_](
                          sqlite::Database& database) { return LoadEnded(database, number, self); },
                      std::move(done));
}

void SqliteJournal::Behind(SqliteThread::Work work) {
  if (thread_.SubmitBehind(std::move(work)) || !options_.behind_failed) return;
  executor_.Post([tell = options_.behind_failed] {
    tell(Error{ErrorCode::kResourceExhausted, "too many ends and receipts wait for the disk"});
  });
}

}  // namespace quell
