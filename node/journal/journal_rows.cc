#include "node/journal/journal_rows.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/limits.h"
#include "core/validity.h"
#include "host/log.h"
#include "node/journal/life_rows.h"
#include "node/journal/list_text.h"
#include "node/journal/resource_text.h"
#include "node/journal/tombstone_rows.h"

namespace quell {
namespace {

// `marks` says whether an intent has left any tombstone: the others may be forgotten one day.
constexpr std::string_view kFirst = R"sql(
CREATE TABLE life(incarnation INTEGER NOT NULL, next_number INTEGER NOT NULL);
INSERT INTO life VALUES(0, 1);
CREATE TABLE intents(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, task TEXT, actions TEXT,
  parent TEXT, requested_at INTEGER NOT NULL, requested_by TEXT NOT NULL, reason TEXT NOT NULL,
  cascade INTEGER NOT NULL, grace_ms INTEGER NOT NULL, marks INTEGER NOT NULL DEFAULT 0);
CREATE INDEX empty_intents ON intents(seq) WHERE marks = 0;
CREATE INDEX filters ON intents(seq) WHERE task IS NULL;
CREATE TABLE tombstones(
  number INTEGER PRIMARY KEY, intent TEXT NOT NULL, marked_at INTEGER NOT NULL,
  requested_by TEXT NOT NULL, reason TEXT NOT NULL, grace_ms INTEGER NOT NULL,
  inherited INTEGER NOT NULL, cascade INTEGER NOT NULL);
CREATE TABLE receipts(
  number INTEGER NOT NULL, intent TEXT NOT NULL, state INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL, delivered_at INTEGER, acknowledged_at INTEGER,
  escalated_at INTEGER, ended_at INTEGER, outcome INTEGER, note TEXT NOT NULL,
  PRIMARY KEY(number, intent)) WITHOUT ROWID;
CREATE TABLE ended(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, number INTEGER NOT NULL UNIQUE, type TEXT NOT NULL,
  action TEXT NOT NULL, description TEXT NOT NULL, status TEXT NOT NULL, state INTEGER NOT NULL,
  cancellable INTEGER NOT NULL, started_at INTEGER NOT NULL, ran_nanos INTEGER NOT NULL,
  ended_at INTEGER NOT NULL, ancestors TEXT NOT NULL, headers TEXT NOT NULL, uid INTEGER NOT NULL,
  pid INTEGER NOT NULL, intent TEXT, marked_at INTEGER, requested_by TEXT, reason TEXT,
  grace_ms INTEGER, inherited INTEGER);
)sql";

// `upto` sums the sizes of all rows so far: what is below a sum can be forgotten by it.
constexpr std::string_view kHistory = R"sql(
ALTER TABLE ended ADD COLUMN upto INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ended ADD COLUMN on_parent_lost INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ended ADD COLUMN last_check INTEGER;
CREATE INDEX ended_upto ON ended(upto);
CREATE INDEX ended_at ON ended(ended_at);
)sql";

// As CpuText() and MemoryText() write them; null: not measured.
constexpr std::string_view kResources = R"sql(
ALTER TABLE ended ADD COLUMN cpu TEXT;
ALTER TABLE ended ADD COLUMN memory TEXT;
)sql";

constexpr std::string_view kLive = R"sql(
CREATE TABLE live(
  number INTEGER PRIMARY KEY, type TEXT NOT NULL, action TEXT NOT NULL, description TEXT NOT NULL,
  cancellable INTEGER NOT NULL, started_at INTEGER NOT NULL, ancestors TEXT NOT NULL,
  headers TEXT NOT NULL, uid INTEGER NOT NULL, pid INTEGER NOT NULL,
  on_parent_lost INTEGER NOT NULL, key TEXT NOT NULL, lives_by INTEGER NOT NULL,
  birth INTEGER NOT NULL);
)sql";

// Those that were born here and no store has yet.
constexpr std::string_view kOwed = R"sql(
ALTER TABLE intents ADD COLUMN owed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX owed_intents ON intents(seq) WHERE owed = 1;
)sql";

constexpr std::array<std::string_view, 9> kMigrations = {
    kFirst, kHistory, kResources, kLive, kOwed, kOrder, kForgettingRows, kCountMarks, kUnchecked};

Error Damaged(const sqlite::Database& database, std::string_view what) {
  return {ErrorCode::kInternal,
          database.path() + ": unreadable " + std::string(what) +
              "; restore the file from a backup, or start the node on an empty data directory"};
}

std::optional<std::int64_t> Micros(const std::optional<WallTime>& time) {
  return time ? std::optional(MicrosSinceEpoch(*time)) : std::nullopt;
}

std::optional<WallTime> Wall(const sqlite::Statement& row, int column) {
  return row.null(column) ? std::nullopt : std::optional(WallFromMicros(row.integer(column)));
}

template <typename Enum>
std::optional<Enum> ReadEnum(const sqlite::Statement& row, int column, Enum last) {
  const std::int64_t value = row.integer(column);
  if (value < 0 || value > static_cast<std::int64_t>(last)) return std::nullopt;
  return static_cast<Enum>(value);
}

Error Malformed(std::string_view what) {
  return {ErrorCode::kInvalidArgument, "malformed " + std::string(what)};
}

// `value`, if it is one that every other entrance takes (core/validity.h).
template <typename T>
Result<T> Checked(T value) {
  if (Status fine = Check(value); !fine) return fine.error();
  return value;
}

// Columns: intent, marked_at, requested_by, reason, grace_ms, inherited.
Result<CancelMark> ReadMark(const sqlite::Statement& row, int first) {
  const auto intent = IntentId::Parse(row.text(first));
  if (!intent) return Malformed("id of an intent");
  return Checked(CancelMark{*intent, WallFromMicros(row.integer(first + 1)),
                            std::string(row.text(first + 2)), std::string(row.text(first + 3)),
                            std::chrono::milliseconds(row.integer(first + 4)),
                            row.integer(first + 5) != 0});
}

BootMoment ReadMoment(const sqlite::Statement& row, int first) {
  return {std::string(row.text(first)), BootTime(std::chrono::nanoseconds(row.integer(first + 1)))};
}

// Columns: id, actions, parent, requested_at, requested_by, reason, cascade, grace_ms, moment_boot,
// moment, arrival_boot, arrival, before_number, after_number.
Result<AppliedFilter> ReadFilter(const sqlite::Statement& row) {
  AppliedFilter applied;
  Intent& intent = applied.intent;
  const auto id = IntentId::Parse(row.text(0));
  auto actions = ParseJsonList(row.text(1));
  if (!id) return Malformed("id");
  if (!actions) return Malformed("list of actions");
  intent.id = *id;
  TaskFilter filter;
  filter.actions = std::move(*actions);
  if (!row.null(2)) {
    const Result<TaskId> parent = TaskId::Parse(row.text(2));
    if (!parent) return parent.error();
    filter.parent = *parent;
  }
  intent.target = std::move(filter);
  intent.requested_at = WallFromMicros(row.integer(3));
  intent.by = row.text(4);
  intent.reason = row.text(5);
  intent.cascade = row.integer(6) != 0;
  intent.grace = std::chrono::milliseconds(row.integer(7));
  intent.moment = ReadMoment(row, 8);
  applied.arrival = {ReadMoment(row, 10), row.number(12), row.number(13)};
  if (Status fine = Check(intent); !fine) return fine.error();
  return applied;
}

// Runs `sql` and adds what `read` makes of each row. A row that cannot be read is left out alone.
// It is named by `what` and its first column.
template <typename T, typename Read>
Status LoadAll(sqlite::Database& database, std::string_view sql, std::string_view what,
               JournalState& state, std::vector<T>& all, Read read, std::int64_t argument = 0) {
  Result<sqlite::Statement> rows = database.Prepare(sql);
  if (!rows) return rows.error();
  rows->Bind(argument);
  return rows->ForEach([&](const sqlite::Statement& row) {
    Result<T> value = read(row);
    if (value) return all.push_back(std::move(*value));
    if (++state.skipped_total > limits::kSkippedRowsNamed) return;
    std::string name(what);
    name.append(" ").append(row.text(0));
    state.skipped.push_back({std::move(name), value.error().message});
  });
}

// Columns: id, task, requested_at, requested_by, reason, cascade, grace_ms.
Result<Intent> ReadOwed(const sqlite::Statement& row) {
  Intent intent;
  const auto id = IntentId::Parse(row.text(0));
  const Result<TaskId> task = TaskId::Parse(row.text(1));
  if (!id) return Malformed("id");
  if (!task) return task.error();
  intent.id = *id;
  intent.target = *task;
  intent.requested_at = WallFromMicros(row.integer(2));
  intent.by = row.text(3);
  intent.reason = row.text(4);
  intent.cascade = row.integer(5) != 0;
  intent.grace = std::chrono::milliseconds(row.integer(6));
  return Checked(std::move(intent));
}

Status LoadLife(sqlite::Database& database, JournalState& state) {
  Result<sqlite::Statement> row =
      database.Prepare("SELECT incarnation, next_number, forgotten_below FROM life");
  if (!row) return row.error();
  const Result<bool> found = row->Step();
  if (!found) return found.error();
  if (!*found || row->integer(0) < 1 || row->integer(1) < 1) return Damaged(database, "life");
  state.incarnation = Incarnation{row->number(0)};
  state.next_number = row->number(1);
  state.forgotten_below = row->number(2);
  if (!CheckNextNumber(state.next_number)) return Damaged(database, "life");
  return {};
}

Result<Tombstone> ReadTombstone(const sqlite::Statement& row) {
  if (Status fine = CheckTaskNumber("tombstone", row.number(0)); !fine) return fine.error();
  auto mark = ReadMark(row, 1);
  if (!mark) return mark.error();
  return Tombstone{row.number(0), std::move(*mark), row.integer(7) != 0};
}

Result<Receipt> ReadReceipt(const sqlite::Statement& row, const NodeId& node) {
  Receipt receipt;
  receipt.task = {node, row.number(0)};
  const auto intent = IntentId::Parse(row.text(1));
  const auto state = ReadEnum(row, 2, ReceiptState::kEnded);
  if (!intent) return Malformed("id of an intent");
  if (!state) return Malformed("state");
  receipt.intent = *intent;
  receipt.state = *state;
  receipt.recorded_at = WallFromMicros(row.integer(3));
  receipt.delivered_at = Wall(row, 4);
  receipt.acknowledged_at = Wall(row, 5);
  receipt.escalated_at = Wall(row, 6);
  receipt.ended_at = Wall(row, 7);
  if (!row.null(8)) {
    receipt.outcome = ReadEnum(row, 8, TaskState::kRejected);
    if (!receipt.outcome) return Malformed("outcome");
  }
  receipt.note = row.text(9);
  return Checked(std::move(receipt));
}

// Its monotonic start belongs to an earlier life, or boot.
Result<LiveTaskRecord> ReadLive(const sqlite::Statement& row, const NodeId& node) {
  LiveTaskRecord kept;
  Task& task = kept.task;
  task.id = {node, row.number(0)};
  task.type = row.text(1);
  task.action = row.text(2);
  task.description = row.text(3);
  task.cancellable = row.integer(4) != 0;
  task.start_wall = WallFromMicros(row.integer(5));
  auto ancestors = SplitIds(row.text(6));
  auto headers = ParseHeaders(row.text(7));
  if (!ancestors) return Malformed("ancestors");
  if (!headers) return Malformed("headers");
  task.ancestors = std::move(*ancestors);
  task.headers = std::move(*headers);
  task.owner_uid = static_cast<std::uint32_t>(row.integer(8));
  task.pid = static_cast<std::int32_t>(row.integer(9));
  if (row.integer(10) != 0) task.on_parent_lost = OnParentLost::kCancel;
  kept.key = row.text(11);
  kept.lives_by = {static_cast<std::int32_t>(row.integer(12)), row.number(13)};
  const BootMoment start = ReadMoment(row, 14);
  kept.boot_id = start.boot_id;
  if (start.known()) task.start_boot = start.at;
  kept.unchecked = row.integer(16) != 0;
  if (Status fine = Check(task); !fine) return fine.error();
  if (Status fine = CheckKey(kept.key); !fine) return fine.error();
  return kept;
}

// As ReadEnded() reads it.
std::string SelectEnded(std::string_view which) {
  return "SELECT type, action, description, status, state, cancellable, started_at, ran_nanos, "
         "ended_at, ancestors, headers, uid, pid, intent, marked_at, requested_by, reason, "
         "grace_ms, inherited, on_parent_lost, last_check, number, cpu, memory FROM ended WHERE " +
         std::string(which);
}

// Its monotonic times belong to another life, or another boot: only their difference means
// something.
constexpr int kEndedNumber = 21;
Result<Task> ReadEnded(const sqlite::Statement& row, const NodeId& node) {
  Task task;
  task.id = {node, row.number(kEndedNumber)};
  task.type = row.text(0);
  task.action = row.text(1);
  task.description = row.text(2);
  task.status_json = row.text(3);
  const auto state = ReadEnum(row, 4, TaskState::kRejected);
  auto ancestors = SplitIds(row.text(9));
  auto headers = ParseHeaders(row.text(10));
  if (!state || !IsTerminal(*state)) return Malformed("state");
  if (!ancestors) return Malformed("ancestors");
  if (!headers) return Malformed("headers");
  task.state = *state;
  task.cancellable = row.integer(5) != 0;
  task.start_wall = WallFromMicros(row.integer(6));
  task.end_mono = task.start_mono + std::chrono::nanoseconds(row.integer(7));
  task.end_wall = WallFromMicros(row.integer(8));
  task.ancestors = std::move(*ancestors);
  task.headers = std::move(*headers);
  task.owner_uid = static_cast<std::uint32_t>(row.integer(11));
  task.pid = static_cast<std::int32_t>(row.integer(12));
  if (!row.null(13)) {
    Result<CancelMark> mark = ReadMark(row, 13);
    if (!mark) return mark.error();
    task.cancel = std::move(*mark);
  }
  if (row.integer(19) != 0) task.on_parent_lost = OnParentLost::kCancel;
  task.last_check = Wall(row, 20);
  if (!row.null(22)) task.resources.cpu = ParseCpu(row.text(22));
  if (!row.null(23)) task.resources.memory = ParseMemory(row.text(23));
  if (task.resources.cpu.has_value() == row.null(22)) return Malformed("CPU time");
  if (task.resources.memory.has_value() == row.null(23)) return Malformed("memory");
  return Checked(std::move(task));
}

}  // namespace

std::span<const std::string_view> JournalMigrations() {
  return kMigrations;
}

Status BeginLife(sqlite::Database& database, const LifeId& life) {
  // More than one commit can reserve.
  constexpr std::uint64_t kNumbersPerCommit = 1'000'000;
  if (Status begun = database.Begin(); !begun) return begun;
  Status raised =
      database.Run("UPDATE life SET incarnation = incarnation + 1, next_number = next_number + ?1",
                   database.lost_commits() * kNumbersPerCommit);
  if (raised) raised = InsertLife(database, life);
  if (!raised) {
    database.Rollback();
    return raised;
  }
  return database.Commit();
}

Result<JournalState> LoadJournal(sqlite::Database& database, const NodeId& node) {
  JournalState state;
  if (Status loaded = LoadLife(database, state); !loaded) return loaded.error();
  Status applied = LoadAll(database, "SELECT id FROM intents WHERE seq > ?1 ORDER BY seq", "intent",
                           state, state.applied, [](const sqlite::Statement& row) {
                             const auto id = IntentId::Parse(row.text(0));
                             return id ? Result<IntentId>(*id) : Malformed("id");
                           });
  if (!applied) return applied.error();
  Status filters =
      LoadAll(database,
              "SELECT id, actions, parent, requested_at, requested_by, reason, cascade, grace_ms, "
              "moment_boot, moment, arrival_boot, arrival, before_number, after_number "
              "FROM intents WHERE task IS NULL AND arrival_boot <> '' ORDER BY seq DESC LIMIT ?1",
              "filter of the intent", state, state.filters, ReadFilter,
              static_cast<std::int64_t>(limits::kFiltersKept));
  if (!filters) return filters.error();
  std::reverse(state.filters.begin(), state.filters.end());
  Status tombstones =
      LoadAll(database,
              "SELECT number, intent, marked_at, requested_by, reason, grace_ms, inherited, "
              "cascade FROM tombstones WHERE number > ?1 ORDER BY ended IS NULL, ended, number",
              "cancel of the task", state, state.tombstones, ReadTombstone);
  if (!tombstones) return tombstones.error();
  Status receipts =
      LoadAll(database,
              "SELECT r.number, r.intent, r.state, r.recorded_at, r.delivered_at, "
              "r.acknowledged_at, r.escalated_at, r.ended_at, r.outcome, r.note "
              "FROM receipts AS r JOIN tombstones AS t ON t.number = r.number AND "
              "t.intent = r.intent WHERE r.number > ?1 ORDER BY r.number",
              "receipt of the task", state, state.receipts,
              [&node](const sqlite::Statement& row) { return ReadReceipt(row, node); });
  if (!receipts) return receipts.error();
  Status handoff = LoadAll(database,
                           "SELECT id, task, requested_at, requested_by, reason, cascade, grace_ms "
                           "FROM intents WHERE owed = 1 AND seq > ?1 ORDER BY seq",
                           "owed intent", state, state.handoff, ReadOwed);
  if (!handoff) return handoff.error();
  Status live = LoadAll(database,
                        "SELECT number, type, action, description, cancellable, started_at, "
                        "ancestors, headers, uid, pid, on_parent_lost, key, lives_by, birth, "
                        "start_boot, start, unchecked "
                        "FROM live WHERE number > ?1 ORDER BY number",
                        "live task", state, state.live,
                        [&node](const sqlite::Statement& row) { return ReadLive(row, node); });
  if (!live) return live.error();
  Status lives = LoadAll(
      database, "SELECT id, first_number, joined_number FROM lives WHERE seq > ?1 ORDER BY seq",
      "life", state, state.lives, ReadLife);
  if (!lives) return lives.error();
  return state;
}

Status ReserveTaskNumbers(sqlite::Database& database, std::uint64_t end) {
  return database.Run("UPDATE life SET next_number = max(next_number, ?1)", end);
}

Status KeepApplied(sqlite::Database& database, const AppliedIntent& applied, std::size_t max) {
  const Intent& intent = applied.intent;
  std::optional<std::string> task;
  std::optional<std::string> actions;
  std::optional<std::string> parent;
  if (intent.task() != nullptr) {
    task = intent.task()->ToString();
  } else {
    actions = JsonList(intent.filter()->actions);
    if (intent.filter()->parent) parent = intent.filter()->parent->ToString();
  }
  std::int64_t marks = 0;
  for (const Tombstone& tombstone : applied.tombstones) {
    const Result<bool> fresh = KeepTombstone(database, tombstone);
    if (!fresh) return fresh.error();
    if (!*fresh) continue;
    if (tombstone.mark.intent == intent.id) {
      ++marks;
    } else if (Status kept = CountMarks(database, tombstone.mark.intent.view(), 1); !kept) {
      return kept;
    }
  }
  for (const Receipt& receipt : applied.receipts) {
    if (Status kept = KeepReceipt(database, receipt); !kept) return kept;
  }
  Status kept = database.Run(
      "INSERT INTO intents(id, task, actions, parent, requested_at, requested_by, reason, cascade, "
      "grace_ms, marks, owed, moment_boot, moment, arrival_boot, arrival, before_number, "
      "after_number) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, "
      "?17) "
      "ON CONFLICT(id) DO UPDATE "
      "SET cascade = max(cascade, excluded.cascade), grace_ms = min(grace_ms, excluded.grace_ms), "
      "marks = marks + excluded.marks",
      intent.id.view(), task, actions, parent, MicrosSinceEpoch(intent.requested_at), intent.by,
      intent.reason, intent.cascade, intent.grace.count(), marks, applied.handoff,
      intent.moment.boot_id, intent.moment.at.time_since_epoch().count(),
      applied.arrival.at.boot_id, applied.arrival.at.at.time_since_epoch().count(),
      applied.arrival.before, applied.arrival.after);
  if (!kept) return kept;
  return database.Run(
      "DELETE FROM intents WHERE marks = 0 AND owed = 0 AND "
      "seq <= (SELECT max(seq) FROM intents) - ?1",
      static_cast<std::int64_t>(max));
}

Status KeepHandedOver(sqlite::Database& database, const IntentId& intent) {
  return database.Run("UPDATE intents SET owed = 0 WHERE id = ?1", intent.view());
}

// A time that is known is never forgotten: a later life may not know it. Only tasks with a
// tombstone have receipts here, which bounds them.
Status KeepReceipt(sqlite::Database& database, const Receipt& receipt) {
  return database.Run(
      "INSERT INTO receipts SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 "
      "WHERE EXISTS(SELECT 1 FROM tombstones WHERE number = ?1) "
      "ON CONFLICT(number, intent) DO UPDATE SET state = excluded.state, "
      "delivered_at = coalesce(delivered_at, excluded.delivered_at), "
      "acknowledged_at = coalesce(acknowledged_at, excluded.acknowledged_at), "
      "escalated_at = coalesce(escalated_at, excluded.escalated_at), "
      "ended_at = coalesce(ended_at, excluded.ended_at), "
      "outcome = coalesce(outcome, excluded.outcome), note = excluded.note",
      receipt.task.number, receipt.intent.view(), receipt.state,
      MicrosSinceEpoch(receipt.recorded_at), Micros(receipt.delivered_at),
      Micros(receipt.acknowledged_at), Micros(receipt.escalated_at), Micros(receipt.ended_at),
      receipt.outcome, receipt.note);
}

Status KeepLive(sqlite::Database& database, std::span<const LiveTaskRecord> tasks) {
  for (const LiveTaskRecord& kept : tasks) {
    const Task& task = kept.task;
    Status done = database.Run(
        "INSERT OR REPLACE INTO live VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, "
        "?13, ?14, ?15, ?16, ?17)",
        task.id.number, task.type, task.action, task.description, task.cancellable,
        MicrosSinceEpoch(task.start_wall), JoinIds(task.ancestors), HeaderList(task.headers),
        task.owner_uid, task.pid, task.on_parent_lost == OnParentLost::kCancel, kept.key,
        kept.lives_by.pid, kept.lives_by.birth, kept.boot_id,
        task.start_boot.value_or(BootTime()).time_since_epoch().count(), kept.unchecked);
    if (!done) return done;
  }
  return {};
}

namespace {

Status InsertEnded(sqlite::Database& database, const Task& task) {
  const std::optional<CancelMark>& cancel = task.cancel;
  std::optional<std::string> intent;
  std::optional<std::int64_t> marked_at;
  std::optional<std::string> by;
  std::optional<std::string> reason;
  std::optional<std::int64_t> grace;
  std::optional<bool> inherited;
  if (cancel) {
    intent = cancel->intent.ToString();
    marked_at = MicrosSinceEpoch(cancel->at);
    by = cancel->by;
    reason = cancel->reason;
    grace = cancel->grace.count();
    inherited = cancel->inherited;
  }
  const auto ran = task.end_mono.value_or(task.start_mono) - task.start_mono;
  const std::int64_t ended_at = MicrosSinceEpoch(task.end_wall.value_or(task.start_wall));
  const std::string ancestors = JoinIds(task.ancestors);
  const std::string headers = HeaderList(task.headers);
  constexpr std::size_t kFixed = 200;  // Numbers, ids, and what the file needs for a row.
  const std::size_t bytes = kFixed + task.action.size() + task.description.size() +
                            task.status_json.size() + ancestors.size() + headers.size();
  Status kept = database.Run(
      "INSERT INTO ended(number, type, action, description, status, state, cancellable, "
      "started_at, ran_nanos, ended_at, ancestors, headers, uid, pid, intent, marked_at, "
      "requested_by, reason, grace_ms, inherited, on_parent_lost, last_check, cpu, memory, upto) "
      "VALUES(?1, ?2, "
      "?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, "
      "?22, ?23, ?24, coalesce((SELECT max(upto) FROM ended), 0) + ?25) ON CONFLICT(number) DO "
      "NOTHING",
      task.id.number, task.type, task.action, task.description, task.status_json, task.state,
      task.cancellable, MicrosSinceEpoch(task.start_wall), ran.count(), ended_at, ancestors,
      headers, task.owner_uid, task.pid, intent, marked_at, by, reason, grace, inherited,
      task.on_parent_lost == OnParentLost::kCancel, Micros(task.last_check),
      CpuText(task.resources.cpu), MemoryText(task.resources.memory),
      static_cast<std::int64_t>(bytes));
  if (!kept) return kept;
  if (kept = database.Run("DELETE FROM live WHERE number = ?1", task.id.number); !kept) return kept;
  return EndTombstone(database, task.id.number);
}

}  // namespace

Status KeepEnded(sqlite::Database& database, std::span<const Task> tasks,
                 const EndedLimits& limits) {
  WallTime newest;
  for (const Task& task : tasks) {
    if (Status kept = InsertEnded(database, task); !kept) return kept;
    newest = std::max(newest, task.end_wall.value_or(task.start_wall));
  }
  Status trimmed = database.Run("DELETE FROM ended WHERE seq <= (SELECT max(seq) FROM ended) - ?1",
                                static_cast<std::int64_t>(limits.count));
  if (!trimmed) return trimmed;
  trimmed = database.Run("DELETE FROM ended WHERE upto <= (SELECT max(upto) FROM ended) - ?1",
                         static_cast<std::int64_t>(limits.bytes));
  if (!trimmed) return trimmed;
  return database.Run("DELETE FROM ended WHERE ended_at < ?1",
                      MicrosSinceEpoch(newest - limits.age));
}

Result<std::vector<Task>> LoadEndedSince(sqlite::Database& database, const NodeId& node,
                                         WallTime since, std::uint64_t after) {
  std::vector<Task> tasks;
  // What cannot be read must not make the page short: then it would be the last one.
  for (bool more = true; more && tasks.size() < limits::kPageTasks;) {
    Result<sqlite::Statement> rows =
        database.Prepare(SelectEnded("number > ?1 AND ended_at >= ?2 ORDER BY number LIMIT ?3"));
    if (!rows) return rows.error();
    const std::size_t wanted = limits::kPageTasks - tasks.size();
    rows->Bind(after, MicrosSinceEpoch(since), static_cast<std::int64_t>(wanted));
    std::size_t found = 0;
    const Status read = rows->ForEach([&](const sqlite::Statement& row) {
      ++found;
      after = row.number(kEndedNumber);
      Result<Task> task = ReadEnded(row, node);
      if (task) return tasks.push_back(std::move(*task));
      LogError("an ended task in the journal cannot be read, and is left out of the list",
               {{"task", TaskId{node, after}}, {"file", database.path()}, {"error", task.error()}});
    });
    if (!read) return read.error();
    more = found == wanted;
  }
  return tasks;
}

Result<Task> LoadEnded(sqlite::Database& database, const NodeId& node, std::uint64_t number) {
  const TaskId id{node, number};
  Result<sqlite::Statement> row = database.Prepare(SelectEnded("number = ?1"));
  if (!row) return row.error();
  row->Bind(number);
  const Result<bool> found = row->Step();
  if (!found) return found.error();
  if (!*found) {
    return Error{ErrorCode::kNotFound, "task [" + id.ToString() + "] is not known to this node"};
  }
  Result<Task> task = ReadEnded(*row, node);
  if (!task) {
    return Error{ErrorCode::kInternal, database.path() + ": the ended task [" + id.ToString() +
                                           "] cannot be read: " + task.error().message};
  }
  return task;
}

}  // namespace quell
