// The wrapper while its command runs: passes signals on, stops and goes on with it, carries out a
// cancel, and ends as it ended.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "cli/run/command.h"
#include "cli/run/sweep.h"
#include "cli/run/tracker.h"
#include "cli/signal_queue.h"
#include "core/clock.h"

namespace quell::cli {

struct SupervisorOptions {
  // What the job's owner gives it to stop in; takes the place of the default grace of a cancel.
  std::optional<std::chrono::milliseconds> grace;
};

// One thread; the signals of `signals` and the children of the process are its own.
class Supervisor {
 public:
  // `say` writes one line for people. `tracker` is null if the job is not tracked. All of it must
  // outlive the supervisor.
  Supervisor(const Clock& clock, SignalQueue& signals, Command& command, Tracker* tracker,
             SupervisorOptions options, std::function<void(const std::string&)> say);

  // Returns the command's wait status. Without a cancel it returns as soon as the command has
  // ended, whatever that has left in the background; after one, when nothing of the tree is left.
  int Run();
  // "success", "failure" or "cancelled", after Run().
  std::string outcome() const;

 private:
  void Wait();
  void OnSignals();
  void Forward(const signalfd_siginfo& info);
  void PassOn(const signalfd_siginfo& info);
  void Reap();
  void FollowStop(int signal);
  void OnCancel(const JobCancel& cancel);
  // What can be seen of the tree.
  std::vector<Process> ReadTree();
  void LookAtTree();
  std::chrono::milliseconds Grace(const JobCancel& cancel) const;

  const Clock& clock_;
  SignalQueue& signals_;
  Command& command_;
  Tracker* const tracker_;
  const SupervisorOptions options_;
  const std::function<void(const std::string&)> say_;

  std::optional<int> status_;  // Of the command, once it has ended.
  bool stopped_ = false;
  bool continued_ = false;  // The next SIGCONT is the one by which we went on.
  bool childless_ = false;
  bool blind_ = false;           // There is no /proc, as was said.
  MonoTime rest_until_;          // A look that takes long is not repeated at once.
  bool asked_by_outer_ = false;  // The command has its SIGTERM from the `quell run` around us.
  std::optional<Sweep> sweep_;
  JobReport report_;
};

// Whether a signal that the wrapper got is to be passed on, so that the command sees what it would
// have seen in the wrapper's place. `leader`: the wrapper is its session's leader.
bool IsForCommand(const signalfd_siginfo& info, bool leader);

// Ends this process as `status` says: the same exit code, or death by the same signal (without a
// second core dump).
[[noreturn]] void EndAs(int status);

}  // namespace quell::cli
