#include "node/journal/sqlite_journal.h"

#include <utility>

#include "node/journal/journal_rows.h"
#include "node/journal/life_rows.h"
#include "node/journal/tombstone_rows.h"

namespace quell {

SqliteJournal::SqliteJournal(sqlite::Database database, Executor& executor,
                             SqliteJournalOptions options)
    : executor_(executor),
      options_(std::move(options)),
      thread_(std::move(database), executor,
              SqliteThreadOptions{.behind_failed = options_.behind_failed}) {}

SqliteJournal::~SqliteJournal() = default;

Result<SqliteJournal::Opened> SqliteJournal::Open(const std::string& path, Executor& executor,
                                                  SqliteJournalOptions options) {
  Result<sqlite::Database> database = sqlite::Database::Open(
      path, JournalMigrations(), {options.accept_damage, options.damage, kCountMarks});
  if (!database) return database.error();
  if (Status begun = BeginLife(*database, options.life); !begun) return begun.error();
  Result<JournalState> state = LoadJournal(*database, options.node);
  if (!state) return state.error();
  Opened opened;
  opened.journal.reset(new SqliteJournal(std::move(*database), executor, std::move(options)));
  opened.state = std::move(*state);
  return opened;
}

void SqliteJournal::ReserveNumbers(std::uint64_t end, Done done) {
  thread_.SubmitFirst(
      [end](sqlite::Database& database) { return ReserveTaskNumbers(database, end); },
      std::move(done));
}

void SqliteJournal::RecordApplied(AppliedIntent applied, Done done) {
  // Shared, because a std::function copies what it holds.
  const auto record = std::make_shared<const AppliedIntent>(std::move(applied));
  thread_.Submit([record, max = options_.applied_max](
                     sqlite::Database& database) { return KeepApplied(database, *record, max); },
                 std::move(done));
}

void SqliteJournal::RecordReceipt(const Receipt& receipt) {
  Behind([receipt](sqlite::Database& database) { return KeepReceipt(database, receipt); });
}

void SqliteJournal::ForgetTombstones(std::vector<std::uint64_t> numbers) {
  Behind([numbers = std::move(numbers)](sqlite::Database& database) {
    return DropTombstones(database, numbers);
  });
}

void SqliteJournal::RecordHandedOver(const IntentId& intent) {
  Behind([intent](sqlite::Database& database) { return KeepHandedOver(database, intent); });
}

void SqliteJournal::RecordJoined(std::uint64_t next_number) {
  Behind([next_number](sqlite::Database& database) { return KeepJoined(database, next_number); });
}

void SqliteJournal::RecordLive(std::vector<LiveTaskRecord> tasks, Done done) {
  const auto live = std::make_shared<const std::vector<LiveTaskRecord>>(std::move(tasks));
  thread_.Submit([live](sqlite::Database& database) { return KeepLive(database, *live); },
                 std::move(done));
}

void SqliteJournal::RecordEnded(std::vector<Task> tasks, Done done) {
  const auto ended = std::make_shared<const std::vector<Task>>(std::move(tasks));
  const auto keep = [ended, max = options_.ended](sqlite::Database& database) {
    return KeepEnded(database, *ended, max);
  };
  if (!done) return Behind(keep);
  auto again = lifetime_.Guard([this, keep] { Behind(keep); });
  thread_.Submit(keep, [again = std::move(again), done = std::move(done)](const Status& status) {
    if (!status) again();
    done(status);
  });
}

void SqliteJournal::FindEnded(std::uint64_t number, std::function<void(Result<Task>)> done) {
  thread_.Query<Task>([number, node = options_.node](
                          sqlite::Database& database) { return LoadEnded(database, node, number); },
                      std::move(done));
}

void SqliteJournal::ListEnded(WallTime since, std::uint64_t after,
                              std::function<void(Result<std::vector<Task>>)> done) {
  thread_.Query<std::vector<Task>>(
      [since, after, node = options_.node](sqlite::Database& database) {
        return LoadEndedSince(database, node, since, after);
      },
      std::move(done));
}

void SqliteJournal::Behind(SqliteThread::Work work) {
  if (thread_.SubmitBehind(std::move(work)) || !options_.behind_failed) return;
  executor_.Post([tell = options_.behind_failed] {
    tell(Error{ErrorCode::kResourceExhausted, "too many ended tasks wait for the disk"});
  });
}

}  // namespace quell
