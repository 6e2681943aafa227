#include "host/process/supervisor.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "core/limits.h"
#include "host/process/process_table.h"

namespace quell::process {
namespace {

using std::chrono::milliseconds;

constexpr int kLostStatus = 125;        // Somebody else has waited for the command.
constexpr int kOutOfMemoryPause = 100;  // Milliseconds.
constexpr int kLateRequest = 100;       // Milliseconds.

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

// Takes the default action of a signal, and of no other. All are blocked before and after. Not by
// way of the C library's sets, which cannot hold each signal.
void TakeSignal(int signal) {
  // In the kernel's own form, which has no name here, the default action is all zeros.
  constexpr std::array<std::uint64_t, 4> kDefault{};
  ::syscall(SYS_rt_sigaction, signal, kDefault.data(), nullptr, sizeof(std::uint64_t));
  sigset_t others = EverySignalSet();
  const std::uint64_t mask = ~(std::uint64_t{1} << (signal - 1));
  std::memcpy(&others, &mask, sizeof mask);
  ::kill(::getpid(), signal);
  SetSignalMask(others);
  SetSignalMask(EverySignalSet());
}

}  // namespace

Supervisor::Supervisor(const Clock& clock, SignalQueue& signals, Command& command,
                       SupervisorClient* client, SupervisorOptions options,
                       std::function<void(const std::string&)> say)
    : clock_(clock),
      signals_(signals),
      command_(command),
      client_(client),
      options_(options),
      say_(std::move(say)) {}

int Supervisor::Run() {
  Reap();
  while (!status_ || (sweep_ && !childless_)) {
    try {
      Wait();
      OnSignals();
      if (client_ != nullptr) {
        if (const auto request = client_->TakeRequest()) OnStopRequest(*request);
      }
      if (sweep_ && !childless_ && clock_.Now() >= rest_until_) LookAtTree();
    } catch (const std::bad_alloc&) {
      // Whatever it was for, the command comes first: its signals and its end take no memory.
      ::poll(nullptr, 0, kOutOfMemoryPause);
    }
  }
  if (EndedByStopSignal() && !sweep_) WaitForLateRequest();
  return *status_;
}

std::string Supervisor::outcome() const {
  // Exit code 0 is the command's own word that it did its work, whatever it was told meanwhile.
  if (WIFEXITED(*status_) && WEXITSTATUS(*status_) == 0) return "success";
  return sweep_ || (late_request_ && EndedByStopSignal()) ? "cancelled" : "failure";
}

bool Supervisor::EndedByStopSignal() const {
  return WIFSIGNALED(*status_) && (WTERMSIG(*status_) == SIGTERM || WTERMSIG(*status_) == SIGKILL);
}

// A cancel of an outer task ends this command with the rest of that task's processes: then the word
// of its own cancel may still be on its way here.
void Supervisor::WaitForLateRequest() {
  if (client_ == nullptr || late_request_) return;
  pollfd news{client_->fd(), POLLIN, 0};
  ::poll(&news, 1, kLateRequest);
  late_request_ = client_->TakeRequest().has_value();
}

void Supervisor::Wait() {
  pollfd files[] = {{signals_.fd(), POLLIN, 0}, {client_ ? client_->fd() : -1, POLLIN, 0}};
  int timeout = -1;
  if (sweep_) {
    const MonoTime next = std::max(sweep_->next(), rest_until_);
    const auto left = std::chrono::ceil<milliseconds>(next - clock_.Now());
    timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
  }
  ::poll(files, 2, timeout);
}

void Supervisor::OnSignals() {
  Reap();  // Whether the command is stopped decides what some signals mean.
  bool reap = false;
  while (const auto info = signals_.Take()) {
    // One that somebody sends may hide one of the kernel's.
    reap |= static_cast<int>(info->ssi_signo) == SIGCHLD;
    Forward(*info);
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
  if (!IsForCommand(info, ::getsid(0) == ::getpid())) return;
  const auto sender = static_cast<pid_t>(info.ssi_pid);
  switch (signal) {
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
      // Editors and shells stop their whole group by themselves, us included: they have it already.
      if (stopped_ || sender == command_.pid()) return;
      break;
    case SIGCONT:
      // What has continued us was for the whole group: the command has it already, if it goes on.
      if (std::exchange(continued_, false) && !stopped_) return;
      break;
    case SIGTERM:
      if (sweep_) return;  // It has had one, and the grace is running.
      asked_by_outer_ = ProcIsOwn() && IsWrapper(sender);
      break;
    default:
      break;
  }
  PassOn(info);
}

void Supervisor::PassOn(const signalfd_siginfo& info) {
  const pid_t pid = command_.pid();  // Our own child, not yet waited for: the pid is still its own.
  const int signal = static_cast<int>(info.ssi_signo);
  siginfo_t copy{};
  copy.si_signo = signal;
  copy.si_code = SI_QUEUE;
  copy.si_pid = static_cast<pid_t>(info.ssi_pid);
  copy.si_uid = info.ssi_uid;
  std::memcpy(&copy.si_value, &info.ssi_ptr, sizeof copy.si_value);
  // With the value that came with it; the kernel lets us repeat nothing else.
  if (info.ssi_code == SI_QUEUE && ::syscall(SYS_rt_sigqueueinfo, pid, signal, &copy) == 0) return;
  ::kill(pid, signal);
}

void Supervisor::Reap() {
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED);
    if (pid == 0) return;
    if (pid < 0) {
      childless_ = true;
      if (!status_) status_ = kLostStatus << 8;
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
  // There is none if we were not stopped.
  sigset_t waiting;
  ::sigpending(&waiting);
  continued_ = sigismember(&waiting, SIGCONT) == 1;
}

milliseconds Supervisor::Grace(const StopRequest& request) const {
  if (options_.grace && request.grace == limits::kGraceDefault) return *options_.grace;
  return request.grace;
}

void Supervisor::OnStopRequest(const StopRequest& request) {
  if (status_ && !sweep_) {
    late_request_ = true;
    return;
  }
  if (sweep_) {
    sweep_->ShortenGrace(clock_.Now(), Grace(request));
    return;
  }
  sweep_.emplace(clock_.Now(), Grace(request));
  say_("cancelled by " + request.by + (request.reason.empty() ? "" : ": " + request.reason));
  progress_.stopping = true;
  client_->Report(progress_);
}

std::vector<Process> Supervisor::ReadTree() {
  auto seen = ReadOwnTree();
  if (!seen && !std::exchange(blind_, true)) {
    say_(
        "without a /proc of this pid namespace only the command is asked to stop; what it started "
        "is "
        "found, and stopped, when its parent has ended");
  }
  std::vector<Process> tree;
  if (seen) {
    tree = std::move(*seen);
  } else if (status_ || sweep_->forcing(clock_.Now())) {
    tree = FindOwnChildren();
  }
  // /proc may hide a command of another user.
  const bool missing = std::none_of(tree.begin(), tree.end(), [this](const Process& process) {
    return process.stat.pid == command_.pid();
  });
  if (missing && !status_) tree.insert(tree.begin(), OwnChild(command_.pid()));
  return tree;
}

void Supervisor::LookAtTree() {
  const MonoTime start = clock_.Now();
  const std::vector<Process> tree = ReadTree();
  const MonoTime now = clock_.Now();
  rest_until_ = now + (now - start);
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
  StopProgress next = progress_;
  next.killed = sweep_->killed();
  const std::string stubborn = sweep_->Stubborn(now, tree);
  if (!stubborn.empty()) next.ignoring = stubborn;
  if (next.ignoring != progress_.ignoring) say_("still running after the cancel: " + next.ignoring);
  if (next.killed != progress_.killed || next.ignoring != progress_.ignoring) {
    progress_ = next;
    client_->Report(progress_);
  }
}

bool IsForCommand(const signalfd_siginfo& info, bool leader) {
  const int signal = static_cast<int>(info.ssi_signo);
  if (!FromKernel(info)) {
    // The kernel signs what our own writes raise with our own pid.
    const bool own = static_cast<pid_t>(info.ssi_pid) == ::getpid();
    return !(own && (signal == SIGPIPE || signal == SIGXFSZ));
  }
  switch (signal) {
    case SIGHUP:
    case SIGCONT:
      // A terminal that goes away tells the leader of its session alone; else it is for the group.
      return leader;
    case SIGINT:
    case SIGQUIT:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGWINCH:
      return false;  // From the terminal: the whole foreground group has it.
    case SIGCHLD:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGPIPE:
      return false;  // About us.
    default:
      return true;  // A timer or a file that was set up by whoever started us.
  }
}

void EndAs(int status) {
  if (WIFEXITED(status)) ::_exit(WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
  TakeSignal(signal);
  ::_exit(128 + signal);
}

}  // namespace quell::process
