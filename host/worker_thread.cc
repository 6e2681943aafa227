#include "host/worker_thread.h"

#include <utility>

#include "host/log.h"

namespace quell {

WorkerThread::WorkerThread(Executor& executor) : executor_(executor), thread_([this] { Loop(); }) {}

WorkerThread::~WorkerThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void WorkerThread::Run(std::function<void()> work, std::function<void()> then) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({std::move(work), std::move(then)});
  }
  changed_.notify_one();
}

void WorkerThread::Loop() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    try {
      job.work();
    } catch (...) {
      LogError("a long computation failed, its request is answered with an error");
      continue;
    }
    job.work = nullptr;  // What it owns goes here, and not on the executor.
    executor_.Post(std::move(job.then));
  }
}

}  // namespace quell
