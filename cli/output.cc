#include "cli/output.h"

#include <cstdio>
#include <ctime>
#include <unistd.h>

#include "cli/duration.h"
#include "cli/exit_code.h"
#include "cli/table.h"
#include "transport/http/json_writer.h"

namespace quell::cli {
namespace {

void WriteAll(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::write(file, text.data(), text.size());
    if (sent <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

}  // namespace

void Print(const std::string& text) {
  WriteAll(STDOUT_FILENO, text);
}

void PrintError(const std::string& text) {
  WriteAll(STDERR_FILENO, text);
}

void Complain(const std::string& text) {
  WriteAll(STDERR_FILENO, "quell: " + text + "\n");
}

int Fail(const Error& error) {
  Complain(error.message);
  return ExitCodeFor(error.code);
}

void ComplainOfFailures(const Answer& answer) {
  for (const FailureEntry& failure : answer.failures) {
    Complain("node " + Plain(failure.node) + " is not part of the answer: " + Plain(failure.type) +
             ": " + Plain(failure.reason));
  }
}

std::string ShortId(const TaskEntry& task) {
  return (task.node_name.empty() ? task.node : Plain(task.node_name)) + ":" +
         std::to_string(task.number);
}

std::string StateOf(const TaskEntry& task) {
  if (task.ended_millis) return task.state;
  return task.cancelled ? "cancelling" : "running";
}

std::string IsoTime(std::int64_t millis) {
  const std::time_t seconds = millis / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char day[32];
  std::strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts);
  char text[48];
  std::snprintf(text, sizeof text, "%s.%03dZ", day, static_cast<int>(millis % 1000));
  return text;
}

std::string CpuText(const ResourceEntry& used) {
  if (!used.cpu_nanos) return "-";
  return FormatAge(std::chrono::nanoseconds(*used.cpu_nanos));
}

std::string MemoryText(const ResourceEntry& used) {
  return used.memory_bytes ? FormatBytes(*used.memory_bytes) : "-";
}

std::string TaskJson(const TaskEntry& task) {
  std::string text;
  http::JsonWriter json(text);
  json.BeginObject();
  json.Field("id", task.id()).Field("name", task.node_name + ":" + std::to_string(task.number));
  json.Field("node", task.node).Field("node_name", task.node_name);
  json.Field("action", task.action).Field("description", task.description);
  json.Field("state", StateOf(task));
  json.Key("parent");
  if (task.parent.empty()) {
    json.Null();
  } else {
    json.String(task.parent);
  }
  json.Field("start_time_in_millis", task.start_millis);
  json.Field("running_time_in_nanos", task.running_nanos);
  json.Field("cancellable", task.cancellable).Field("cancelled", task.cancelled);
  if (task.cancelled_millis) json.Field("cancellation_time_millis", *task.cancelled_millis);
  if (!task.cancelled_by.empty()) json.Field("cancelled_by", task.cancelled_by);
  if (!task.cancel_reason.empty()) json.Field("cancel_reason", task.cancel_reason);
  if (task.ended_millis) json.Field("end_time_in_millis", *task.ended_millis);
  if (task.resources.cpu_nanos) json.Field("cpu_time_in_nanos", *task.resources.cpu_nanos);
  if (task.resources.memory_bytes) json.Field("memory_in_bytes", *task.resources.memory_bytes);
  if (!task.status_json.empty()) json.Key("status").Raw(task.status_json);
  json.EndObject();
  return text;
}

std::string FailureJson(const FailureEntry& failure) {
  std::string text;
  http::JsonWriter json(text);
  json.BeginObject().Field("node", failure.node).Field("type", failure.type);
  json.Field("reason", failure.reason).EndObject();
  return text;
}

std::string CoverageText(const std::string& coverage) {
  int selected = 0;
  int answered = 0;
  if (std::sscanf(coverage.c_str(), "selected=%d answered=%d", &selected, &answered) != 2) {
    return {};
  }
  return std::to_string(answered) + " of " + std::to_string(selected) +
         (selected == 1 ? " node answered" : " nodes answered");
}

}  // namespace quell::cli
