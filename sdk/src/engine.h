// The library's one thread: it tells the node what the program said, and hears what the node says.
// One engine a process, made by the first task, never destroyed (threads may use it while the
// process ends).
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "json.h"
#include "local_api.h"
#include "record.h"

namespace quell::sdk {

// Thread-safe but where it says "engine thread".
class Engine {
 public:
  // The process's own. After a fork the child gets another one.
  static Engine& Get();

  // Hands over a new task. The first one of the process waits for its registration, 250 ms at most.
  // Where no thread can be made it stays untracked until one can: the next calls try again.
  void Add(const std::shared_ptr<Record>& record);
  // Something of `record` is to be told.
  void Wake(const std::shared_ptr<Record>& record);
  // Lets the cancel through if it has arrived and nothing shields the task: flag, callbacks,
  // report.
  void Deliver(const std::shared_ptr<Record>& record);
  bool Flush(std::chrono::milliseconds timeout);

 private:
  static constexpr std::chrono::milliseconds kCall{
      5000};  // For one call of the node, answer and all.

  using RecordPtr = std::shared_ptr<Record>;
  // A record and how it is registered.
  struct Entry {
    RecordPtr record;
    std::string json;
  };
  // Names and JSON values.
  using Members = std::vector<std::pair<std::string, std::string>>;
  enum class Told {
    kYes,
    kBusy,  // The node has no room now: once more, later.
    kAway,  // Nobody answers, or the session is over: begin anew.
  };

  Engine();
  void Run();
  // The thread runs, or now does. The caller holds mutex_.
  bool StartThread();
  void TrimUntracked();
  std::string NewKey();

  // Engine thread.
  bool Step();
  bool Connect();
  void Disconnect();
  Told RegisterNew();
  std::vector<Entry> NextBatch();
  std::optional<Entry> EntryOf(const RecordPtr& record, bool known);
  Told RegisterBatch(const std::vector<Entry>& batch);
  Told TakeAnswer(const std::vector<Entry>& batch, const std::string& body);
  void Refuse(const RecordPtr& record, const Refusal& why);
  Told Listen();
  Told TellReports();
  Told TellReport(const RecordPtr& record, Steady now);
  // `refused`: why the node does not take it, if it is malformed.
  Told Post(const std::string& id, const Members& report, std::optional<std::string>& refused);
  Told PostApart(const RecordPtr& record, const std::string& id, Members report);
  Told PostMembers(const RecordPtr& record, const std::string& id);
  std::string NewFigures(Record& record, Steady now, bool together);
  bool IsLookDue(const Record& record, Steady now, bool is_new, bool together);
  Told TellEnds();
  // `over`: whose end the node knows, or will never take.
  Told TellEnds(std::vector<RecordPtr>& over);
  Told TellEndsOf(const std::vector<RecordPtr>& batch, std::vector<RecordPtr>& over,
                  bool bare = false);
  void Forget(const std::vector<RecordPtr>& over);
  void DueAt(Steady moment);
  void HearCommands();
  void Arrived(const Cancel& cancel);
  void WaitForWork();
  std::vector<std::shared_ptr<Record>> Snapshot();

  const std::string socket_path_;
  const int wake_fd_;  // Below 0 where no descriptor was left: then the thread looks by itself.
  const std::string key_prefix_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Record>> records_;  // Not fully told yet. Guarded by mutex_.
  bool started_ = false;                          // The thread runs. Guarded by mutex_.
  Steady start_at_{};                             // The next try to make it. Guarded by mutex_.
  bool tried_ = false;                            // The first attempt is over. Guarded by mutex_.
  std::uint64_t added_ = 0;                       // Makes the keys. Guarded by mutex_.
  std::uint64_t asked_ = 0;                       // Counts Add() and Wake(). Guarded by mutex_.
  std::uint64_t served_ = 0;  // As of asked_, all is told that can be. Guarded by mutex_.

  // Engine thread only.
  LocalApi api_;
  CommandStream stream_;
  std::string session_;
  std::unordered_map<std::string, std::shared_ptr<Record>> by_id_;  // Registered, not yet over.
  bool connected_ = false;
  Steady retry_at_{};
  Steady full_until_{};              // No room for more tasks.
  std::optional<Steady> listen_at_;  // The stream was refused: the next try.
  std::chrono::milliseconds backoff_{0};
  std::optional<Steady> next_due_;
  std::optional<Steady> next_look_;  // Looks for a cancel that are told for their own sake.
  bool resources_refused_ = false;   // By a node that does not know them.
  Steady looks_since_{};             // The present second of them...
  std::size_t looks_ = 0;            // ...and how many it has had.
};

}  // namespace quell::sdk
