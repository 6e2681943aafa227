#include "coordinator/store/sqlite_store.h"

#include <algorithm>
#include <utility>

#include "coordinator/store/sqlite_rows.h"

namespace quell {

SqliteStore::SqliteStore(sqlite::Database database, Executor& executor, SqliteStoreOptions options)
    : executor_(executor),
      options_(std::move(options)),
      thread_(std::move(database), executor,
              SqliteThreadOptions{.behind_failed = options_.behind_failed}) {}

SqliteStore::~SqliteStore() = default;

Result<SqliteStore::Opened> SqliteStore::Open(const std::string& path, Executor& executor,
                                              SqliteStoreOptions options) {
  Result<sqlite::Database> database = sqlite::Database::Open(
      path, StoreMigrations(), {options.accept_damage, options.damage, StoreRepair()});
  if (!database) return database.error();
  if (Status skipped = SkipLostNumbers(*database); !skipped) return skipped.error();
  Result<StoreState> state = LoadState(*database);
  if (!state) return state.error();
  Opened opened;
  opened.store.reset(new SqliteStore(std::move(*database), executor, std::move(options)));
  opened.state = std::move(*state);
  return opened;
}

void SqliteStore::CommitIntent(Intent intent, std::vector<PendingAt> pending,
                               std::function<void(Result<StoredIntent>)> done) {
  thread_.Query<StoredIntent>(
      [intent = std::move(intent), pending = std::move(pending), now = executor_.clock().Wall(),
       limits =
           IntentLimits{options_.intents_max, options_.receipts_max}](sqlite::Database& database) {
        return KeepIntent(database, intent, pending, now, limits);
      },
      std::move(done));
}

void SqliteStore::Acknowledge(const NodeId& node, const IntentId& intent,
                              const std::vector<Receipt>& receipts) {
  Behind(
      [node, intent](sqlite::Database& database) { return DropPending(database, node, intent); });
  // In pieces, so that a commit that comes meanwhile does not wait for all of them.
  for (std::size_t i = 0; i < receipts.size(); i += limits::kPageTasks) {
    const std::size_t count = std::min(limits::kPageTasks, receipts.size() - i);
    auto first = receipts.begin() + static_cast<std::ptrdiff_t>(i);
    std::vector<Receipt> piece(first, first + static_cast<std::ptrdiff_t>(count));
    Behind([piece = std::move(piece),
            limits = IntentLimits{options_.intents_max, options_.receipts_max}](
               sqlite::Database& database) { return KeepReceipts(database, piece, limits); });
  }
}

void SqliteStore::ReserveNumbers(std::uint64_t end, std::function<void(Status)> done) {
  thread_.Submit([end](sqlite::Database& database) { return ReserveRequestNumbers(database, end); },
                 std::move(done));
}

void SqliteStore::PutNode(KnownNode node, std::function<void(Status)> done) {
  thread_.Submit(
      [node = std::move(node)](sqlite::Database& database) { return KeepNode(database, node); },
      std::move(done));
}

void SqliteStore::ForgetNode(const NodeId& node, std::function<void(Status)> done) {
  thread_.Submit([node](sqlite::Database& database) { return DropNode(database, node); },
                 std::move(done));
}

void SqliteStore::Behind(SqliteThread::Work work) {
  if (thread_.SubmitBehind(std::move(work)) || !options_.behind_failed) return;
  executor_.Post([tell = options_.behind_failed] {
    tell(Error{ErrorCode::kResourceExhausted, "too many acknowledgements wait for the disk"});
  });
}

}  // namespace quell
