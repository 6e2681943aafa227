#include "transport/grpc/cq_loop.h"

#include <algorithm>
#include <cassert>
#include <limits>

#include <grpc/support/time.h>

#include "core/turn_watch.h"
#include "transport/grpc/init.h"
#include "transport/grpc/operation.h"

namespace quell {
namespace {

constexpr std::int64_t kShut = std::numeric_limits<std::int64_t>::min() / 2;

thread_local const void* current_queue = nullptr;

gpr_timespec FromNow(MonoClock::duration wait) {
  if (wait < MonoClock::duration::zero()) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  return gpr_time_from_nanos(wait.count(), GPR_TIMESPAN);
}

}  // namespace

CqLoop::Queue::Queue(const Clock& clock)
    : clock_(clock), server_queue_(MakeServerQueue()), wake_up_(std::make_unique<WakeUp>(*this)) {}

CqLoop::Queue::~Queue() {
  Stop();
}

bool CqLoop::Queue::Begin() {
  if (in_flight_.fetch_add(1, std::memory_order_acq_rel) >= 0) return true;
  in_flight_.fetch_sub(1, std::memory_order_acq_rel);
  return false;
}

bool CqLoop::Queue::TryShut() {
  std::int64_t none = 0;
  if (!in_flight_.compare_exchange_strong(none, kShut, std::memory_order_acq_rel)) return false;
  completion_queue().Shutdown();
  return true;
}

CqLoop::Queue::WakeUp::WakeUp(Queue& queue)
    : queue_(queue),
      channel_(grpc_lame_client_channel_create(nullptr, GRPC_STATUS_UNAVAILABLE, "no channel")),
      call_(grpc_channel_create_call(channel_, nullptr, GRPC_PROPAGATE_DEFAULTS,
                                     queue.completion_queue().cq(),
                                     grpc_slice_from_static_string("/wake-up"), nullptr,
                                     gpr_inf_future(GPR_CLOCK_MONOTONIC), nullptr)) {}

CqLoop::Queue::WakeUp::~WakeUp() {
  grpc_call_unref(call_);
  grpc_channel_destroy(channel_);
}

void CqLoop::Queue::WakeUp::Send() {
  const grpc_call_error error = grpc_call_start_batch(
      call_, nullptr, 0, static_cast<grpc::internal::CompletionQueueTag*>(this), nullptr);
  assert(error == GRPC_CALL_OK);
  static_cast<void>(error);
}

bool CqLoop::Queue::WakeUp::FinalizeResult(void** tag, bool*) {
  *tag = static_cast<Operation*>(this);
  return true;
}

void CqLoop::Queue::WakeUp::Ended(bool) {
  const std::lock_guard lock(queue_.mutex_);
  queue_.waking_ = false;
}

// Takes the lock over, so that gRPC is called outside it.
void CqLoop::Queue::Wake(std::unique_lock<std::mutex> lock) {
  if (!asleep_ || waking_) return;
  waking_ = true;
  lock.unlock();
  if (Begin()) wake_up_->Send();
}

void CqLoop::Queue::Post(Work work) {
  std::unique_lock lock(mutex_);
  posted_.push_back(std::move(work));
  Wake(std::move(lock));
}

TimerId CqLoop::Queue::At(MonoTime when, Work work) {
  std::unique_lock lock(mutex_);
  const std::uint64_t id = ++last_timer_;
  timers_.emplace(std::pair(when, id), std::move(work));
  moments_.emplace(id, when);
  if (asleep_ && when < sleeps_until_) Wake(std::move(lock));
  return TimerId{id};
}

void CqLoop::Queue::Cancel(TimerId timer) {
  Work dropped;  // Destroyed outside the lock: it may own what calls us.
  const std::lock_guard lock(mutex_);
  const auto moment = moments_.find(static_cast<std::uint64_t>(timer));
  if (moment == moments_.end()) return;
  const auto entry = timers_.find({moment->second, moment->first});
  dropped = std::move(entry->second);
  timers_.erase(entry);
  moments_.erase(moment);
}

void CqLoop::Queue::RunPosted() {
  std::size_t count = 0;
  {
    const std::lock_guard lock(mutex_);
    count = posted_.size();
  }
  for (; count > 0; --count) {
    Work work;
    {
      const std::lock_guard lock(mutex_);
      work = std::move(posted_.front());
      posted_.pop_front();
    }
    const Turn turn(work.target_type());
    work();
  }
}

void CqLoop::Queue::RunDueTimers() {
  {
    const std::lock_guard lock(mutex_);
    if (timers_.empty() || stopping_) return;
  }
  const MonoTime now = clock_.Now();
  for (;;) {
    Work work;
    {
      const std::lock_guard lock(mutex_);
      const auto first = timers_.begin();
      if (first == timers_.end() || first->first.first > now) return;
      work = std::move(first->second);
      moments_.erase(first->first.second);
      timers_.erase(first);
    }
    const Turn turn(work.target_type());
    work();
  }
}

MonoClock::duration CqLoop::Queue::GoToSleep(bool stop_seen) {
  const std::lock_guard lock(mutex_);
  if (!posted_.empty() || stopping_ != stop_seen) return MonoClock::duration::zero();
  asleep_ = true;
  sleeps_until_ = timers_.empty() || stopping_ ? MonoTime::max() : timers_.begin()->first.first;
  if (sleeps_until_ == MonoTime::max()) return MonoClock::duration(-1);
  return std::max(sleeps_until_ - clock_.Now(), MonoClock::duration::zero());
}

void CqLoop::Queue::Run() {
  current_queue = this;
  for (;;) {
    RunPosted();
    RunDueTimers();
    bool stopping = false;
    bool idle = false;
    {
      const std::lock_guard lock(mutex_);
      stopping = stopping_;
      idle = posted_.empty();
    }
    if (stopping && idle && TryShut()) break;
    const gpr_timespec until = FromNow(GoToSleep(stopping));
    void* tag = nullptr;
    bool ok = false;
    const auto next = completion_queue().AsyncNext(&tag, &ok, until);
    {
      const std::lock_guard lock(mutex_);
      asleep_ = false;
    }
    if (next != grpc::CompletionQueue::GOT_EVENT) continue;
    auto* const operation = static_cast<Operation*>(tag);
    {
      const Turn turn(typeid(*operation));
      operation->Ended(ok);
    }
    in_flight_.fetch_sub(1, std::memory_order_acq_rel);
  }
  Drain();
  current_queue = nullptr;
}

void CqLoop::Queue::Drain() {
  void* tag = nullptr;
  bool ok = false;
  while (completion_queue().Next(&tag, &ok)) {
    assert(false);  // TryShut() saw none in flight.
  }
}

void CqLoop::Queue::Start() {
  const std::lock_guard lock(mutex_);
  if (started_ || stopping_) return;
  started_ = true;
  thread_ = std::thread([this] { Run(); });
}

void CqLoop::Queue::Stop() {
  assert(current_queue != this);
  {
    std::unique_lock lock(mutex_);
    if (!stopping_) {
      stopping_ = true;
      // A loop that never ran still has a queue to be drained.
      if (!started_) thread_ = std::thread([this] { Run(); });
      Wake(std::move(lock));
    }
  }
  if (thread_.joinable()) thread_.join();
  // Owners of what is dropped may post while they go.
  std::deque<Work> posted;
  std::map<std::pair<MonoTime, std::uint64_t>, Work> timers;
  {
    const std::lock_guard lock(mutex_);
    posted.swap(posted_);
    timers.swap(timers_);
    moments_.clear();
  }
}

CqLoop::CqLoop(const Clock& clock) {
  InitGrpc();
  queue_ = std::make_unique<Queue>(clock);
}
CqLoop::~CqLoop() = default;
void CqLoop::Start() {
  queue_->Start();
}
void CqLoop::Stop() {
  queue_->Stop();
}
void CqLoop::Post(Work work) {
  queue_->Post(std::move(work));
}
TimerId CqLoop::At(MonoTime when, Work work) {
  return queue_->At(when, std::move(work));
}
void CqLoop::Cancel(TimerId timer) {
  queue_->Cancel(timer);
}
const Clock& CqLoop::clock() const {
  return queue_->clock_;
}
bool CqLoop::IsOwnThread() const {
  return current_queue == queue_.get();
}

}  // namespace quell
