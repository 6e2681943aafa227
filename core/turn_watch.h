// Notices when one piece of work holds an executor for too long, and says which one. An executor
// serves everybody: while one turn runs, no heartbeat, cancel or timer does.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <typeinfo>

#include "core/clock.h"
#include "core/limits.h"
#include "core/rarely.h"

namespace quell {

struct LongTurn {
  std::string what;                    // A route, or the type of the work.
  std::chrono::nanoseconds took{0};    // From its beginning to its end.
  std::chrono::nanoseconds on_cpu{0};  // Of that, at most: the rest is a machine that is busy.
  std::uint64_t count = 0;             // Of all long turns up to this one.
  std::uint64_t not_reported = 0;      // Since the last report.
};

// Of one thread at a time. count() is thread-safe.
class TurnWatch {
 public:
  using Report = std::function<void(const LongTurn&)>;
  // What the calling thread has used of its processor so far.
  using Cpu = std::function<std::chrono::nanoseconds()>;

  // `clock` must outlive it. `report` runs at the end of a turn longer than limits::kTurnMax, once
  // in limits::kTurnLogInterval at most.
  TurnWatch(const Clock& clock, Cpu cpu, Report report)
      : clock_(clock), cpu_(std::move(cpu)), report_(std::move(report)) {}

  // From now on the turns of the calling thread are watched by `watch`, which must outlive the
  // thread or be replaced by null.
  static void WatchThisThread(TurnWatch* watch);

  std::uint64_t count() const { return count_; }

 private:
  friend class Turn;
  void Begin(std::string_view what, const std::type_info* type);
  void End();

  const Clock& clock_;
  const Cpu cpu_;
  const Report report_;
  Rarely reports_{limits::kTurnLogInterval};
  std::atomic<std::uint64_t> count_{0};
  // The turn that runs.
  int depth_ = 0;
  MonoTime began_;
  std::string_view name_;
  const std::type_info* type_ = nullptr;
  // A moment before its beginning: to ask for each turn would cost more than most turns.
  MonoTime cpu_at_;
  std::chrono::nanoseconds cpu_then_{0};
  bool cpu_known_ = false;
};

// On the stack around a piece of work. Of several within one another the outermost is the turn.
// Does nothing on a thread that is not watched.
class Turn {
 public:
  // `what` must live as long.
  explicit Turn(std::string_view what) : Turn(what, nullptr) {}
  // The work's type says what it is.
  explicit Turn(const std::type_info& type) : Turn({}, &type) {}
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  // Says more exactly what the turn does that runs on this thread. `what` must live until its end.
  static void Name(std::string_view what);

 private:
  Turn(std::string_view what, const std::type_info* type);

  TurnWatch* const watch_;
};

}  // namespace quell
