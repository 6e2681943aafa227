#include "cli/cancel_command.h"

#include <algorithm>
#include <map>
#include <thread>

#include "cli/duration.h"
#include "cli/exit_code.h"
#include "cli/table.h"
#include "cli/task_ref.h"
#include "host/system_clock.h"

namespace quell::cli {
namespace {

using std::chrono::milliseconds;

std::string Recorded(const TaskEntry& task) {
  std::string line = ShortId(task) + "  " + Plain(task.action) + "  cancel recorded";
  if (task.cancelled_millis) line += " at " + IsoTime(*task.cancelled_millis);
  return line + "\n";
}

int CodeOfCause(const std::string& type) {
  if (type == "resource_not_found_exception" || type == "no_such_node_exception") {
    return kNoSuchTask;
  }
  if (type == "illegal_argument_exception") return kFailed;
  return kPartial;
}

// An answer about one id: the task is in it, or the reason why not.
int ReportOne(const std::string& text, const Answer& answer, std::vector<TaskEntry>& recorded) {
  for (const TaskEntry& task : answer.tasks) {
    Print(Recorded(task));
    recorded.push_back(task);
  }
  int code = kOk;
  for (const FailureEntry& failure : answer.failures) {
    code = CodeOfCause(failure.type);
    std::string line = Plain(text) + ": " + Plain(failure.reason);
    if (!answer.operation.empty()) {
      line += "; the cancel is kept, and its node gets it when it is back (operation " +
              answer.operation + ")";
    }
    Complain(line);
  }
  if (answer.failures.empty() && answer.tasks.empty()) {
    Complain(Plain(text) + ": nothing was cancelled, it ended meanwhile");
    code = kNoSuchTask;
  }
  return code;
}

int CancelIds(const CancelArguments& arguments, const CoordinatorClient& client,
              std::vector<TaskEntry>& recorded) {
  const auto ids = ResolveAll(arguments.ids, client);
  if (!ids) {
    Complain("nothing was cancelled");
    return Fail(ids.error());
  }
  std::vector<int> codes;
  for (std::size_t i = 0; i < ids->size(); ++i) {
    const auto answer = client.Cancel((*ids)[i], arguments.terms);
    codes.push_back(answer ? ReportOne(arguments.ids[i], *answer, recorded) : Fail(answer.error()));
    if (codes.back() == kUnreachable) break;
  }
  return CombineExitCodes(codes);
}

int CancelSelection(const CancelArguments& arguments, const CoordinatorClient& client,
                    std::vector<TaskEntry>& recorded) {
  Selection selection = arguments.selection;
  if (!selection.parent.empty()) {
    const auto ids = ResolveAll({selection.parent}, client);
    if (!ids) return Fail(ids.error());
    selection.parent = ids->front();
  }
  if (arguments.all) selection.nodes = {"_all"};
  const auto answer = client.CancelMatching(selection, arguments.terms);
  if (!answer) return Fail(answer.error());
  for (const TaskEntry& task : answer->tasks) {
    Print(Recorded(task));
    recorded.push_back(task);
  }
  ComplainOfFailures(*answer);
  if (!answer->failures.empty() && !answer->operation.empty()) {
    Complain("the cancel is kept for silent nodes, they get it when they are back (operation " +
             answer->operation + ")");
  }
  const std::string coverage = CoverageText(answer->coverage);
  Complain(std::to_string(answer->tasks.size()) + (answer->tasks.size() == 1 ? " task" : " tasks") +
           " recorded as cancelled" + (coverage.empty() ? "" : "; " + coverage));
  return answer->failures.empty() ? kOk : kPartial;
}

// What a look at the task says: ended, not yet, or nobody can tell.
enum class Seen { kEnded, kRuns, kUnknown };

Seen Look(const CoordinatorClient& client, const std::string& id, std::string& why) {
  const auto one = client.Get(id);
  if (one) {
    why = "it still runs";
    if (one->receipt) why += " (" + one->receipt->state + ")";
    return one->ended ? Seen::kEnded : Seen::kRuns;
  }
  why = one.error().message;
  return one.error().code == ErrorCode::kNotFound ? Seen::kEnded : Seen::kUnknown;
}

int WaitForEnd(const CoordinatorClient& client, std::vector<TaskEntry> waiting,
               milliseconds timeout) {
  const SystemClock clock;
  const MonoTime start = clock.Now();
  milliseconds pause(50);
  std::map<std::string, std::string> last;
  for (;;) {
    std::erase_if(waiting, [&](const TaskEntry& task) {
      if (Look(client, task.id(), last[task.id()]) != Seen::kEnded) return false;
      Print(ShortId(task) + "  stopped after " + FormatAge(clock.Now() - start) + "\n");
      return true;
    });
    if (waiting.empty()) return kOk;
    const auto left = std::chrono::ceil<milliseconds>(start + timeout - clock.Now());
    if (left <= milliseconds(0)) break;
    std::this_thread::sleep_for(std::min(pause, left));
    pause = std::min(pause * 2, milliseconds(1000));
  }
  for (const TaskEntry& task : waiting) {
    Print(ShortId(task) + "  not stopped after " + FormatAge(timeout) + ": " +
          Plain(last[task.id()]) + "\n");
  }
  return kWaitTimedOut;
}

}  // namespace

int CombineExitCodes(const std::vector<int>& codes) {
  if (codes.empty()) return kOk;
  const bool same =
      std::all_of(codes.begin(), codes.end(), [&](int code) { return code == codes.front(); });
  return same ? codes.front() : kPartial;
}

int CancelCommand(const CancelArguments& arguments) {
  const Selection& selection = arguments.selection;
  const bool filtered =
      !selection.nodes.empty() || !selection.actions.empty() || !selection.parent.empty();
  const int ways = static_cast<int>(!arguments.ids.empty()) + static_cast<int>(filtered) +
                   static_cast<int>(arguments.all);
  if (ways != 1) {
    Complain(ways == 0
                 ? "nothing was cancelled: say which tasks, by ID (quell cancel NODE:NUMBER), "
                   "by --nodes, --actions or --parent, or --all; `quell ps` shows what runs"
                 : "nothing was cancelled: IDs, the filters (--nodes, --actions, --parent) "
                   "and --all do not go together");
    return kUsage;
  }
  const auto client = CoordinatorClient::Make(arguments.http);
  if (!client) return Fail(client.error());
  std::vector<TaskEntry> recorded;
  const int code = arguments.ids.empty() ? CancelSelection(arguments, *client, recorded)
                                         : CancelIds(arguments, *client, recorded);
  if (recorded.empty()) return code;
  if (!arguments.wait) {
    Complain(
        "recorded is not stopped: the tasks were told, `quell show ID` says how they end, "
        "--wait waits for it");
    return code;
  }
  const int waited = WaitForEnd(*client, std::move(recorded), arguments.wait_timeout);
  return code == kOk ? waited : code;
}

}  // namespace quell::cli
