#include "coordinator/store/sqlite_rows.h"

#include <array>
#include <string>
#include <utility>

#include <boost/json.hpp>

namespace quell {
namespace {

// `open` counts an intent's rows in `pending`, `counts` the intents, so that neither a limit nor
// the making of room has to walk through a million rows.
constexpr std::string_view kFirst = R"sql(
CREATE TABLE nodes(
  id TEXT PRIMARY KEY, incarnation INTEGER NOT NULL, name TEXT NOT NULL, address TEXT NOT NULL,
  host TEXT NOT NULL, roles TEXT NOT NULL, attributes TEXT NOT NULL, version TEXT NOT NULL,
  boot_id TEXT NOT NULL, next_number INTEGER NOT NULL, has_left INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE intents(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, task TEXT UNIQUE, actions TEXT,
  parent TEXT, requested_at INTEGER NOT NULL, requested_by TEXT NOT NULL, reason TEXT NOT NULL,
  cascade INTEGER NOT NULL, grace_ms INTEGER NOT NULL, durable_at INTEGER NOT NULL,
  open INTEGER NOT NULL DEFAULT 0);
CREATE INDEX settled ON intents(seq) WHERE open = 0;
CREATE INDEX waiting ON intents(seq) WHERE open > 0;
CREATE TABLE pending(
  node TEXT NOT NULL, intent INTEGER NOT NULL REFERENCES intents(seq),
  PRIMARY KEY(node, intent)) WITHOUT ROWID;
CREATE INDEX pending_of ON pending(intent);
CREATE TABLE receipts(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, task TEXT NOT NULL, intent TEXT NOT NULL,
  state INTEGER NOT NULL, recorded_at INTEGER NOT NULL, delivered_at INTEGER,
  acknowledged_at INTEGER, escalated_at INTEGER, ended_at INTEGER, outcome INTEGER,
  note TEXT NOT NULL, UNIQUE(task, intent));
CREATE INDEX receipts_of ON receipts(intent);
CREATE TABLE counts(intents INTEGER NOT NULL);
INSERT INTO counts VALUES(0);
CREATE TRIGGER intent_added AFTER INSERT ON intents
  BEGIN UPDATE counts SET intents = intents + 1; END;
CREATE TRIGGER intent_gone AFTER DELETE ON intents
  BEGIN UPDATE counts SET intents = intents - 1; END;
CREATE TRIGGER pending_added AFTER INSERT ON pending
  BEGIN UPDATE intents SET open = open + 1 WHERE seq = NEW.intent; END;
CREATE TRIGGER pending_gone AFTER DELETE ON pending
  BEGIN UPDATE intents SET open = open - 1 WHERE seq = OLD.intent; END;
)sql";

constexpr std::string_view kNumbers = R"sql(
CREATE TABLE numbers(next INTEGER NOT NULL);
INSERT INTO numbers VALUES(1);
)sql";

// What orders tasks and intents without a wall clock.
constexpr std::string_view kOrder = R"sql(
ALTER TABLE nodes ADD COLUMN life TEXT NOT NULL DEFAULT '';
ALTER TABLE nodes ADD COLUMN told_number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE intents ADD COLUMN moment_boot TEXT NOT NULL DEFAULT '';
ALTER TABLE intents ADD COLUMN moment INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pending ADD COLUMN life TEXT NOT NULL DEFAULT '';
ALTER TABLE pending ADD COLUMN next_number INTEGER NOT NULL DEFAULT 0;
)sql";

// Before, a daemon that stopped cleanly was kept as one that has left: when it stopped is not
// known.
constexpr std::string_view kStopped = R"sql(
ALTER TABLE nodes ADD COLUMN stopped_at INTEGER;
UPDATE nodes SET stopped_at = 0, has_left = 0 WHERE has_left = 1;
)sql";

// From here on the file has checksums, which an older program would not write.
constexpr std::string_view kChecksums = "SELECT 1;";

constexpr std::array<std::string_view, 5> kMigrations = {kFirst, kNumbers, kOrder, kStopped,
                                                         kChecksums};

constexpr std::string_view kRepair = R"sql(
DELETE FROM pending WHERE intent NOT IN (SELECT seq FROM intents);
UPDATE intents SET open = (SELECT count(*) FROM pending WHERE intent = seq);
DELETE FROM counts;
INSERT INTO counts SELECT count(*) FROM intents;
)sql";

// Settled intents that are removed together when room is needed.
constexpr int kRoom = 100;

Error Damaged(const sqlite::Database& database, std::string_view what) {
  return {ErrorCode::kInternal, database.path() + ": unreadable " + std::string(what) +
                                    "; restore the file from a backup, or move it away to start "
                                    "without nodes and pending cancels"};
}

std::string TextList(const std::vector<std::string>& texts) {
  boost::json::array list;
  for (const std::string& text : texts)
    list.emplace_back(text);
  return boost::json::serialize(list);
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

// Names and values in turn.
std::string HeaderList(const std::vector<Header>& headers) {
  std::vector<std::string> texts;
  for (const Header& header : headers) {
    texts.push_back(header.name);
    texts.push_back(header.value);
  }
  return TextList(texts);
}

std::optional<std::vector<Header>> ParseHeaderList(std::string_view json) {
  std::optional<std::vector<std::string>> texts = ParseTextList(json);
  if (!texts || texts->size() % 2 != 0) return std::nullopt;
  std::vector<Header> headers;
  for (std::size_t i = 0; i < texts->size(); i += 2) {
    headers.push_back({std::move((*texts)[i]), std::move((*texts)[i + 1])});
  }
  return headers;
}

constexpr std::string_view kIntentColumns =
    "seq, id, task, actions, parent, requested_at, requested_by, reason, cascade, grace_ms, "
    "durable_at, moment_boot, moment";

// Empty: none.
std::optional<LifeId> ReadLife(std::string_view text) {
  return text.empty() ? LifeId() : LifeId::Parse(text);
}

std::string_view LifeText(const LifeId& life) {
  return life.is_null() ? std::string_view() : life.view();
}

struct IntentRow {
  std::int64_t seq = 0;
  StoredIntent stored;
};

// Columns as kIntentColumns.
std::optional<IntentRow> ReadIntent(const sqlite::Statement& row) {
  IntentRow read;
  read.seq = row.integer(0);
  Intent& intent = read.stored.intent;
  const std::optional<IntentId> id = IntentId::Parse(row.text(1));
  if (!id) return std::nullopt;
  intent.id = *id;
  if (!row.null(2)) {
    const Result<TaskId> task = TaskId::Parse(row.text(2));
    if (!task) return std::nullopt;
    intent.target = *task;
  } else {
    TaskFilter filter;
    std::optional<std::vector<std::string>> actions = ParseTextList(row.text(3));
    if (!actions) return std::nullopt;
    filter.actions = std::move(*actions);
    if (!row.null(4)) {
      const Result<TaskId> parent = TaskId::Parse(row.text(4));
      if (!parent) return std::nullopt;
      filter.parent = *parent;
    }
    intent.target = std::move(filter);
  }
  intent.requested_at = WallFromMicros(row.integer(5));
  intent.by = row.text(6);
  intent.reason = row.text(7);
  intent.cascade = row.integer(8) != 0;
  intent.grace = std::chrono::milliseconds(row.integer(9));
  read.stored.durable_at = WallFromMicros(row.integer(10));
  intent.moment = {std::string(row.text(11)), BootTime(std::chrono::nanoseconds(row.integer(12)))};
  return read;
}

Result<std::optional<IntentRow>> FindIntent(sqlite::Database& database, std::string_view column,
                                            std::string_view value) {
  std::string sql = "SELECT ";
  sql.append(kIntentColumns).append(" FROM intents WHERE ").append(column).append(" = ?1");
  Result<sqlite::Statement> find = database.Prepare(sql);
  if (!find) return find.error();
  find->Bind(value);
  const Result<bool> found = find->Step();
  if (!found) return found.error();
  if (!*found) return std::optional<IntentRow>();
  std::optional<IntentRow> row = ReadIntent(*find);
  if (!row) return Damaged(database, "intent");
  return row;
}

Status ReadPending(sqlite::Database& database, IntentRow& row) {
  Result<sqlite::Statement> read = database.Prepare(
      "SELECT node, life, next_number FROM pending WHERE intent = ?1 ORDER BY node");
  if (!read) return read.error();
  read->Bind(row.seq);
  bool damaged = false;
  Status all = read->ForEach([&](const sqlite::Statement& one) {
    const std::optional<NodeId> node = NodeId::Parse(one.text(0));
    const std::optional<LifeId> life = ReadLife(one.text(1));
    if (!node || !life) {
      damaged = true;
    } else {
      row.stored.pending.push_back({*node, {*life, one.number(2)}});
    }
  });
  if (damaged) return Damaged(database, "pending node");
  return all;
}

Status MakeRoom(sqlite::Database& database, std::size_t max) {
  Result<sqlite::Statement> count = database.Prepare("SELECT intents FROM counts");
  if (!count) return count.error();
  count->Bind();
  const Result<bool> row = count->Step();
  if (!row) return row.error();
  if (!*row) return Damaged(database, "count of intents");
  if (count->number(0) < max) return {};
  constexpr std::string_view kOldest =
      "(SELECT %1 FROM intents WHERE open = 0 ORDER BY seq LIMIT ?1)";
  auto oldest = [&](std::string sql, std::string_view column) {
    std::string list(kOldest);
    list.replace(list.find("%1"), 2, column);
    return sql + list;
  };
  if (Status receipts = database.Run(oldest("DELETE FROM receipts WHERE intent IN ", "id"), kRoom);
      !receipts) {
    return receipts;
  }
  if (Status intents = database.Run(oldest("DELETE FROM intents WHERE seq IN ", "seq"), kRoom);
      !intents) {
    return intents;
  }
  if (database.rows_changed() > 0) return {};
  return Error{ErrorCode::kResourceExhausted,
               database.path() + ": " + std::to_string(max) +
                   " cancels wait for nodes that are silent, and none is ever forgotten: bring "
                   "the nodes back, or give them up (DELETE /quell/v1/nodes/ID)"};
}

Status InsertIntent(sqlite::Database& database, const Intent& intent, WallTime now) {
  std::optional<std::string> task;
  std::optional<std::string> actions;
  std::optional<std::string> parent;
  if (const TaskId* target = intent.task()) {
    task = target->ToString();
  } else {
    actions = TextList(intent.filter()->actions);
    if (intent.filter()->parent) parent = intent.filter()->parent->ToString();
  }
  return database.Run(
      "INSERT INTO intents(id, task, actions, parent, requested_at, requested_by, reason, cascade, "
      "grace_ms, durable_at, moment_boot, moment) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
      "?11, ?12)",
      intent.id.view(), task, actions, parent, MicrosSinceEpoch(intent.requested_at), intent.by,
      intent.reason, intent.cascade, intent.grace.count(), MicrosSinceEpoch(now),
      intent.moment.boot_id, intent.moment.at.time_since_epoch().count());
}

Status AddPending(sqlite::Database& database, std::int64_t seq,
                  const std::vector<PendingAt>& pending) {
  Result<sqlite::Statement> insert = database.Prepare(
      "INSERT OR IGNORE INTO pending(node, intent, life, next_number) VALUES(?1, ?2, ?3, ?4)");
  if (!insert) return insert.error();
  for (const PendingAt& at : pending) {
    Status one =
        insert->Run(at.node.view(), seq, LifeText(at.horizon.life), at.horizon.next_number);
    if (!one) return one;
  }
  return {};
}

std::optional<std::int64_t> Micros(const std::optional<WallTime>& time) {
  if (!time) return std::nullopt;
  return MicrosSinceEpoch(*time);
}

std::optional<KnownNode> ReadNode(const sqlite::Statement& row) {
  KnownNode known;
  const std::optional<NodeId> id = NodeId::Parse(row.text(0));
  std::optional<std::vector<std::string>> roles = ParseTextList(row.text(5));
  std::optional<std::vector<Header>> attributes = ParseHeaderList(row.text(6));
  if (!id || !roles || !attributes) return std::nullopt;
  known.info.id = *id;
  known.info.incarnation = static_cast<Incarnation>(row.number(1));
  known.info.name = row.text(2);
  known.info.address = row.text(3);
  known.info.host = row.text(4);
  known.info.roles = std::move(*roles);
  known.info.attributes = std::move(*attributes);
  known.info.version = row.text(7);
  known.info.boot_id = row.text(8);
  known.next_number = row.number(9);
  known.left = row.integer(10) != 0;
  const std::optional<LifeId> life = ReadLife(row.text(11));
  if (!life) return std::nullopt;
  known.info.life = *life;
  known.told_number = row.number(12);
  if (!row.null(13)) known.stopped = WallFromMicros(row.integer(13));
  return known;
}

}  // namespace

std::span<const std::string_view> StoreMigrations() {
  return kMigrations;
}

std::string_view StoreRepair() {
  return kRepair;
}

Status SkipLostNumbers(sqlite::Database& database) {
  if (database.lost_commits() == 0) return {};
  // More than one commit can reserve.
  constexpr std::uint64_t kNumbersPerCommit = 1'000'000;
  if (Status begun = database.Begin(); !begun) return begun;
  Status skipped = database.Run("UPDATE numbers SET next = next + ?1",
                                database.lost_commits() * kNumbersPerCommit);
  if (skipped) return database.Commit();
  database.Rollback();
  return skipped;
}

Result<StoreState> LoadState(sqlite::Database& database) {
  StoreState state;
  bool damaged = false;
  Result<sqlite::Statement> numbers = database.Prepare("SELECT next FROM numbers");
  if (!numbers) return numbers.error();
  const Result<bool> found = numbers->Step();
  if (!found) return found.error();
  if (!*found || numbers->integer(0) < 1) return Damaged(database, "number");
  state.next_number = numbers->number(0);
  Result<sqlite::Statement> nodes = database.Prepare(
      "SELECT id, incarnation, name, address, host, roles, attributes, version, boot_id, "
      "next_number, has_left, life, told_number, stopped_at FROM nodes ORDER BY id");
  if (!nodes) return nodes.error();
  nodes->Bind();
  Status read = nodes->ForEach([&](const sqlite::Statement& row) {
    std::optional<KnownNode> node = ReadNode(row);
    if (!node) {
      damaged = true;
    } else {
      state.nodes.push_back(std::move(*node));
    }
  });
  if (!read) return read.error();
  if (damaged) return Damaged(database, "node");

  std::string sql = "SELECT ";
  sql.append(kIntentColumns).append(" FROM intents WHERE open > 0 ORDER BY seq");
  Result<sqlite::Statement> intents = database.Prepare(sql);
  if (!intents) return intents.error();
  intents->Bind();
  std::vector<IntentRow> rows;
  read = intents->ForEach([&](const sqlite::Statement& row) {
    std::optional<IntentRow> intent = ReadIntent(row);
    if (!intent) {
      damaged = true;
    } else {
      rows.push_back(std::move(*intent));
    }
  });
  if (!read) return read.error();
  if (damaged) return Damaged(database, "intent");
  for (IntentRow& row : rows) {
    if (Status pending = ReadPending(database, row); !pending) return pending.error();
    state.intents.push_back(std::move(row.stored));
  }
  return state;
}

Result<StoredIntent> KeepIntent(sqlite::Database& database, const Intent& intent,
                                const std::vector<PendingAt>& pending, WallTime now,
                                const IntentLimits& limits) {
  // The same id: a commit whose outcome was unknown, repeated.
  Result<std::optional<IntentRow>> kept = FindIntent(database, "id", intent.id.view());
  if (kept && !*kept && intent.task() != nullptr) {
    kept = FindIntent(database, "task", intent.task()->ToString());
  }
  if (!kept) return kept.error();
  bool stronger = false;
  if (!*kept) {
    if (Status room = MakeRoom(database, limits.intents); !room) return room.error();
    if (Status inserted = InsertIntent(database, intent, now); !inserted) return inserted.error();
    kept = FindIntent(database, "id", intent.id.view());
    if (!kept) return kept.error();
    stronger = true;
  } else if ((*kept)->stored.intent.id != intent.id) {
    Intent& old = (*kept)->stored.intent;
    stronger = Strengthen(old, intent);
    Status updated = database.Run(
        "UPDATE intents SET cascade = ?1, grace_ms = ?2, moment_boot = ?3, moment = ?4 "
        "WHERE seq = ?5",
        old.cascade, old.grace.count(), old.moment.boot_id,
        old.moment.at.time_since_epoch().count(), (*kept)->seq);
    if (!updated) return updated.error();
  }
  // A node that has acknowledged it need not hear of it again, unless it grew.
  if (stronger) {
    if (Status added = AddPending(database, (*kept)->seq, pending); !added) return added.error();
  }
  if (Status read = ReadPending(database, **kept); !read) return read.error();
  return std::move((*kept)->stored);
}

Status DropPending(sqlite::Database& database, const NodeId& node, const IntentId& intent) {
  return database.Run(
      "DELETE FROM pending WHERE node = ?1 AND intent = (SELECT seq FROM intents WHERE id = ?2)",
      node.view(), intent.view());
}

Status KeepReceipts(sqlite::Database& database, std::span<const Receipt> receipts,
                    const IntentLimits& limits) {
  Result<sqlite::Statement> put = database.Prepare(
      "INSERT INTO receipts(task, intent, state, recorded_at, delivered_at, acknowledged_at, "
      "escalated_at, ended_at, outcome, note) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) "
      "ON CONFLICT(task, intent) DO UPDATE SET state = excluded.state, "
      "delivered_at = excluded.delivered_at, acknowledged_at = excluded.acknowledged_at, "
      "escalated_at = excluded.escalated_at, ended_at = excluded.ended_at, "
      "outcome = excluded.outcome, note = excluded.note");
  if (!put) return put.error();
  for (const Receipt& receipt : receipts) {
    Status one = put->Run(receipt.task.ToString(), receipt.intent.view(), receipt.state,
                          MicrosSinceEpoch(receipt.recorded_at), Micros(receipt.delivered_at),
                          Micros(receipt.acknowledged_at), Micros(receipt.escalated_at),
                          Micros(receipt.ended_at), receipt.outcome, receipt.note);
    if (!one) return one;
  }
  return database.Run("DELETE FROM receipts WHERE seq <= (SELECT max(seq) FROM receipts) - ?1",
                      static_cast<std::int64_t>(limits.receipts));
}

Status KeepNode(sqlite::Database& database, const KnownNode& node) {
  if (node.left) {
    Status dropped = database.Run("DELETE FROM pending WHERE node = ?1", node.info.id.view());
    if (!dropped) return dropped;
  }
  return database.Run(
      "INSERT OR REPLACE INTO nodes(id, incarnation, name, address, host, roles, attributes, "
      "version, boot_id, next_number, has_left, life, told_number, stopped_at) "
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
      node.info.id.view(), node.info.incarnation, node.info.name, node.info.address, node.info.host,
      TextList(node.info.roles), HeaderList(node.info.attributes), node.info.version,
      node.info.boot_id, node.next_number, node.left, LifeText(node.info.life), node.told_number,
      Micros(node.stopped));
}

Status ReserveRequestNumbers(sqlite::Database& database, std::uint64_t end) {
  return database.Run("UPDATE numbers SET next = max(next, ?1)", end);
}

Status DropNode(sqlite::Database& database, const NodeId& node) {
  if (Status pending = database.Run("DELETE FROM pending WHERE node = ?1", node.view()); !pending) {
    return pending;
  }
  return database.Run("DELETE FROM nodes WHERE id = ?1", node.view());
}

}  // namespace quell
