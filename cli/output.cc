#include "cli/output.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <unistd.h>

#include "cli/duration.h"
#include "cli/exit_code.h"
#include "cli/stream_writer.h"
#include "cli/terminal_text.h"
#include "core/utc_time.h"
#include "transport/http/json_writer.h"

namespace quell::cli {
namespace {

StreamWriter& StandardOutput() {
  static StreamWriter writer(STDOUT_FILENO);
  return writer;
}

// Why a node is away, as the list of nodes has it. Empty: it is not.
std::string StateText(const std::string& state) {
  if (state == "stopped") return "its daemon was stopped";
  if (state == "silent") return "no heartbeat";
  if (state == "not_joined") return "it has not joined since the coordinator started";
  return {};
}

// What a failure's cause means. Empty: its own reason says it.
std::string CauseText(const std::string& cause) {
  if (cause == "disconnected") return "it is not connected";
  if (cause == "no_answer") return "no answer in time";
  if (cause == "not_responding") return "earlier requests still wait for its answer";
  if (cause == "bad_answer") return "its answer could not be read";
  if (cause == "busy") return "it has too much to do";
  if (const std::string state = StateText(cause); !state.empty()) return state;
  return {};
}

}  // namespace

void Print(const std::string& text) {
  StandardOutput().Write(TerminalText(text));
}

void PrintError(const std::string& text) {
  StreamWriter(STDERR_FILENO).Write(TerminalText(text));  // Nobody is left who could be told.
}

void Complain(const std::string& text) {
  PrintError("quell: " + text + "\n");
}

bool OutputFailed() {
  return StandardOutput().error() != 0;
}

int FinishOutput(int code) {
  StandardOutput().Close();
  const int error = StandardOutput().error();
  if (error == 0) return code;
  if (error == EPIPE) return 128 + SIGPIPE;
  Complain(std::string("cannot write to standard output: ") + std::strerror(error) +
           "; the output is incomplete");
  return kFailed;
}

int Fail(const Error& error) {
  Complain(error.message);
  return ExitCodeFor(error.code);
}

std::string FailureText(const FailureEntry& failure, const std::vector<NodeEntry>& nodes) {
  if (failure.cause == "no_such_node") {
    return "no node has the name or id '" + TerminalLine(failure.node) + "'";
  }
  const auto known = std::find_if(nodes.begin(), nodes.end(),
                                  [&](const NodeEntry& node) { return node.id == failure.node; });
  const std::string name = known == nodes.end() ? failure.node : known->name;
  std::string cause = known == nodes.end() ? "" : StateText(known->state);
  if (cause.empty()) cause = CauseText(failure.cause);
  if (cause.empty()) cause = failure.reason;
  std::string text = "node " + TerminalLine(name) + " did not respond: " + TerminalLine(cause);
  if (known != nodes.end() && known->since_millis) {
    text += ", since " + IsoTime(*known->since_millis);
  }
  return text;
}

void ComplainOfFailures(const Answer& answer, const std::vector<NodeEntry>& nodes) {
  for (const FailureEntry& failure : answer.failures)
    Complain(FailureText(failure, nodes));
}

void ComplainOfFailures(const Answer& answer, const CoordinatorClient& client) {
  if (answer.failures.empty()) return;
  const auto nodes = client.Nodes();
  ComplainOfFailures(answer, nodes ? *nodes : std::vector<NodeEntry>{});
}

std::string ShortId(const TaskEntry& task) {
  return (task.node_name.empty() ? task.node : task.node_name) + ":" + std::to_string(task.number);
}

std::string StateOf(const TaskEntry& task) {
  if (task.ended_millis) return task.state;
  return task.cancelled ? "cancelling" : "running";
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
  json.BeginObject().Field("node", failure.node).Field("cause", failure.cause);
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
