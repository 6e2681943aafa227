#include "cli/wait_for_ends.h"

#include <algorithm>
#include <map>
#include <thread>

#include "cli/duration.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/terminal_text.h"
#include "core/limits.h"
#include "host/system_clock.h"

namespace quell::cli {
namespace {

using std::chrono::milliseconds;

// One request waits no longer, so that what has ended is printed while the rest runs on.
constexpr milliseconds kRound{5000};

// From the record of the cancel to the end, by the clock of the task's node; empty: not known.
std::string After(const OneTask& one) {
  if (!one.receipt || !one.receipt->recorded || !one.receipt->ended) return {};
  return " after " + FormatAge(milliseconds(*one.receipt->ended - *one.receipt->recorded));
}

std::string RunningText(const OneTask& one) {
  if (!one.receipt) return "still runs";
  const ReceiptEntry& receipt = *one.receipt;
  return "still runs (" + receipt.state + (receipt.note.empty() ? "" : ": " + receipt.note) + ")";
}

std::vector<std::string> Ids(const std::vector<TaskToAwait>& tasks, std::size_t begin,
                             std::size_t end) {
  std::vector<std::string> ids;
  for (std::size_t i = begin; i < end; ++i)
    ids.push_back(tasks[i].id);
  return ids;
}

// The question itself is wrong or not allowed: to repeat it helps nobody.
bool IsRefusal(ErrorCode code) {
  return code == ErrorCode::kInvalidArgument || code == ErrorCode::kPermissionDenied ||
         code == ErrorCode::kNotFound;
}

// The tasks that are waited for, and what is known of them so far.
class Waiting {
 public:
  Waiting(const CoordinatorClient& client, std::vector<TaskToAwait> tasks)
      : client_(client), tasks_(std::move(tasks)) {}

  // Nothing is left that a later answer could tell.
  bool over() const { return tasks_.empty() || refused_; }

  // One request for each limits::kAwaitIdsMax tasks; of the time until `deadline`.
  void Ask(const Clock& clock, MonoTime deadline) {
    const MonoTime round_end = std::min(deadline, clock.Now() + kRound);
    for (std::size_t begin = 0; begin < tasks_.size(); begin += limits::kAwaitIdsMax) {
      const std::size_t end = std::min(tasks_.size(), begin + limits::kAwaitIdsMax);
      const auto left = std::chrono::floor<milliseconds>(round_end - clock.Now());
      auto seen = client_.Wait(Ids(tasks_, begin, end), std::max(left, milliseconds(0)));
      for (std::size_t i = begin; !seen && i < end; ++i) {
        WaitedTask silent;
        silent.id = tasks_[i].id;
        silent.reason = seen.error().message;
        last_[tasks_[i].id] = std::move(silent);
      }
      if (!seen) {
        refused_ = IsRefusal(seen.error().code);
        break;
      }
      for (WaitedTask& task : *seen) {
        const std::string id = task.id;
        last_[id] = std::move(task);
      }
    }
    std::erase_if(tasks_, [this](const TaskToAwait& task) {
      const WaitedTask& seen = last_[task.id];
      if (seen.result != WaitedTask::Result::kEnded && !seen.final_unknown()) return false;
      Report(task, seen);
      return true;
    });
  }

  void ReportRest() {
    for (const TaskToAwait& task : tasks_)
      Report(task, last_[task.id]);
  }

  int exit_code() const { return unknown_ ? kPartial : running_ ? kWaitTimedOut : kOk; }

 private:
  void Report(const TaskToAwait& task, const WaitedTask& seen) {
    const End end = EndOf(seen);
    unknown_ = unknown_ || end == End::kUnknown || end == End::kLost;
    running_ = running_ || end == End::kRunning;
    Print(TerminalLine(task.name) + "  " + TerminalLine(EndText(seen)) + "\n");
  }

  const CoordinatorClient& client_;
  std::vector<TaskToAwait> tasks_;
  std::map<std::string, WaitedTask> last_;
  bool unknown_ = false;
  bool running_ = false;
  bool refused_ = false;
};

}  // namespace

End EndOf(const WaitedTask& task) {
  if (task.result == WaitedTask::Result::kUnknown) return End::kUnknown;
  if (task.result == WaitedTask::Result::kRunning) return End::kRunning;
  const std::string& state = task.one.task.state;
  if (state == "cancelled") {
    return task.one.receipt && task.one.receipt->escalated ? End::kKilled : End::kStopped;
  }
  if (state == "succeeded") return End::kByItself;
  if (state == "lost") return End::kLost;
  return state == "failed" || state == "expired" || state == "rejected" ? End::kFailed
                                                                        : End::kUnknown;
}

std::string EndText(const WaitedTask& task) {
  const OneTask& one = task.one;
  switch (EndOf(task)) {
    case End::kStopped:
      return "stopped" + After(one);
    case End::kKilled:
      return "killed" + After(one);
    case End::kByItself:
      return "ended by itself" + After(one) + ": succeeded";
    case End::kFailed:
      return one.task.state + After(one);
    case End::kLost:
      return "lost: its program went away without a report; whether the work has stopped is "
             "unknown";
    case End::kRunning:
      return RunningText(one);
    case End::kUnknown:
      break;
  }
  const std::string node = task.node_name.empty() ? "" : "node " + task.node_name + ": ";
  return "unknown: " + node + (task.reason.empty() ? "no answer" : task.reason);
}

int WaitForEnds(const CoordinatorClient& client, std::vector<TaskToAwait> tasks,
                milliseconds timeout) {
  const SystemClock clock;
  const MonoTime deadline = clock.Now() + timeout;
  Waiting waiting(client, std::move(tasks));
  milliseconds pause(50);
  for (;;) {
    const MonoTime began = clock.Now();
    waiting.Ask(clock, deadline);
    const MonoTime now = clock.Now();
    if (waiting.over() || now >= deadline) break;
    // A node that is away, or a coordinator, is not asked without a rest.
    if (now - began < pause) {
      std::this_thread::sleep_for(std::min<MonoClock::duration>(pause, deadline - now));
      pause = std::min(pause * 2, milliseconds(1000));
    }
  }
  waiting.ReportRest();
  return waiting.exit_code();
}

}  // namespace quell::cli
