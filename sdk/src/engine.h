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
#include <vector>

#include "door.h"
#include "record.h"

namespace quell::sdk {

// Thread-safe but where it says "engine thread".
class Engine {
 public:
  // The process's own. After a fork the child gets another one.
  static Engine& Get();

  // Hands over a new task. The first one of the process waits for its registration, 250 ms at most.
  void Add(const std::shared_ptr<Record>& record);
  // Something of `record` is to be told.
  void Wake(const std::shared_ptr<Record>& record);
  // Lets the cancel through if it has arrived and nothing shields the task: flag, callbacks,
  // report.
  void Deliver(const std::shared_ptr<Record>& record);
  bool Flush(std::chrono::milliseconds timeout);

 private:
  friend struct ForkHooks;
  Engine();
  void Run();

  // Engine thread.
  bool Step();
  bool Connect();
  void Disconnect();
  bool RegisterNew();
  bool RegisterBatch(const std::vector<std::shared_ptr<Record>>& batch);
  bool TellReports();
  bool TellReport(const std::shared_ptr<Record>& record, Steady now);
  bool SendReport(const std::string& target, const std::string& body, const std::string& resources);
  std::string NewFigures(Record& record, Steady now, bool together);
  bool IsLookDue(const Record& record, Steady now, bool is_new, bool together);
  bool TellEnds();
  // `over`: whose end the node knows, or will never take.
  bool TellEnds(std::vector<std::shared_ptr<Record>>& over);
  bool TellEndsOf(const std::vector<std::shared_ptr<Record>>& batch,
                  std::vector<std::shared_ptr<Record>>& over);
  void Forget(const std::vector<std::shared_ptr<Record>>& over);
  void HearCommands();
  void Arrived(const Cancel& cancel);
  void WaitForWork();
  std::vector<std::shared_ptr<Record>> Snapshot();

  const std::string socket_path_;
  const int wake_fd_;
  const std::string key_prefix_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Record>> records_;  // Not fully told yet. Guarded by mutex_.
  bool started_ = false;                          // The thread runs. Guarded by mutex_.
  bool tried_ = false;                            // The first attempt is over. Guarded by mutex_.
  std::uint64_t added_ = 0;                       // Makes the keys. Guarded by mutex_.
  std::uint64_t asked_ = 0;                       // Counts Add() and Wake(). Guarded by mutex_.
  std::uint64_t served_ = 0;  // As of asked_, all is told that can be. Guarded by mutex_.

  // Engine thread only.
  Door door_;
  CommandStream stream_;
  std::string session_;
  std::unordered_map<std::string, std::shared_ptr<Record>> by_id_;  // Registered, not yet over.
  bool connected_ = false;
  Steady retry_at_{};
  std::chrono::milliseconds backoff_{0};
  std::optional<Steady> next_due_;
  std::optional<Steady> next_look_;  // Looks for a cancel that are told for their own sake.
  bool resources_refused_ = false;   // By a node that does not know them.
  Steady looks_since_{};             // The present second of them...
  std::size_t looks_ = 0;            // ...and how many it has had.
};

}  // namespace quell::sdk
