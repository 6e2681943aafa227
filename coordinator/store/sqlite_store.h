// The store in one SQLite file. One process; each commit is one synced transaction on a thread of
// its own.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "coordinator/store/store.h"
#include "core/executor.h"
#include "core/limits.h"
#include "host/sqlite_thread.h"

namespace quell {

struct SqliteStoreOptions {
  // Intents kept, receipts kept. At the limit intents that nobody has pending make room, oldest
  // first; if there is none, new ones are refused (kResourceExhausted). Receipts: oldest first.
  std::size_t intents_max = limits::kIntentsMax;
  std::size_t receipts_max = limits::kReceiptsKept;
  bool accept_damage = false;  // As sqlite::OpenOptions has them, and the next one.
  std::function<void(const std::string&)> damage = {};
  // Told, on the executor, that acknowledgements or receipts are lost or late.
  std::function<void(const Error&)> behind_failed = {};
};

// Not thread-safe: on the executor, which must outlive it.
class SqliteStore final : public Store {
 public:
  struct Opened {
    std::unique_ptr<SqliteStore> store;
    StoreState state;
  };
  // Blocks while it reads the file. Errors: those of sqlite::Database::Open(), and kInternal for
  // rows that cannot be read.
  static Result<Opened> Open(const std::string& path, Executor& executor,
                             SqliteStoreOptions options = {});
  // What was submitted is done first.
  ~SqliteStore() override;

  void CommitIntent(Intent intent, std::vector<PendingAt> pending,
                    std::function<void(Result<StoredIntent>)> done) override;
  void Acknowledge(const NodeId& node, const IntentId& intent,
                   const std::vector<Receipt>& receipts) override;
  void ReserveNumbers(std::uint64_t end, std::function<void(Status)> done) override;
  void PutNode(KnownNode node, std::function<void(Status)> done) override;
  void ForgetNode(const NodeId& node, std::function<void(Status)> done) override;

  // Waits until all that was submitted is durable or has failed.
  void Drain() { thread_.Drain(); }

 private:
  SqliteStore(sqlite::Database database, Executor& executor, SqliteStoreOptions options);

  void Behind(SqliteThread::Work work);

  Executor& executor_;
  const SqliteStoreOptions options_;
  SqliteThread thread_;  // Last: its work may use what stands before it.
};

}  // namespace quell
