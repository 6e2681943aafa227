#include "host/sqlite_thread.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <future>
#include <iterator>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <thread>
#include <vector>

#include "host/signals.h"

namespace quell {
namespace {

struct Entry {
  SqliteThread::Work work = {};         // None: there is nothing to do.
  SqliteThread::Done done = {};         // None: nobody waits for it.
  bool behind = false;                  // Written behind.
  std::optional<Error> error = {};      // Of its own, not of the commit.
  std::promise<void>* drain = nullptr;  // Kept once this entry's commit is over.
};

Error QueueIsFull(const std::string& path) {
  return {ErrorCode::kResourceExhausted,
          path + ": too many writes wait for the disk; come back later"};
}

}  // namespace

class SqliteThread::Impl {
 public:
  Impl(sqlite::Database database, Executor& replies, SqliteThreadOptions options)
      : database_(std::move(database)), replies_(replies), options_(std::move(options)) {
    const BlockSignals inherited_by_the_thread;
    thread_ = std::thread([this] { Loop(); });
    ::pthread_setname_np(thread_.native_handle(), "quell-sqlite");
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void Submit(Work work, Done done) {
    Entry entry{.work = std::move(work), .done = std::move(done)};
    const std::lock_guard lock(mutex_);
    if (urgent_ >= options_.queue_max) {
      // It stays in line for its turn to say so: replies come in the order of the calls.
      entry.work = nullptr;
      entry.error = QueueIsFull(database_.path());
    }
    Push(std::move(entry));
  }

  void SubmitFirst(Work work, Done done) {
    const std::lock_guard lock(mutex_);
    queue_.insert(AfterFirst(), Entry{.work = std::move(work), .done = std::move(done)});
    ++first_;
    if (++urgent_ == 1) changed_.notify_all();
  }

  bool SubmitBehind(Work work) {
    const std::lock_guard lock(mutex_);
    if (behind_ >= options_.behind_max) return false;
    Push({.work = std::move(work), .behind = true});
    return true;
  }

  void Drain() {
    std::promise<void> drained;
    {
      const std::lock_guard lock(mutex_);
      Push({.drain = &drained});
    }
    drained.get_future().wait();
  }

 private:
  // With the lock held.
  void Push(Entry entry) {
    const std::size_t count = entry.behind ? ++behind_ : ++urgent_;
    queue_.push_back(std::move(entry));
    if (count == 1) changed_.notify_all();
  }

  std::deque<Entry>::iterator AfterFirst() {
    return queue_.begin() + static_cast<std::ptrdiff_t>(first_);
  }

  void Loop() {
    for (;;) {
      std::vector<Entry> group = NextGroup();
      if (group.empty()) return;
      std::vector<Entry> rest;
      const Status whole = Execute(group, rest);
      PutBackRest(std::move(rest));
      Reply(group, whole);
    }
  }

  // Waits for work. Empty: the thread is to end.
  std::vector<Entry> NextGroup() {
    std::unique_lock lock(mutex_);
    const auto in_a_hurry = [this] { return urgent_ > 0 || more_ || stopping_; };
    changed_.wait(lock, [&] { return !queue_.empty() || stopping_; });
    // What is written behind waits for company.
    changed_.wait_for(lock, options_.behind_delay, in_a_hurry);
    const std::size_t count = std::min(queue_.size(), limits::kDiskGroup);
    std::vector<Entry> group(std::make_move_iterator(queue_.begin()),
                             std::make_move_iterator(queue_.begin() + static_cast<long>(count)));
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<long>(count));
    first_ -= std::min(first_, count);
    more_ = false;
    for (const Entry& entry : group)
      urgent_ -= entry.behind ? 0 : 1;
    return group;
  }

  // The fate of the commit. What it had no time for is moved to `rest`.
  Status Execute(std::vector<Entry>& group, std::vector<Entry>& rest) {
    const MonoTime end = replies_.clock().Now() + options_.turn;
    Status whole = database_.Begin();
    for (std::size_t i = 0; whole && i < group.size(); ++i) {
      if (i > 0 && replies_.clock().Now() >= end) {
        const auto from = group.begin() + static_cast<std::ptrdiff_t>(i);
        rest.assign(std::make_move_iterator(from), std::make_move_iterator(group.end()));
        group.resize(i);
      } else if (group[i].work != nullptr) {
        whole = ExecuteOne(group[i]);
      }
    }
    if (whole) whole = database_.Commit();
    if (!whole) database_.Rollback();
    return whole;
  }

  // An error of its own stays with the entry; one that took the transaction with it is returned.
  Status ExecuteOne(Entry& entry) {
    if (Status saved = database_.Run("SAVEPOINT work"); !saved) return saved;
    const Status done = entry.work(database_);
    if (!done) entry.error = done.error();
    if (!database_.in_transaction()) {
      return entry.error.value_or(
          Error{ErrorCode::kInternal, database_.path() + ": a work ended its transaction"});
    }
    if (!done) {
      if (Status undone = database_.Run("ROLLBACK TO work"); !undone) return undone;
    }
    return database_.Run("RELEASE work");
  }

  void Reply(std::vector<Entry>& group, const Status& whole) {
    std::vector<Entry> again;
    std::size_t settled = 0;
    for (Entry& entry : group) {
      if (entry.behind) {
        if (whole || entry.error) {
          ++settled;
          if (entry.error) TellBehindFailed(*entry.error);
        } else {
          again.push_back(std::move(entry));
        }
      } else if (entry.done != nullptr) {
        Status status;
        if (entry.error) {
          status = std::move(*entry.error);
        } else if (!whole) {
          status = whole.error();
        }
        replies_.Post([done = std::move(entry.done), status = std::move(status)] { done(status); });
      }
    }
    if (!again.empty() && !late_) TellBehindFailed(whole.error());
    late_ = !again.empty();
    PutBack(std::move(again), settled);
    for (const Entry& entry : group) {
      if (entry.drain != nullptr) entry.drain->set_value();
    }
  }

  void PutBackRest(std::vector<Entry> rest) {
    if (rest.empty()) return;
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : rest)
      urgent_ += entry.behind ? 0 : 1;
    more_ = true;
    queue_.insert(AfterFirst(), std::make_move_iterator(rest.begin()),
                  std::make_move_iterator(rest.end()));
  }

  void PutBack(std::vector<Entry> again, std::size_t settled) {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      settled += again.size();
    } else {
      queue_.insert(AfterFirst(), std::make_move_iterator(again.begin()),
                    std::make_move_iterator(again.end()));
    }
    behind_ -= settled;
  }

  void TellBehindFailed(const Error& error) {
    if (!options_.behind_failed) return;
    replies_.Post([tell = options_.behind_failed, error] { tell(error); });
  }

  sqlite::Database database_;
  Executor& replies_;
  const SqliteThreadOptions options_;
  bool late_ = false;  // Of the thread: what is written behind could not be committed.

  std::mutex mutex_;  // Guards what follows.
  std::condition_variable changed_;
  std::deque<Entry> queue_;
  std::size_t first_ = 0;   // The first ones of it that have overtaken the others.
  bool more_ = false;       // The last commit had no time for all.
  std::size_t urgent_ = 0;  // Entries of the queue that somebody waits for.
  std::size_t behind_ = 0;  // The others, also while they are being written.
  bool stopping_ = false;

  std::thread thread_;
};

SqliteThread::SqliteThread(sqlite::Database database, Executor& replies,
                           SqliteThreadOptions options)
    : impl_(std::make_unique<Impl>(std::move(database), replies, std::move(options))) {}
SqliteThread::~SqliteThread() = default;
void SqliteThread::Submit(Work work, Done done) {
  impl_->Submit(std::move(work), std::move(done));
}
void SqliteThread::SubmitFirst(Work work, Done done) {
  impl_->SubmitFirst(std::move(work), std::move(done));
}
bool SqliteThread::SubmitBehind(Work work) {
  return impl_->SubmitBehind(std::move(work));
}
void SqliteThread::Drain() {
  impl_->Drain();
}

}  // namespace quell
