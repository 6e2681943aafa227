// What the processes below a `quell run` use, children and detached sessions included.
#pragma once

#include <chrono>
#include <optional>

#include "core/clock.h"
#include "core/resource_use.h"

namespace quell::process {

// The tree is one execution: its CPU time is that of all who live in it and of all who were waited
// for in it, its memory what the living have resident. A look that misses a process shows less than
// there is, never more. No memory if nothing lives; that of `quell` itself is not the command's: of
// a nested wrapper, and of the child that is not the command yet. Without a /proc of our own pid
// namespace only those who were waited for are seen.
ResourceReport LookAtTreeUse();

// When to look, and which looks are worth telling: often enough to see what happens, seldom enough
// for ten thousand idle commands on one host. One thread.
class UsePace {
 public:
  // Figures of a look at `now`. What is to be told because of it, if anything: CPU time and memory
  // that changed much; what changed little only every kTellAnyway.
  std::optional<ResourceReport> Take(MonoTime now, const ResourceReport& look);
  // The command has ended: all of its CPU time. Its memory is gone, and stays as it was seen last.
  ResourceReport Last(const ResourceReport& look) const;
  // Till the next look: soon after the start, then limits::kMeasureInterval, and up to kIdle while
  // nothing changes.
  std::chrono::milliseconds pause() const { return pause_; }

  static constexpr std::chrono::milliseconds kFirst{50};
  static constexpr std::chrono::milliseconds kIdle{8000};
  static constexpr std::chrono::seconds kTellAnyway{10};

 private:
  bool IsWorthTelling(MonoTime now, const ResourceReport& seen) const;

  std::chrono::milliseconds pause_ = kFirst;
  ResourceReport seen_;  // CPU time never falls in it.
  ResourceReport told_;
  MonoTime told_at_;
};

}  // namespace quell::process
