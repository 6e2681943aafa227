#include "cli/cancel_command.h"

#include <algorithm>
#include <map>
#include <optional>

#include "cli/duration.h"
#include "cli/exit_code.h"
#include "cli/table.h"
#include "cli/task_ref.h"
#include "cli/terminal_text.h"
#include "cli/wait_for_ends.h"
#include "core/limits.h"
#include "core/utc_time.h"

namespace quell::cli {
namespace {

using std::chrono::milliseconds;

// A task for which a cancel is durable: its node has recorded it, or will once it is back.
struct Cancelled {
  TaskToAwait task;
  std::string action;
  std::optional<std::int64_t> recorded;  // By its node, in milliseconds since 1970.
  std::string operation;
  bool known = false;    // The same cancel had been recorded before.
  bool pending = false;  // Its node is away.
};

int CodeOfCause(const std::string& cause) {
  if (cause == "task_not_found" || cause == "no_such_node") return kNoSuchTask;
  if (cause == "refused" || cause == "task_ended") return kFailed;
  return kPartial;
}

void Add(const Answer& answer, std::vector<Cancelled>& cancelled) {
  for (const TaskEntry& task : answer.tasks) {
    cancelled.push_back({{task.id(), ShortId(task)},
                         task.action,
                         task.cancelled_millis,
                         answer.operation,
                         answer.known});
  }
}

// How and when a task ended that could not be cancelled. Empty: it is not known to have ended.
std::string EndedText(const CoordinatorClient& client, const std::string& id) {
  const auto one = client.Get(id);
  if (!one || !one->ended) return {};
  std::string text = "nothing was cancelled, it has ended: " + one->task.state;
  if (one->task.ended_millis) text += " at " + IsoTime(*one->task.ended_millis);
  return text;
}

// An answer about one id without its task: why.
int ReportFailure(const CancelArguments& arguments, const CoordinatorClient& client,
                  const TaskToAwait& task, const Answer& answer,
                  std::vector<Cancelled>& cancelled) {
  const FailureEntry failure = answer.failures.empty()
                                   ? FailureEntry{{}, "task_ended", "it has ended"}
                                   : answer.failures.front();
  const int code = CodeOfCause(failure.cause);
  if (code != kPartial) {
    const std::string ended = EndedText(client, task.id);
    Complain(task.name + ": " + (ended.empty() ? TerminalLine(failure.reason) : ended));
    return ended.empty() ? code : static_cast<int>(kFailed);
  }
  const auto nodes = client.Nodes();
  std::string line =
      task.name + ": " + FailureText(failure, nodes ? *nodes : std::vector<NodeEntry>{});
  if (answer.operation.empty()) {
    Complain(line + "; nothing was cancelled");
    return code;
  }
  Complain(line + "; cancel pending, delivered when the node reconnects (operation " +
           answer.operation + ")");
  cancelled.push_back({task, {}, {}, answer.operation, answer.known, true});
  return arguments.wait ? static_cast<int>(kOk) : code;  // The wait says what becomes of it.
}

// What the nodes know of the tasks now, by id; those of which nobody can say anything are missing.
std::map<std::string, OneTask> LookUp(const CoordinatorClient& client,
                                      const std::vector<Cancelled>& cancelled) {
  std::vector<std::string> ids;
  for (const Cancelled& one : cancelled) {
    if (!one.pending) ids.push_back(one.task.id);
  }
  std::map<std::string, OneTask> found;
  for (std::size_t begin = 0; begin < ids.size(); begin += limits::kAwaitIdsMax) {
    const std::size_t end = std::min(ids.size(), begin + limits::kAwaitIdsMax);
    auto seen = client.Wait({ids.begin() + static_cast<std::ptrdiff_t>(begin),
                             ids.begin() + static_cast<std::ptrdiff_t>(end)},
                            milliseconds(0));
    if (!seen) return found;
    for (WaitedTask& task : *seen) {
      const std::string id = task.id;
      if (task.result != WaitedTask::Result::kUnknown) found.emplace(id, std::move(task.one));
    }
  }
  return found;
}

// The first cancel of a task stays: who asked for it, when and why.
std::string AlreadyText(const TaskEntry& task, const std::string& new_reason) {
  std::string text = "already cancelled";
  if (task.cancelled_millis) text += " at " + IsoTime(*task.cancelled_millis);
  if (!task.cancelled_by.empty()) text += " by " + task.cancelled_by;
  if (!task.cancel_reason.empty()) text += ": " + task.cancel_reason;
  if (!new_reason.empty() && new_reason != task.cancel_reason) {
    text += " (the reason given now is not recorded)";
  }
  return text;
}

// Whether anybody was told: a cancel that is recorded is not always one that was delivered.
std::string DeliveryText(const std::optional<ReceiptEntry>& receipt) {
  if (!receipt || receipt->delivered || receipt->ended) return {};
  if (receipt->state == "detached") {
    return ", not delivered: the program that registered the task has gone";
  }
  return ", not delivered yet";
}

void PrintRecorded(const CancelArguments& arguments, const CoordinatorClient& client,
                   const std::vector<Cancelled>& cancelled) {
  const std::map<std::string, OneTask> found = LookUp(client, cancelled);
  for (const Cancelled& one : cancelled) {
    if (one.pending) continue;
    std::string line = one.task.name + "  " + one.action + "  ";
    const auto seen = found.find(one.task.id);
    const OneTask* task = seen == found.end() ? nullptr : &seen->second;
    const bool already =
        one.known || (task != nullptr && task->receipt && task->receipt->intent != one.operation);
    if (already && task != nullptr) {
      line += AlreadyText(task->task, arguments.terms.reason);
    } else {
      line += already ? "already cancelled" : "cancel recorded";
      if (one.recorded) line += " at " + IsoTime(*one.recorded);
    }
    if (task != nullptr) line += DeliveryText(task->receipt);
    Print(TerminalLine(line) + "\n");
  }
}

int CancelIds(const CancelArguments& arguments, const CoordinatorClient& client,
              std::vector<Cancelled>& cancelled) {
  const auto ids = ResolveAll(arguments.ids, client);
  if (!ids) {
    Complain("nothing was cancelled");
    return Fail(ids.error());
  }
  std::vector<int> codes;
  for (std::size_t i = 0; i < ids->size(); ++i) {
    const TaskToAwait task{(*ids)[i], arguments.ids[i]};
    const auto answer = client.Cancel(task.id, arguments.terms);
    if (!answer) {
      codes.push_back(Fail({answer.error().code, task.name + ": " + answer.error().message}));
    } else if (answer->tasks.empty()) {
      codes.push_back(ReportFailure(arguments, client, task, *answer, cancelled));
    } else {
      Add(*answer, cancelled);
      codes.push_back(kOk);
    }
    if (codes.back() != kUnreachable && codes.back() != kOutcomeUnknown) continue;
    if (i + 1 < ids->size()) Complain("the tasks named after it were not cancelled");
    break;
  }
  PrintRecorded(arguments, client, cancelled);
  return CombineExitCodes(codes);
}

int CancelSelection(const CancelArguments& arguments, const CoordinatorClient& client,
                    std::vector<Cancelled>& cancelled) {
  Selection selection = arguments.selection;
  if (!selection.parent.empty()) {
    const auto ids = ResolveAll({selection.parent}, client);
    if (!ids) {
      Complain("nothing was cancelled");
      return Fail(ids.error());
    }
    selection.parent = ids->front();
  }
  if (arguments.all) selection.nodes = {"_all"};
  const auto answer = client.CancelMatching(selection, arguments.terms);
  if (!answer) return Fail(answer.error());
  Add(*answer, cancelled);
  PrintRecorded(arguments, client, cancelled);
  ComplainOfFailures(*answer, client);
  if (!answer->failures.empty() && !answer->operation.empty()) {
    Complain("cancel pending for these nodes, delivered when they reconnect (operation " +
             answer->operation + ")");
  }
  const std::string coverage = CoverageText(answer->coverage);
  Complain(std::to_string(answer->tasks.size()) + (answer->tasks.size() == 1 ? " task" : " tasks") +
           " recorded as cancelled" + (coverage.empty() ? "" : "; " + coverage));
  if (answer->tasks.empty() && !selection.parent.empty()) {
    if (const int code = CheckParent(client, selection.parent); code != kOk) return code;
  }
  return answer->failures.empty() ? kOk : kPartial;
}

// Of the cancel and of the wait for what it hit.
int Together(int cancel, int wait) {
  if (cancel == kOk || cancel == wait) return wait;
  return wait == kOk ? cancel : static_cast<int>(kPartial);
}

}  // namespace

int CombineExitCodes(const std::vector<int>& codes) {
  if (codes.empty()) return kOk;
  if (std::find(codes.begin(), codes.end(), kOutcomeUnknown) != codes.end()) return kOutcomeUnknown;
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
  std::vector<Cancelled> cancelled;
  const int code = arguments.ids.empty() ? CancelSelection(arguments, *client, cancelled)
                                         : CancelIds(arguments, *client, cancelled);
  if (cancelled.empty()) return code;
  if (!arguments.wait) {
    const bool several = cancelled.size() > 1;
    Complain(std::string("a recorded cancel is a request: the ") + (several ? "tasks" : "task") +
             " may still be running (see `quell show ID`, or use --wait)");
    return code;
  }
  std::vector<TaskToAwait> tasks;
  for (Cancelled& one : cancelled)
    tasks.push_back(std::move(one.task));
  return Together(code, WaitForEnds(*client, std::move(tasks), arguments.wait_timeout));
}

}  // namespace quell::cli
