// The journal in one SQLite file. One process; what is acknowledged is synced, on a thread of its
// own.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/executor.h"
#include "core/lifetime.h"
#include "core/limits.h"
#include "host/sqlite_thread.h"
#include "node/journal/journal.h"
#include "node/journal/journal_rows.h"

namespace quell {

struct SqliteJournalOptions {
  NodeId node;                                     // Whose tasks they are.
  LifeId life;                                     // The name of this start.
  EndedLimits ended;                               // The oldest go first.
  std::size_t applied_max = limits::kAppliedKept;  // Those that hit nothing, oldest first.
  bool accept_damage = false;  // As sqlite::OpenOptions has them, and the next one.
  std::function<void(const std::string&)> damage = {};
  // Told, on the executor, that receipts or ended tasks are lost or late.
  std::function<void(const Error&)> behind_failed = {};
};

// Not thread-safe: on the executor, which must outlive it.
class SqliteJournal final : public Journal {
 public:
  struct Opened {
    std::unique_ptr<SqliteJournal> journal;
    JournalState state;
  };
  // Blocks while it reads the file, or rescues it; the new incarnation is durable when it returns.
  // Errors: those of sqlite::Database::Open(), and kInternal for rows that cannot be read.
  static Result<Opened> Open(const std::string& path, Executor& executor,
                             SqliteJournalOptions options);
  // What was submitted is done first.
  ~SqliteJournal() override;

  void ReserveNumbers(std::uint64_t end, Done done) override;
  void RecordApplied(AppliedIntent applied, Done done) override;
  void RecordReceipt(const Receipt& receipt) override;
  void ForgetTombstones(std::vector<std::uint64_t> numbers) override;
  void RecordHandedOver(const IntentId& intent) override;
  void RecordJoined(std::uint64_t next_number) override;
  void RecordLive(std::vector<LiveTaskRecord> tasks, Done done) override;
  void RecordEnded(std::vector<Task> tasks, Done done) override;
  void FindEnded(std::uint64_t number, std::function<void(Result<Task>)> done) override;
  void ListEnded(WallTime since, std::uint64_t after,
                 std::function<void(Result<std::vector<Task>>)> done) override;

  // Waits until all that was submitted is durable or has failed.
  void Drain() { thread_.Drain(); }

 private:
  SqliteJournal(sqlite::Database database, Executor& executor, SqliteJournalOptions options);
  void Behind(SqliteThread::Work work);

  Executor& executor_;
  const SqliteJournalOptions options_;
  Lifetime lifetime_;
  SqliteThread thread_;  // Last: its work may use what stands before it.
};

}  // namespace quell
