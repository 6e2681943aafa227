// The bridge: an event loop of one thread over one gRPC completion queue. On that thread run gRPC's
// events, timers, and posted work, so that what gRPC delivers is handled where it arrives.
#pragma once

#include <memory>

#include "core/executor.h"

namespace quell {

// In the node it is the daemon's executor; in the coordinator it converts, and posts to the
// daemon's. Its queue serves one GrpcServer and any number of clients.
//
// Life: construct, Start(), ..., Stop(). What was posted before Start() runs after it. Close the
// clients and shut the server down before Stop(): it waits until every gRPC operation has ended.
// `clock` must outlive the loop and count as CLOCK_MONOTONIC does; timers fire up to 1 ms late,
// which is how finely gRPC sleeps.
class CqLoop final : public Executor {
 public:
  explicit CqLoop(const Clock& clock);
  // Stops it.
  ~CqLoop() override;
  CqLoop(const CqLoop&) = delete;
  CqLoop& operator=(const CqLoop&) = delete;

  void Start();
  // Runs what was posted before, and what gRPC's last events post; drops the timers and what is
  // posted later; ends the thread. Does nothing the second time. Not to be called on the loop's own
  // thread.
  void Stop();

  // On the loop's own thread Post() and At() cost no wake-up. What is posted by the loop's thread
  // runs in the loop's next turn, after gRPC got its chance, so that a chain of posts starves
  // nobody.
  void Post(Work work) override;
  TimerId At(MonoTime when, Work work) override;
  void Cancel(TimerId timer) override;
  const Clock& clock() const override;

  bool IsOwnThread() const;

  // For this folder: transport/grpc/operation.h.
  class Queue;
  Queue& queue() { return *queue_; }

 private:
  std::unique_ptr<Queue> queue_;
};

}  // namespace quell
