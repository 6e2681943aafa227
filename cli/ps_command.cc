#include "cli/ps_command.h"

#include <map>

#include "cli/duration.h"
#include "cli/exit_code.h"
#include "cli/table.h"
#include "cli/task_ref.h"
#include "core/utc_time.h"
#include "transport/http/json_writer.h"

namespace quell::cli {
namespace {

std::string TasksJson(const Answer& answer) {
  std::string text;
  http::JsonWriter json(text);
  json.BeginObject().Field("coverage", answer.coverage).Key("tasks").BeginArray();
  for (const TaskEntry& task : answer.tasks)
    json.Raw(TaskJson(task));
  json.EndArray().Key("node_failures").BeginArray();
  for (const FailureEntry& failure : answer.failures)
    json.Raw(FailureJson(failure));
  json.EndArray().EndObject();
  return text + "\n";
}

// A parent on a node of this answer is shown by that node's name.
std::string ParentText(const TaskEntry& task, const std::map<std::string, std::string>& names) {
  const std::size_t colon = task.parent.find(':');
  if (colon == std::string::npos) return "-";
  const auto name = names.find(task.parent.substr(0, colon));
  return name == names.end() ? task.parent : name->second + task.parent.substr(colon);
}

// Who asked, and why.
std::string CancelText(const TaskEntry& task) {
  if (!task.cancelled) return "-";
  return task.cancelled_by + (task.cancel_reason.empty() ? "" : ": " + task.cancel_reason);
}

}  // namespace

std::string RenderTasks(const Answer& answer, Format format, std::size_t width, bool ended) {
  if (format == Format::kJson) return TasksJson(answer);
  const bool wide = format == Format::kWide;
  std::map<std::string, std::string> names;
  for (const TaskEntry& task : answer.tasks)
    names[task.node] = task.node_name;
  std::vector<Column> columns{{"ID"}, {"ACTION"}, {"STATE"}, {"AGE", true}, {"NODE"}, {"PARENT"}};
  if (wide)
    columns.insert(columns.end(),
                   {{"CPU", true}, {"MEMORY", true}, {"STARTED"}, {"CANCELLABLE"}, {"FULL-ID"}});
  if (ended) columns.insert(columns.end(), {{"ENDED"}, {"CANCEL"}});
  columns.push_back({"DESCRIPTION"});
  std::vector<std::vector<std::string>> rows;
  for (const TaskEntry& task : answer.tasks) {
    std::vector<std::string> row{
        ShortId(task),  task.action,
        StateOf(task),  FormatAge(std::chrono::nanoseconds(task.running_nanos)),
        task.node_name, ParentText(task, names)};
    if (wide) {
      row.insert(row.end(),
                 {CpuText(task.resources), MemoryText(task.resources), IsoTime(task.start_millis),
                  task.cancellable ? "yes" : "no", task.id()});
    }
    if (ended) {
      row.push_back(task.ended_millis ? IsoTime(*task.ended_millis) : "-");
      row.push_back(CancelText(task));
    }
    row.push_back(task.description);
    rows.push_back(std::move(row));
  }
  return RenderTable(columns, rows, wide ? 0 : width);
}

int PsCommand(const PsArguments& arguments) {
  const auto client = CoordinatorClient::Make(arguments.http);
  if (!client) return Fail(client.error());
  Selection selection = arguments.selection;
  if (!selection.parent.empty()) {
    const auto ids = ResolveAll({selection.parent}, *client);
    if (!ids) return Fail(ids.error());
    selection.parent = ids->front();
  }
  const auto answer =
      arguments.since ? client->ListAll(selection, *arguments.since) : client->List(selection);
  if (!answer) return Fail(answer.error());
  Print(RenderTasks(*answer, arguments.format, TerminalWidth(), arguments.since.has_value()));
  ComplainOfFailures(*answer, *client);
  const std::string coverage = CoverageText(answer->coverage);
  Complain(std::to_string(answer->tasks.size()) + (answer->tasks.size() == 1 ? " task" : " tasks") +
           (coverage.empty() ? "" : "; " + coverage));
  if (answer->tasks.empty() && !selection.parent.empty()) {
    if (const int code = CheckParent(*client, selection.parent); code != kOk) return code;
  }
  return answer->failures.empty() ? kOk : kPartial;
}

}  // namespace quell::cli
