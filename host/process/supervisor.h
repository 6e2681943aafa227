// The wrapper while its command runs: passes signals on, stops and goes on with it, carries out a
// cancel, and ends as it ended.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/clock.h"
#include "host/process/command.h"
#include "host/process/signal_queue.h"
#include "host/process/sweep.h"

namespace quell::process {

// A request to stop the command.
struct StopRequest {
  std::string by;      // A principal's name, for people.
  std::string reason;  // May be empty.
  std::chrono::milliseconds grace{0};
};

// What is known of the command since a request to stop it. The members only grow.
struct StopProgress {
  bool stopping = false;
  bool killed = false;   // By force, after the grace.
  std::string ignoring;  // Processes that cannot be stopped, for people; empty: none.

  friend bool operator==(const StopProgress&, const StopProgress&) = default;
};

// Who asks a command to stop, and is informed of what becomes of it. Called on the supervisor's
// thread.
class SupervisorClient {
 public:
  virtual ~SupervisorClient() = default;
  // Readable when a request waits to be taken.
  virtual int fd() const = 0;
  virtual std::optional<StopRequest> TakeRequest() = 0;
  virtual void Report(const StopProgress& progress) = 0;
};

struct SupervisorOptions {
  // What the job's owner gives it to stop in; takes the place of the default grace of a request.
  std::optional<std::chrono::milliseconds> grace;
};

// One thread; the signals of `signals` and the children of the process are its own.
class Supervisor {
 public:
  // `say` writes one line for people. `client` is null if nobody can ask the command to stop. All
  // of it must outlive the supervisor.
  Supervisor(const Clock& clock, SignalQueue& signals, Command& command, SupervisorClient* client,
             SupervisorOptions options, std::function<void(const std::string&)> say);

  // Returns the command's wait status. Without a cancel it returns as soon as the command has
  // ended, whatever that has left in the background; after one, when nothing of the tree is left.
  // If SIGTERM or SIGKILL ended the command, a cancel may still arrive: it waits for that, 100 ms
  // at most.
  int Run();
  // "success", "failure" or "cancelled", after Run().
  std::string outcome() const;

 private:
  bool EndedByStopSignal() const;
  void WaitForLateRequest();
  void Wait();
  void OnSignals();
  void Forward(const signalfd_siginfo& info);
  void PassOn(const signalfd_siginfo& info);
  void Reap();
  void FollowStop(int signal);
  void OnStopRequest(const StopRequest& request);
  // What can be seen of the tree.
  std::vector<Process> ReadTree();
  void LookAtTree();
  std::chrono::milliseconds Grace(const StopRequest& request) const;

  const Clock& clock_;
  SignalQueue& signals_;
  Command& command_;
  SupervisorClient* const client_;
  const SupervisorOptions options_;
  const std::function<void(const std::string&)> say_;

  std::optional<int> status_;  // Of the command, once it has ended.
  bool late_request_ = false;  // A request to stop it came after that.
  bool stopped_ = false;
  bool continued_ = false;  // The next SIGCONT is the one by which we went on.
  bool childless_ = false;
  bool blind_ = false;           // There is no /proc, as was said.
  MonoTime rest_until_;          // A look that takes long is not repeated at once.
  bool asked_by_outer_ = false;  // The command has its SIGTERM from the `quell run` around us.
  std::optional<Sweep> sweep_;
  StopProgress progress_;
};

// Whether a signal that the wrapper got is to be passed on, so that the command sees what it would
// have seen in the wrapper's place. `leader`: the wrapper is its session's leader.
bool IsForCommand(const signalfd_siginfo& info, bool leader);

// Ends this process as `status` says: the same exit code, or death by the same signal (without a
// second core dump).
[[noreturn]] void EndAs(int status);

}  // namespace quell::process
