// One thread beside an executor, for long computations over values: it decides nothing.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "core/executor.h"

namespace quell {

// Thread-safe. The executor must outlive it.
class WorkerThread {
 public:
  explicit WorkerThread(Executor& executor);
  // Waits for the work that runs; what has not begun is dropped, with its `then`.
  ~WorkerThread();
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;

  // Runs `work` on the thread, after all that was given before, and then `then` on the executor; if
  // `work` throws, `then` is dropped. What waits has no bound here: who gives it has one.
  void Run(std::function<void()> work, std::function<void()> then);

 private:
  struct Job {
    std::function<void()> work;
    std::function<void()> then;
  };
  void Loop();

  Executor& executor_;
  std::mutex mutex_;  // Guards what follows.
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::thread thread_;  // The last one: it uses the others.
};

}  // namespace quell
