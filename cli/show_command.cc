#include "cli/show_command.h"

#include <vector>

#include "cli/duration.h"
#include "cli/exit_code.h"
#include "cli/table.h"
#include "cli/task_ref.h"
#include "cli/terminal_text.h"
#include "core/utc_time.h"

namespace quell::cli {
namespace {

std::string CancelLine(const TaskEntry& task) {
  if (!task.cancelled) return task.cancellable ? "no cancel requested" : "cannot be cancelled";
  std::string text = "requested by " + task.cancelled_by;
  if (!task.cancel_reason.empty()) text += " (" + task.cancel_reason + ")";
  if (task.cancelled_millis) text += ", recorded " + IsoTime(*task.cancelled_millis);
  return text;
}

// What became of the cancel, step by step.
std::string ReceiptText(const ReceiptEntry& receipt) {
  std::string text = receipt.state;
  const auto add = [&text](const char* what, const std::optional<std::int64_t>& when) {
    if (when) text += std::string(", ") + what + " " + IsoTime(*when);
  };
  add("delivered", receipt.delivered);
  add("acknowledged", receipt.acknowledged);
  add("forced", receipt.escalated);
  add("ended", receipt.ended);
  if (!receipt.note.empty()) text += "; " + receipt.note;
  return text;
}

std::string MemoryOf(const ResourceEntry& used) {
  const std::string now = MemoryText(used);
  if (used.memory_most_bytes.value_or(0) <= used.memory_bytes.value_or(0)) return now;
  return now + ", at most " + FormatBytes(*used.memory_most_bytes);
}

std::string StateText(const OneTask& one) {
  if (one.detached) return one.task.state + ", detached: the program that registered it has gone";
  return one.task.state;
}

std::string Render(const OneTask& one, const std::vector<TaskEntry>& children) {
  const TaskEntry& task = one.task;
  std::vector<std::vector<std::string>> rows{
      {"id", task.id()},
      {"node", task.node_name},
      {"action", task.action},
      {"description", task.description},
      {"state", StateText(one)},
      {"started", IsoTime(task.start_millis)},
      {one.ended ? "ran for" : "age", FormatAge(std::chrono::nanoseconds(task.running_nanos))},
      {"pid", one.pid == 0 ? "-" : std::to_string(one.pid)},
      {"uid", std::to_string(one.uid)},
      {"cancel", CancelLine(one.task)}};
  if (one.receipt) rows.push_back({"receipt", ReceiptText(*one.receipt)});
  if (one.last_check) rows.push_back({"last check", IsoTime(*one.last_check)});
  if (task.resources.cpu_nanos) rows.push_back({"cpu", CpuText(task.resources)});
  if (task.resources.memory_bytes) rows.push_back({"memory", MemoryOf(task.resources)});
  if (!task.parent.empty()) {
    const bool cancelled = one.on_parent_lost == "cancel";
    rows.push_back({"parent", task.parent + (cancelled ? ", cancelled if that is lost" : "")});
  }
  if (!task.status_json.empty()) rows.push_back({"status", task.status_json});
  for (const TaskEntry& child : children) {
    rows.push_back({"child", ShortId(child) + "  " + child.action + "  " + StateOf(child)});
  }
  std::string text;
  for (const auto& row : rows) {
    text += row[0] + std::string(row[0].size() < 13 ? 13 - row[0].size() : 1, ' ') +
            TerminalLine(row[1]) + "\n";
  }
  return text;
}

// Why there is no answer about the task: its node is silent, or the coordinator is.
int FailToShow(const Error& error, const std::string& id, const CoordinatorClient& client) {
  const bool silent =
      error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kDeadlineExceeded;
  const auto nodes = silent ? client.Nodes() : Result<std::vector<NodeEntry>>(error);
  if (!nodes) return Fail(error);
  const char* cause = error.code == ErrorCode::kUnavailable ? "node_not_connected_exception"
                                                            : "receive_timeout_transport_exception";
  Complain(FailureText({id.substr(0, id.find(':')), cause, {}}, *nodes));
  return ExitCodeFor(error.code);
}

}  // namespace

int ShowCommand(const ShowArguments& arguments) {
  const auto client = CoordinatorClient::Make(arguments.http);
  if (!client) return Fail(client.error());
  const auto ids = ResolveAll({arguments.id}, *client);
  if (!ids) return Fail(ids.error());
  const auto one = client->Get(ids->front());
  if (!one) return FailToShow(one.error(), ids->front(), *client);
  if (arguments.format == Format::kJson) {
    Print(one->raw + (one->raw.ends_with('\n') ? "" : "\n"));
    return kOk;
  }
  const auto children = client->List({{}, {}, ids->front()});
  Print(Render(*one, children ? children->tasks : std::vector<TaskEntry>{}));
  if (!children) return Fail(children.error());
  ComplainOfFailures(*children, *client);
  return children->failures.empty() ? kOk : kPartial;
}

}  // namespace quell::cli
