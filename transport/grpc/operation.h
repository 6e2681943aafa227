// gRPC operations on a CqLoop: who is told when one has ended, and what it keeps alive. Private to
// this folder.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include <grpc/grpc.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/impl/codegen/completion_queue_tag.h>

#include "transport/grpc/cq_loop.h"
#include "transport/grpc/server_queue.h"

namespace quell {

// One kind of operation of one object, at most one of it in flight: a tag of the completion queue.
class Operation {
 public:
  virtual ~Operation() = default;
  // On the loop's thread.
  virtual void Ended(bool ok) = 0;
};

// The completion queue with its thread. Begin() and End() count the operations in flight; the
// queue is shut only when there are none, because an operation on a queue that is shut aborts the
// process.
class CqLoop::Queue {
 public:
  explicit Queue(const Clock& clock);
  ~Queue();

  // Before an operation is started. False: the loop has stopped, and the operation must not be
  // started. Never false inside Operation::Ended(), where one is still in flight. Thread-safe.
  bool Begin();
  grpc::ServerCompletionQueue& completion_queue() { return *server_queue_.queue; }
  ServerQueue& server_queue() { return server_queue_; }

 private:
  friend class CqLoop;
  // Wakes the loop from another thread: an empty batch on a call that is never made ends at once,
  // on the thread that starts it. (grpc::Alarm goes through gRPC's timers and yet another thread.)
  class WakeUp final : public Operation, public grpc::internal::CompletionQueueTag {
   public:
    explicit WakeUp(Queue& queue);
    ~WakeUp() override;
    void Send();
    void Ended(bool ok) override;
    bool FinalizeResult(void** tag, bool* ok) override;

   private:
    Queue& queue_;
    grpc_channel* const channel_;
    grpc_call* const call_;
  };

  void Start();
  void Stop();
  void Post(Work work);
  TimerId At(MonoTime when, Work work);
  void Cancel(TimerId timer);

  void Run();
  void Drain();
  bool TryShut();
  void RunPosted();
  void RunDueTimers();
  // How long the loop may sleep: 0 if there is work or news, negative for ever.
  MonoClock::duration GoToSleep(bool stop_seen);
  void Wake(std::unique_lock<std::mutex> lock);

  const Clock& clock_;
  ServerQueue server_queue_;
  std::thread thread_;
  std::atomic<std::int64_t> in_flight_{0};  // Far below zero: shut.
  std::unique_ptr<WakeUp> wake_up_;         // Until the queue is shut.

  std::mutex mutex_;  // Guards what follows.
  bool started_ = false;
  bool stopping_ = false;
  bool asleep_ = false;    // In the queue, or about to be.
  bool waking_ = false;    // The alarm is on its way.
  MonoTime sleeps_until_;  // If asleep.
  std::uint64_t last_timer_ = 0;
  std::deque<Work> posted_;
  std::map<std::pair<MonoTime, std::uint64_t>, Work> timers_;
  std::unordered_map<std::uint64_t, MonoTime> moments_;  // Of each pending timer.
};

// An Operation that calls a member function of `Owner` and keeps the owner alive meanwhile.
template <typename Owner>
class MemberOperation final : public Operation {
 public:
  using Function = void (Owner::*)(bool ok);
  explicit MemberOperation(Function function) : function_(function) {}

  // The tag for the operation that is about to be started, after Begin() said yes.
  void* Tag(std::shared_ptr<Owner> owner) {
    owner_ = std::move(owner);
    return RawTag();
  }
  // The same without keeping the owner alive, which Tag() does later.
  void* RawTag() { return static_cast<Operation*>(this); }
  bool in_flight() const { return owner_ != nullptr; }

  void Ended(bool ok) override {
    // The owner may go away with this, or start the operation again.
    const std::shared_ptr<Owner> owner = std::exchange(owner_, nullptr);
    ((*owner).*function_)(ok);
  }

 private:
  const Function function_;
  std::shared_ptr<Owner> owner_;
};

}  // namespace quell
