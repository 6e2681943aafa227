// The node's journal in one SQLite file.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/executor.h"
#include "core/limits.h"
#include "host/sqlite_thread.h"
#include "node/journal.h"

namespace quell {

struct SqliteJournalOptions {
  std::size_t ended_kept = limits::kEndedKept;  // Oldest forgotten first.
  // Told, on the executor, that ends or receipts are lost or late.
  std::function<void(const Error&)> behind_failed;
};

// On the node's executor.
class SqliteJournal final : public Journal {
 public:
  struct Opened {
    std::unique_ptr<SqliteJournal> journal;
    JournalState state;
  };
  // Opens or makes the file, and durably begins a new incarnation. `self` is the node whose tasks
  // are in it. Errors: as sqlite::Database::Open().
  static Result<Opened> Open(const std::string& path, const NodeId& self, Executor& executor,
                             SqliteJournalOptions options = {});
  // Writes what was given to it.
  ~SqliteJournal() override;

  void ReserveNumbers(std::uint64_t end, Done done) override;
  void RecordApplied(AppliedIntent applied, Done done) override;
  void RecordReceipt(const Receipt& receipt) override;
  void RecordEnded(const Task& task) override;
  void FindEnded(std::uint64_t number, std::function<void(Result<Task>)> done) override;

 private:
  SqliteJournal(sqlite::Database database, const NodeId& self, Executor& executor,
                SqliteJournalOptions options);
  void Behind(SqliteThread::Work work);

  Executor& executor_;
  const NodeId self_;
  const SqliteJournalOptions options_;
  SqliteThread thread_;  // Last: it works on until it is destroyed.
};

}  // namespace quell
