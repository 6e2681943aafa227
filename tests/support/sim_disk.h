// How long a simulated disk takes, and when it fails. A commit becomes durable at one moment and is
// reported at a later one: a crash in between leaves it durable and unreported.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "core/executor.h"
#include "core/random.h"
#include "core/result.h"

namespace quell {

// The device; lives longer than the process that writes to it. All may be changed at any time.
struct SimDisk {
  MonoClock::duration commit_min = std::chrono::milliseconds(1);
  MonoClock::duration commit_max = std::chrono::milliseconds(1);
  MonoClock::duration report_max{0};                                // From durable to the callback.
  MonoClock::duration behind_max = std::chrono::milliseconds(100);  // Until a write behind is kept.

  std::optional<Error> error;        // Every commit fails with it.
  std::size_t fail_next = 0;         // The next so many commits fail (full disk).
  unsigned errors_per_thousand = 0;  // Random commits fail (full disk or a broken file).

  std::function<void()> on_durable;  // Runs at each such moment, before anybody is told.
};

// The one connection of a process to its device: commits become durable, and are reported, in the
// order of the calls.
class SimDiskQueue {
 public:
  // Without `random`, times are the minima and nothing fails at random.
  SimDiskQueue(Executor& executor, SimDisk& disk, Random* random)
      : executor_(executor), disk_(disk), random_(random) {}

  // `durable` runs at the moment at which the commit cannot be lost any more, unless it fails;
  // `done` later. Neither runs inside the call, nor after the process died.
  void Commit(std::function<void()> durable, std::function<void(Status)> done);
  // Runs `durable` some time later, after the commits before it, or with the next commit that is
  // durable; not if the process dies before.
  void Behind(std::function<void()> durable);
  // Between the calls of Commit: an answer that needs the commits before it.
  void Read(std::function<void()> done);

  bool Chance(unsigned per_thousand);

 private:
  MonoClock::duration Between(MonoClock::duration low, MonoClock::duration high);
  std::optional<Error> PickError();
  void FlushUpTo(std::uint64_t behind);

  Executor& executor_;
  SimDisk& disk_;
  Random* random_;
  MonoTime last_durable_;
  MonoTime last_report_;
  std::uint64_t next_behind_ = 1;
  std::map<std::uint64_t, std::function<void()>> behind_;
};

}  // namespace quell
