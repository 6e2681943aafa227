// A thread that owns one Database, so that no executor ever waits for a disk. What was submitted
// while one commit was being synced shares the next one.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "core/executor.h"
#include "core/limits.h"
#include "core/result.h"
#include "host/sqlite.h"

namespace quell {

struct SqliteThreadOptions {
  std::size_t queue_max = limits::kDiskQueueMax;          // Submitted, not yet begun.
  std::size_t behind_max = limits::kDiskBehindMax;        // Written behind, not yet durable.
  MonoClock::duration behind_delay = limits::kDiskDelay;  // What is written behind waits so long.
  MonoClock::duration turn = limits::kDiskTurn;  // After that a commit takes in nothing more.
  // Told, on the executor, that work written behind is lost or late.
  std::function<void(const Error&)> behind_failed;
};

// Works run on the thread, in the order of the calls of all kinds but one, each within a
// transaction: it sees what the works before it wrote, and a work that fails leaves nothing behind
// and does not hurt the others. A work must not begin or end transactions itself.
//
// Thread-safe. The executor must outlive it.
class SqliteThread {
 public:
  using Work = std::function<Status(sqlite::Database&)>;
  using Done = std::function<void(Status)>;

  SqliteThread(sqlite::Database database, Executor& replies, SqliteThreadOptions options = {});
  // Does what is queued, then ends. What is done of it is still posted.
  ~SqliteThread();
  SqliteThread(const SqliteThread&) = delete;
  SqliteThread& operator=(const SqliteThread&) = delete;

  // `done` is posted to the executor exactly once, in the order of the calls; a value means that
  // the work is durable. Errors: the work's own; kResourceExhausted (the queue is full: the work
  // did not run); and those of a Database, for all works of the commit: after kOutcomeUnknown the
  // work may or may not be found after a crash, after all others it will not.
  void Submit(Work work, Done done);
  // The same for what depends on nothing before it: it overtakes what has not begun.
  void SubmitFirst(Work work, Done done);

  // Durable within about `behind_delay`. When the commit fails it is tried again with the next one,
  // so it must bear repetition; when the work itself fails it is lost. Returns false, and the work
  // is lost, when too much is waiting.
  bool SubmitBehind(Work work);

  // Reads. As Submit(), with a result of its own.
  template <typename T>
  void Query(std::function<Result<T>(sqlite::Database&)> read, std::function<void(Result<T>)> done);

  // Waits until all that was submitted before is durable or has failed, and is posted.
  void Drain();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

template <typename T>
void SqliteThread::Query(std::function<Result<T>(sqlite::Database&)> read,
                         std::function<void(Result<T>)> done) {
  auto found = std::make_shared<Result<T>>(Error{});
  Submit(
      [found, read = std::move(read)](sqlite::Database& database) -> Status {
        *found = read(database);
        if (!*found) return found->error();
        return {};
      },
      [found, done = std::move(done)](const Status& status) {
        done(status ? std::move(*found) : Result<T>(status.error()));
      });
}

}  // namespace quell
