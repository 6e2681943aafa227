// What `quell run` does to its process tree once it is cancelled: which process gets which signal,
// and when to look again. Decisions only; run/process_table.h reads /proc and sends the signals.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "host/process/process.h"

namespace quell::process {

struct Process {
  ProcessStat stat;
  bool is_wrapper = false;  // Another `quell run`: it looks after what is below it.

  friend bool operator==(const Process&, const Process&) = default;
};

// Three steps. Asking: each process of the tree gets one SIGTERM (and is continued if it is
// stopped). What the command starts after that is its own clean-up and is left alone for as long as
// the command lives. Forcing: after the grace everything gets SIGKILL, again and again, except what
// a nested `quell run` looks after. Forcing all: kNestedPatience later those, too.
// It is over when waitpid() says that no child is left: only the caller can know.
class Sweep {
 public:
  struct Action {
    Process process;
    int signal = 0;
  };

  static constexpr std::chrono::milliseconds kNestedPatience{2000};
  // After so long a process that was killed and still lives is one that cannot be forced.
  static constexpr std::chrono::milliseconds kStubbornAfter{2000};

  Sweep(MonoTime now, std::chrono::milliseconds grace);

  // A stronger cancel: the grace can only become shorter.
  void ShortenGrace(MonoTime now, std::chrono::milliseconds grace);
  // The wrapped command itself has ended; what is left of its tree is asked, too.
  void CommandEnded() { command_ended_ = true; }
  // `process` had SIGTERM already (forwarded for somebody else): it does not get a second one.
  void AlreadyAsked(const Process& process) { asked_.insert(Key(process)); }

  // What to do now about `tree` (a fresh ReadOwnTree()).
  std::vector<Action> Decide(MonoTime now, const std::vector<Process>& tree);
  // The signal could not be sent: `why` goes into the report.
  void Refused(const Process& process, std::string why);

  // When Decide() wants a fresh look, if no child ends before.
  MonoTime next() const { return next_; }
  bool forcing(MonoTime now) const { return now >= deadline_; }
  // SIGKILL was sent to something, and not refused.
  bool killed() const;
  // Names what of `tree` cannot be forced, with pid and reason; empty: nothing so far.
  std::string Stubborn(MonoTime now, const std::vector<Process>& tree) const;

 private:
  using ProcessKey = std::pair<pid_t, std::uint64_t>;
  static ProcessKey Key(const Process& process) {
    return {process.stat.pid, process.stat.start_ticks};
  }

  void Ask(const std::vector<Process>& tree, std::vector<Action>& actions);
  void Force(MonoTime now, const std::vector<Process>& tree, std::vector<Action>& actions);

  MonoTime deadline_;
  MonoTime next_;
  int rounds_ = 0;
  // The tree's youngest when first seen: its start, and its pid, since a tick of the kernel is 10
  // ms.
  std::optional<std::pair<std::uint64_t, pid_t>> youngest_at_start_;
  bool command_ended_ = false;
  std::set<ProcessKey> asked_;
  std::map<ProcessKey, MonoTime> forced_;
  std::map<ProcessKey, std::string> refused_;
};

}  // namespace quell::process
