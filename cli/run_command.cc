#include "cli/run_command.h"

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <memory>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/exit_code.h"
#include "cli/run/command.h"
#include "cli/run/supervisor.h"
#include "cli/run/tracker.h"
#include "cli/shell_quote.h"
#include "cli/signal_queue.h"
#include "core/limits.h"
#include "host/system_clock.h"
#include "transport/http/client.h"

namespace quell::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStartBudget{250};    // So long the command waits for its registration...
constexpr milliseconds kFinishBudget{1000};  // ...and the wrapper for the node to hear of the end.

void Say(const std::string& text) {
  const std::string line = "quell: " + text + "\n";
  (void)!::write(STDERR_FILENO, line.data(), line.size());
}

// Cut between characters, not inside one.
std::string CutUtf8(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;
  text.resize(end);
  return text;
}

// The wrapper must not hold the job's pipes open: who reads them waits for the last writer.
void LetGoOfStandardStreams() {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return;
  ::dup2(null, STDIN_FILENO);
  ::dup2(null, STDOUT_FILENO);
  if (null > STDERR_FILENO) ::close(null);
}

struct Door {
  std::string path;
  bool named = false;  // By a flag or the environment: then silence would be wrong.
};

Door FindDoor(const RunArguments& arguments, const Environment& environment) {
  Door door;
  door.named = true;
  if (!arguments.socket.empty()) {
    door.path = arguments.socket;
  } else if (environment.socket) {
    door.path = *environment.socket;
  } else {
    door.path = kDefaultSocket;
    door.named = false;
  }
  std::error_code error;
  const auto absolute = std::filesystem::absolute(door.path, error);
  if (!error) door.path = absolute.string();
  return door;
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
[[noreturn]] void EndUnstarted(const Command& command, Tracker& tracker, const JobCancel& cancel) {
  Say("cancelled by " + cancel.by + " before it started" +
      (cancel.reason.empty() ? "" : ": " + cancel.reason));
  ::kill(command.pid(), SIGKILL);
  int status = 0;
  ::waitpid(command.pid(), &status, 0);
  tracker.Finish("cancelled", kFinishBudget);
  EndAs(SIGTERM);  // A wait status: died by SIGTERM, as a job that is cancelled while it runs.
}

void ExplainExecError(const Command& command, const std::string& program) {
  if (const int error = command.ExecError()) Say(program + ": " + std::strerror(error));
}

}  // namespace

std::string DefaultAction(const std::string& program) {
  const std::string name = program.substr(program.rfind('/') + 1);
  return CutUtf8("run/" + (name.empty() ? program : name), limits::kActionMax);
}

std::string DefaultDescription(const std::vector<std::string>& command) {
  return CutUtf8(ShellJoin(command), limits::kDescriptionMax);
}

int RunCommand(const RunArguments& arguments, const Environment& environment) {
  const SystemClock clock;
  const Door door = FindDoor(arguments, environment);
  JobTask task = MakeTask(arguments, environment);

  SignalQueue signals({SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH,
                       SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU});
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  auto command = Command::Fork(arguments.command, signals.old_mask());
  if (!command) {
    Say(command.error().message);
    return kRunFailed;
  }
  ::signal(SIGCHLD, SIG_DFL);  // Ignored, it would hide how the command ends.
  LetGoOfStandardStreams();
  task.pid = command->pid();
  task.start_millis = MillisSinceEpoch(clock.Wall());
  task.start_boot = clock.Boot();

  std::map<std::string, std::string> exported{{"QUELL_SOCKET", door.path}};
  std::unique_ptr<Tracker> tracker;
  std::optional<JobSession> session;
  std::string problem;
  if (auto address = http::Address::Parse("unix:" + door.path)) {
    tracker = std::make_unique<Tracker>(*address, task, !arguments.parent.empty());
    session = tracker->WaitForTask(kStartBudget);
    if (!session) {
      const auto failure = tracker->failure();
      problem = failure ? failure->message : "the node at " + door.path + " does not answer";
    }
  } else {
    problem = address.error().message;
  }
  if (session) {
    exported["QUELL_TASK_ID"] = session->task;
    // An outer task's chain must not pass for this one's.
    if (!session->ancestors.empty() || !environment.ancestors.empty()) {
      exported["QUELL_ANCESTORS"] = Joined(session->ancestors);
    }
    if (const auto cancel = tracker->TakeCancel()) EndUnstarted(*command, *tracker, *cancel);
  } else if (door.named || ::isatty(STDERR_FILENO) == 1) {
    Say("not tracked yet, the command runs all the same: " + problem);
  }

  command->Release(exported);
  Supervisor supervisor(clock, signals, *command, tracker.get(), {arguments.grace}, Say);
  const int status = supervisor.Run();
  ExplainExecError(*command, arguments.command.front());
  if (tracker) tracker->Finish(supervisor.outcome(), kFinishBudget);
  EndAs(status);
}

}  // namespace quell::cli
