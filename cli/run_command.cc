#include "cli/run_command.h"

#include <algorithm>
#include <climits>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <malloc.h>
#include <memory>
#include <new>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/exit_code.h"
#include "cli/run/tracker.h"
#include "cli/shell_quote.h"
#include "cli/terminal_text.h"
#include "core/limits.h"
#include "core/utf8.h"
#include "host/file.h"
#include "host/process/command.h"
#include "host/process/signal_queue.h"
#include "host/process/supervisor.h"
#include "host/system_clock.h"
#include "transport/http/client.h"

namespace quell::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStartBudget{250};    // So long the command waits for its registration...
constexpr milliseconds kFinishBudget{1000};  // ...and the wrapper for the node to hear of the end.

// Cut between characters, not inside one.
std::string CutUtf8(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;
  text.resize(end);
  return text;
}

void Say(const std::string& text) {
  const std::string line = CutUtf8(TerminalText("quell: " + text), PIPE_BUF - 8) + "\n";
  // One that nobody reads must hold up neither a signal nor a cancel. What fits into PIPE_BUF fits
  // where poll() says that there is room.
  pollfd file{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&file, 1, 0) != 1 || (file.revents & POLLOUT) == 0) return;
  (void)!::write(STDERR_FILENO, line.data(), line.size());
}

// A lock that this process holds as a process (fcntl(2)), for the command; it ends when any
// descriptor of the file is closed.
bool HoldsLock(int fd) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return ::fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0;
}

// The wrapper must not hold what is the job's: who reads its pipe, or connects to its socket, waits
// for the last one that has it open; a directory in use cannot be unmounted. Standard error stays,
// to be written to. What is closed by exec is the wrapper's own.
void LetGoOfInherited() {
  constexpr rlim_t kFilesMax = 65'536;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const FileDescriptor nothing = OpenNothing();
  for (int fd = 0; fd < static_cast<int>(std::min(limit.rlim_cur, kFilesMax)); ++fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (fd == STDERR_FILENO || flags < 0 || (flags & FD_CLOEXEC) != 0 || HoldsLock(fd)) continue;
    if (fd > STDERR_FILENO) {
      ::close(fd);
    } else if (nothing) {
      ::dup3(nothing.get(), fd, O_CLOEXEC);
    }
  }
  (void)!::chdir("/");
}

struct LocalApiAccess {
  std::string path;
  bool named = false;  // By a flag or the environment: then silence would be wrong.
};

// Whether it says what is not as it was asked for.
bool MaySpeak(const LocalApiAccess& api) {
  return api.named || ::isatty(STDERR_FILENO) == 1;
}

LocalApiAccess FindLocalApi(const RunArguments& arguments, const Environment& environment) {
  LocalApiAccess api;
  api.named = true;
  if (!arguments.socket.empty()) {
    api.path = arguments.socket;
  } else if (environment.socket) {
    api.path = *environment.socket;
  } else {
    api.path = kDefaultSocket;
    api.named = false;
  }
  std::error_code error;
  const auto absolute = std::filesystem::absolute(api.path, error);
  if (!error) api.path = absolute.string();
  return api;
}

JobTask MakeTask(const RunArguments& arguments, const Environment& environment) {
  JobTask task;
  task.action =
      arguments.action.empty() ? DefaultAction(arguments.command.front()) : arguments.action;
  task.description =
      arguments.description.empty() ? DefaultDescription(arguments.command) : arguments.description;
  if (!arguments.parent.empty()) {
    task.parent = arguments.parent;
  } else if (environment.task_id && TaskId::Parse(*environment.task_id)) {
    task.parent = *environment.task_id;
    task.ancestors = environment.ancestors;
  }
  return task;
}

std::string Joined(const std::vector<std::string>& ids) {
  std::string text;
  for (const std::string& id : ids)
    text += (text.empty() ? "" : ",") + id;
  return text;
}

// The task was cancelled before its command was let go: it never runs.
[[noreturn]] void EndUnstarted(const process::Command& command, Tracker& tracker,
                               const JobCancel& cancel) {
  Say("cancelled by " + cancel.by + " before it started" +
      (cancel.reason.empty() ? "" : ": " + cancel.reason));
  ::kill(command.pid(), SIGKILL);
  int status = 0;
  ::waitpid(command.pid(), &status, 0);
  tracker.Finish("cancelled", kFinishBudget);
  process::EndAs(
      SIGTERM);  // A wait status: died by SIGTERM, as a job that is cancelled while it runs.
}

}  // namespace

std::string DefaultAction(const std::string& program) {
  const std::string name = program.substr(program.rfind('/') + 1);
  const std::string action = "run/" + (name.empty() ? program : name);
  return CutUtf8(WithoutControlCharacters(action), limits::kActionMax);
}

std::string DefaultDescription(const std::vector<std::string>& command) {
  return CutUtf8(ToUtf8(ShellJoin(command)), limits::kDescriptionMax);
}

namespace {

// The job as its node knows it, and what the command is told of that.
struct Job {
  std::unique_ptr<Tracker> tracker;  // Null: it is not tracked.
  std::vector<std::string> environment;
};

// The node can ask for a stop, and is told what becomes of it.
class TrackedJob final : public process::SupervisorClient {
 public:
  explicit TrackedJob(Tracker& tracker) : tracker_(tracker) {}

  int fd() const override { return tracker_.fd(); }
  std::optional<process::StopRequest> TakeRequest() override {
    auto cancel = tracker_.TakeCancel();
    if (!cancel) return std::nullopt;
    return process::StopRequest{std::move(cancel->by), std::move(cancel->reason), cancel->grace};
  }
  void Report(const process::StopProgress& progress) override {
    tracker_.Report({progress.stopping, progress.killed, progress.ignoring});
  }

 private:
  Tracker& tracker_;
};

// Registers the command; waits for that no longer than kStartBudget.
Job Register(const RunArguments& arguments, const Environment& environment,
             const LocalApiAccess& api, const process::Command& command, JobTask task) {
  Job job;
  job.environment.push_back("QUELL_SOCKET=" + api.path);
  std::optional<JobSession> session;
  std::string problem;
  const auto address = http::Address::Parse("unix:" + api.path);
  if (!address) {
    problem = address.error().message;
  } else if (auto started = Tracker::Start(*address, std::move(task), !arguments.parent.empty())) {
    job.tracker = std::move(*started);
    session = job.tracker->WaitForTask(kStartBudget);
    const auto failure = job.tracker->failure();
    problem = failure ? failure->message : "the node at " + api.path + " does not answer";
  } else {
    problem = started.error().message;
  }
  if (!session) {
    if (!MaySpeak(api)) return job;
    Say(std::string("not tracked") + (job.tracker ? " yet" : "") +
        ", the command runs all the same: " + problem);
    return job;
  }
  job.environment.push_back("QUELL_TASK_ID=" + session->task);
  // An outer task's chain must not pass for this one's.
  if (!session->ancestors.empty() || !environment.ancestors.empty()) {
    job.environment.push_back("QUELL_ANCESTORS=" + Joined(session->ancestors));
  }
  if (const auto cancel = job.tracker->TakeCancel()) EndUnstarted(command, *job.tracker, *cancel);
  return job;
}

// No process, or no file, can be had for a wrapper: the command takes its place.
[[noreturn]] void RunUnwrapped(const RunArguments& arguments, const LocalApiAccess& api,
                               const process::Inherited& inherited, const std::string& why) {
  if (MaySpeak(api)) Say("not tracked, the command runs all the same: " + why);
  std::vector<char*> argv;
  for (const std::string& argument : arguments.command)
    argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  inherited.Restore();
  process::ExecuteInPlace(argv.data(), inherited.mask());
}

}  // namespace

int RunCommand(const RunArguments& arguments, const Environment& environment) {
  ::mallopt(M_ARENA_MAX, 1);  // Each thread's own would reserve 64 MB of address space.
  const SystemClock clock;
  const LocalApiAccess api = FindLocalApi(arguments, environment);
  JobTask task = MakeTask(arguments, environment);

  process::SignalQueue signals{process::EverySignal{}};
  const process::Inherited inherited(signals.old_mask());
  if (signals.fd() < 0) RunUnwrapped(arguments, api, inherited, "no room for its open files");
  auto command = process::Command::Fork(arguments.command, inherited);
  if (!command) RunUnwrapped(arguments, api, inherited, command.error().message);
  // From here on there is a child, which waits: whatever fails, it is let go.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  LetGoOfInherited();
  Job job;
  try {
    task.pid = command->pid();
    task.start_millis = MillisSinceEpoch(clock.Wall());
    task.start_boot = clock.Boot();
    job = Register(arguments, environment, api, *command, std::move(task));
  } catch (const std::bad_alloc&) {  // Then it runs as it is.
  }
  command->Release(job.environment);
  std::optional<TrackedJob> tracked;
  if (job.tracker) tracked.emplace(*job.tracker);
  process::Supervisor supervisor(clock, signals, *command, tracked ? &*tracked : nullptr,
                                 {arguments.grace}, Say);
  const int status = supervisor.Run();
  try {
    if (job.tracker) job.tracker->Finish(supervisor.outcome(), kFinishBudget);
  } catch (const std::bad_alloc&) {  // The node sees that the process has ended.
  }
  process::EndAs(status);
}

}  // namespace quell::cli
