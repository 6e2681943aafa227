#include "cli/run/supervisor.h"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "cli/run/process_table.h"
#include "core/limits.h"

namespace quell::cli {
namespace {

using std::chrono::milliseconds;

// Whether the shell that started us waits for us in the foreground of its terminal.
bool InForeground() {
  const int terminal = ::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (terminal < 0) return false;
  const bool foreground = ::tcgetpgrp(terminal) == ::getpgrp();
  ::close(terminal);
  return foreground;
}

bool EndsCommand(int signal) {
  return signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT;
}

// Takes the default action of a signal that this thread has blocked.
void TakeSignal(int signal) {
  sigset_t one;
  sigset_t old;
  sigemptyset(&one);
  sigaddset(&one, signal);
  ::raise(signal);
  ::pthread_sigmask(SIG_UNBLOCK, &one, &old);
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

}  // namespace

Supervisor::Supervisor(const Clock& clock, SignalQueue& signals, Command& command, Tracker* tracker,
                       SupervisorOptions options, std::function<void(const std::string&)> say)
    : clock_(clock),
      signals_(signals),
      command_(command),
      tracker_(tracker),
      options_(options),
      say_(std::move(say)) {}

int Supervisor::Run() {
  Reap();
  while (!status_ || (sweep_ && !childless_)) {
    Wait();
    OnSignals();
    if (tracker_ != nullptr) {
      if (const auto cancel = tracker_->TakeCancel()) OnCancel(*cancel);
    }
    if (sweep_ && !childless_) LookAtTree();
  }
  return *status_;
}

std::string Supervisor::outcome() const {
  // Exit code 0 is the command's own word that it did its work, whatever it was told meanwhile.
  if (WIFEXITED(*status_) && WEXITSTATUS(*status_) == 0) return "success";
  return sweep_ ? "cancelled" : "failure";
}

void Supervisor::Wait() {
  pollfd files[] = {{signals_.fd(), POLLIN, 0}, {tracker_ ? tracker_->fd() : -1, POLLIN, 0}};
  int timeout = -1;
  if (sweep_) {
    const auto left = std::chrono::ceil<milliseconds>(sweep_->next() - clock_.Now());
    timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
  }
  ::poll(files, 2, timeout);
}

void Supervisor::OnSignals() {
  Reap();  // Whether the command is stopped decides what some signals mean.
  bool reap = false;
  while (const auto info = signals_.Take()) {
    if (static_cast<int>(info->ssi_signo) == SIGCHLD) {
      reap = true;
    } else {
      Forward(*info);
    }
  }
  if (reap) Reap();
}

void Supervisor::Forward(const signalfd_siginfo& info) {
  const int signal = static_cast<int>(info.ssi_signo);
  if (status_) {
    // Only a cancel keeps us here: somebody does not want to wait for the grace.
    if (sweep_ && EndsCommand(signal)) sweep_->ShortenGrace(clock_.Now(), milliseconds(0));
    return;
  }
  if (FromKernel(info)) return;
  const auto sender = static_cast<pid_t>(info.ssi_pid);
  switch (signal) {
    case SIGTSTP:
      // An editor stops its whole group by itself, us included: then it has it already.
      if (stopped_ || sender == command_.pid()) return;
      break;
    case SIGTTIN:
    case SIGTTOU:
      return;
    case SIGCONT:
      if (!stopped_) return;  // `fg` continues the whole group: it has it already.
      break;
    case SIGTERM:
      if (sweep_) return;  // It has had one, and the grace is running.
      asked_by_outer_ = IsWrapper(sender);
      break;
    default:
      break;
  }
  ::kill(command_.pid(), signal);  // Our own child, not yet waited for: the pid is still its own.
}

void Supervisor::Reap() {
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED);
    if (pid == 0) return;
    if (pid < 0) {
      childless_ = true;
      return;
    }
    if (pid != command_.pid()) continue;  // A descendant that detached itself and was handed to us.
    if (WIFSTOPPED(status)) {
      stopped_ = true;
      FollowStop(WSTOPSIG(status));
    } else if (WIFCONTINUED(status)) {
      stopped_ = false;
    } else {
      status_ = status;
      if (sweep_) sweep_->CommandEnded();
    }
  }
}

// The shell watches us, not the command: when that stops, we must, for the prompt to come back. Not
// during a cancel, which has just continued it.
void Supervisor::FollowStop(int signal) {
  if (sweep_) return;
  if (signal == SIGSTOP) {
    if (!InForeground()) return;  // Somebody froze the command alone.
    ::kill(::getpid(), SIGSTOP);
  } else {
    TakeSignal(signal);  // In an orphaned process group the kernel ignores it, as it should.
  }
  // The SIGCONT by which we go on waits in the queue, and is passed on if the command needs it.
}

milliseconds Supervisor::Grace(const JobCancel& cancel) const {
  if (options_.grace && cancel.grace == limits::kGraceDefault) return *options_.grace;
  return cancel.grace;
}

void Supervisor::OnCancel(const JobCancel& cancel) {
  if (status_ && !sweep_) return;
  if (sweep_) {
    sweep_->ShortenGrace(clock_.Now(), Grace(cancel));
    return;
  }
  sweep_.emplace(clock_.Now(), Grace(cancel));
  say_("cancelled by " + cancel.by + (cancel.reason.empty() ? "" : ": " + cancel.reason));
  report_.stopping = true;
  tracker_->Report(report_);
}

void Supervisor::LookAtTree() {
  const MonoTime now = clock_.Now();
  const std::vector<Process> tree = ReadOwnTree();
  if (std::exchange(asked_by_outer_, false)) {
    for (const Process& process : tree) {
      if (process.stat.pid == command_.pid()) sweep_->AlreadyAsked(process);
    }
  }
  for (const Sweep::Action& action : sweep_->Decide(now, tree)) {
    const Status sent = SendSignal(action.process, action.signal);
    if (!sent && sent.error().code == ErrorCode::kPermissionDenied) {
      sweep_->Refused(action.process, sent.error().message);
    }
  }
  JobReport next = report_;
  next.killed = sweep_->killed();
  const std::string stubborn = sweep_->Stubborn(now, tree);
  if (!stubborn.empty()) next.ignoring = stubborn;
  if (next.ignoring != report_.ignoring) say_("still running after the cancel: " + next.ignoring);
  if (next.killed != report_.killed || next.ignoring != report_.ignoring) {
    report_ = next;
    tracker_->Report(report_);
  }
}

void EndAs(int status) {
  if (WIFEXITED(status)) ::_exit(WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
  ::signal(signal, SIG_DFL);
  TakeSignal(signal);
  ::_exit(128 + signal);
}

}  // namespace quell::cli
