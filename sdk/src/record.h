// One task as the library knows it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <time.h>
#include <vector>

#include "context.h"
#include "json.h"
#include "meter.h"

namespace quell::sdk {

using Steady = std::chrono::steady_clock::time_point;

inline Steady Now() {
  return std::chrono::steady_clock::now();
}

class Subscription;

// The clock of Record::checked_ns: a few nanoseconds to read, a few milliseconds coarse.
inline std::int64_t CoarseNow() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// Of this process among those that were forked one from the other.
inline std::atomic<unsigned> present_generation{0};

// What the program wants told, and what is known. All but the atomics is guarded by `mutex`; the
// engine takes a record's mutex while it holds none of its own.
struct Record {
  // Constant after construction.
  const unsigned generation = present_generation.load();
  std::string action;
  std::string description;
  bool cancellable = true;
  bool cancel_on_parent_lost = false;
  std::int64_t start_ms = 0;       // Wall clock.
  std::int64_t start_boot_us = 0;  // The same moment by CLOCK_BOOTTIME.
  std::shared_ptr<Record> parent;  // Instead of origin.task, for a child in this process.

  std::atomic<bool> cancelled{false};
  std::atomic<std::int64_t> checked_ns{0};  // CLOCK_MONOTONIC_COARSE; 0: never.
  std::atomic<bool> knows{false};           // The program has seen that it is cancelled.
  std::atomic<int> references{1};

  // A forked child's copy of its parent's task. Its mutex may be held by a thread that is not
  // there.
  bool inert() const { return generation != present_generation.load(std::memory_order_relaxed); }

  std::mutex mutex;
  std::string key;  // Names the registration, should its answer be lost. Set by Engine::Add().
  Context origin;   // Whose work this is part of.
  std::string id;   // Once registered; kept over the daemon's restarts.
  std::vector<std::string> ancestors;
  bool registered = false;  // With the daemon's present life.
  bool refused = false;     // The daemon will not have it: it stays untracked.
  std::optional<quell_outcome> outcome;
  bool told_end = false;

  std::map<std::string, std::string> fields;  // Name to JSON value.
  bool fields_dirty = false;
  Steady fields_told{};
  std::int64_t checked_told_ns = 0;
  Steady check_told{};

  Meter meter;
  CpuFigures figures_told;
  Steady figures_told_at{};
  bool engine_measures = false;  // The engine will look at the meter by itself.

  int shields = 0;
  std::string shield_why;
  std::optional<Cancel> cancel;  // Arrived.
  bool tell_deferred = false;
  bool told_stopping = false;  // That it knows; with the daemon's present life.
  std::vector<std::shared_ptr<Subscription>> subscriptions;
};

// One callback. Runs at most once; see quell_subscription_release().
class Subscription {
 public:
  Subscription(std::shared_ptr<Record> record, void (*fn)(void*), void* arg)
      : record_(std::move(record)), fn_(fn), arg_(arg) {}
  const std::shared_ptr<Record>& record() const { return record_; }
  // Not while the record's mutex is held. What the function throws is a notice.
  void Run();
  // Waits for a Run() on another thread.
  void Stop();

 private:
  std::shared_ptr<Record> record_;
  void (*fn_)(void*);
  void* arg_;
  std::recursive_mutex mutex_;
  bool done_ = false;
};

}  // namespace quell::sdk

// The handles of the C interface.
struct quell_subscription {
  std::shared_ptr<quell::sdk::Subscription> subscription;
};
struct quell_measure {
  std::shared_ptr<quell::sdk::Record> record;
  quell::sdk::Meter::Handle stretch;
};
struct quell_context {
  quell::sdk::Context context;
};
