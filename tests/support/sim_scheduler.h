// Simulated time and the one queue of everything that will happen in a simulated world. Time moves
// only in the Run functions; events run in the order of (time, creation), so a run depends on
// nothing but its inputs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string_view>
#include <unordered_map>

#include "core/clock.h"
#include "core/executor.h"

namespace quell {

class SimExecutor;

// Not thread-safe: a simulated world has one thread.
class SimScheduler {
 public:
  using Work = std::function<void()>;

  // "True" time, which no host of the world can see: it starts at one hour and counts evenly.
  MonoTime Now() const { return now_; }

  // Runs `work` at `when` (now, if that has passed) on behalf of `owner`; null: of the world
  // itself.
  TimerId At(MonoTime when, SimExecutor* owner, Work work);
  TimerId After(MonoClock::duration delay, Work work) {
    return At(now_ + delay, nullptr, std::move(work));
  }
  void Cancel(TimerId id);
  // Destroys all events of `owner` unrun.
  void Drop(const SimExecutor* owner);
  // What `owner` has waiting; for checks that nothing piles up.
  std::size_t Pending(const SimExecutor* owner) const;

  // Runs what is due within `duration`; time stands `duration` later afterwards.
  void Advance(MonoClock::duration duration);
  // Runs what is due now, and what that posts, without moving time.
  void RunReady() { Advance(MonoClock::duration::zero()); }
  // Runs event by event until `done()` is true; false if that is not so after `limit`.
  bool RunUntil(const std::function<bool()>& done, MonoClock::duration limit);

  // Each event and each line that the world traces goes into a hash: equal hashes mean equal runs.
  void Trace(std::string_view line);
  std::uint64_t trace_hash() const { return hash_; }
  void set_trace_sink(std::function<void(MonoTime, std::string_view)> sink) {
    trace_sink_ = std::move(sink);
  }
  std::uint64_t events_run() const { return events_run_; }

 private:
  friend class SimExecutor;
  struct Key {
    MonoTime when;
    std::uint64_t order;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Event {
    SimExecutor* owner;
    TimerId id;
    Work work;
  };

  void Insert(MonoTime when, Event event);
  void RunFirst();
  void Mix(std::uint64_t value);

  MonoTime now_{std::chrono::hours(1)};
  std::uint64_t next_order_ = 1;
  std::uint64_t next_id_ = 1;
  std::uint64_t events_run_ = 0;
  std::uint64_t hash_ = 14695981039346656037ULL;
  std::map<Key, Event> queue_;
  std::unordered_map<std::uint64_t, Key> keys_;  // TimerId to its place; looked up, never walked.
  std::function<void(MonoTime, std::string_view)> trace_sink_;
};

}  // namespace quell
