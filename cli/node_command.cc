#include "cli/node_command.h"

#include <algorithm>

#include "cli/exit_code.h"
#include "cli/table.h"
#include "cli/task_ref.h"
#include "cli/terminal_text.h"
#include "core/limits.h"
#include "core/utc_time.h"
#include "transport/http/json_writer.h"

namespace quell::cli {
namespace {

void WriteLoad(http::JsonWriter& json, const HostLoad& load) {
  if (load.averages) {
    json.Key("load_1m").Raw(LoadText(load.averages->one));
    json.Key("load_5m").Raw(LoadText(load.averages->five));
    json.Key("load_15m").Raw(LoadText(load.averages->fifteen));
  }
  if (load.cpu_percent) json.Field("cpu_percent", std::uint64_t{*load.cpu_percent});
  if (load.memory_percent) json.Field("memory_percent", std::uint64_t{*load.memory_percent});
}

std::string NodesJson(const std::vector<NodeEntry>& nodes) {
  std::string text;
  http::JsonWriter json(text);
  json.BeginObject().Key("nodes").BeginArray();
  for (const NodeEntry& node : nodes) {
    json.BeginObject().Field("id", node.id).Field("name", node.name);
    json.Field("address", node.address).Field("alive", node.alive);
    json.Field("state", node.state).Field("draining", node.draining);
    if (node.since_millis) json.Field("since_millis", *node.since_millis);
    if (node.live_tasks) json.Field("live_tasks", *node.live_tasks);
    json.Field("self", node.is_self).Field("pending", node.pending);
    if (node.overdue) {
      json.Field("overdue", *node.overdue).Field("overdue_total", node.overdue_total.value_or(0));
    }
    WriteLoad(json, node.load);
    json.EndObject();
  }
  json.EndArray().EndObject();
  return text + "\n";
}

// Of all cancelled tasks that ran on too long, those that still do.
std::string OverdueText(const NodeEntry& node) {
  if (!node.overdue) return "-";
  return std::to_string(*node.overdue) + " of " + std::to_string(node.overdue_total.value_or(0));
}

std::string StateText(const NodeEntry& node) {
  std::string text = node.state;
  if (text.empty()) text = node.alive ? "alive" : "silent";
  std::replace(text.begin(), text.end(), '_', ' ');
  if (node.since_millis) text += " since " + IsoTime(*node.since_millis);
  if (node.draining) text += ", draining";
  return text;
}

std::string Count(std::uint64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

// What lives on the node, one line each.
void PrintLive(const DrainEntry& entry) {
  std::string text;
  for (const TaskEntry& task : entry.tasks)
    text += "  " + TerminalLine(ShortId(task)) + "  " + TerminalLine(task.action) + "\n";
  if (entry.tasks.size() < entry.live) {
    text += "  and " + Count(entry.live - entry.tasks.size(), "other") + "\n";
  }
  Print(text);
}

std::string PercentText(const std::optional<unsigned>& percent) {
  return percent ? std::to_string(*percent) + "%" : "-";
}

std::string AverageText(const HostLoad& load) {
  return load.averages ? LoadText(load.averages->one) : "-";
}

}  // namespace

int NodeListCommand(const NodeListArguments& arguments) {
  const auto client = CoordinatorClient::Make(arguments.http);
  if (!client) return Fail(client.error());
  const auto nodes = client->Nodes();
  if (!nodes) return Fail(nodes.error());
  if (arguments.format == Format::kJson) {
    Print(NodesJson(*nodes));
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const NodeEntry& node : *nodes) {
    rows.push_back({node.name, node.id, node.is_self ? "coordinator" : "node", StateText(node),
                    node.address, AverageText(node.load), PercentText(node.load.cpu_percent),
                    PercentText(node.load.memory_percent), std::to_string(node.pending),
                    OverdueText(node)});
  }
  Print(RenderTable({{"NAME"},
                     {"ID"},
                     {"ROLE"},
                     {"STATE"},
                     {"ADDRESS"},
                     {"LOAD", true},
                     {"CPU", true},
                     {"MEMORY", true},
                     {"PENDING", true},
                     {"OVERDUE", true}},
                    rows, 0));
  return kOk;
}

int NodeForgetCommand(const NodeForgetArguments& arguments) {
  const auto client = CoordinatorClient::Make(arguments.http);
  if (!client) return Fail(client.error());
  const auto nodes = client->Nodes();
  if (!nodes) return Fail(nodes.error());
  const auto id = ResolveNode(arguments.node, *nodes);
  if (!id) return Fail(id.error());
  const auto forgotten = client->Forget(*id);
  if (!forgotten) return Fail(forgotten.error());
  std::string text = TerminalLine(forgotten->name) + " (" + *id + ") forgotten: ";
  text += forgotten->live_tasks ? Count(*forgotten->live_tasks, "task") + " that it reported last"
                                : std::string("its tasks");
  text += " may still run, and nobody will know; " + Count(forgotten->pending, "pending cancel");
  Print(text + " given up\n");
  return kOk;
}

int NodeDrainCommand(const NodeDrainArguments& arguments) {
  const auto client = CoordinatorClient::Make(arguments.http);
  if (!client) return Fail(client.error());
  const auto nodes = client->Nodes();
  if (!nodes) return Fail(nodes.error());
  const auto id = ResolveNode(arguments.node, *nodes);
  if (!id) return Fail(id.error());
  DrainCall call;
  call.node = *id;
  call.what = arguments.what;
  if (arguments.wait) call.wait = arguments.timeout.value_or(limits::kWaitDefault);
  const auto entry = client->Drain(call);
  if (!entry) return Fail(entry.error());
  const std::string name = TerminalLine(entry->name);
  if (call.what == DrainCall::What::kTakeAgain) {
    Print(name + "  takes new tasks again\n");
    return kOk;
  }
  if (entry->left) {
    Print(name + "  has left the fleet; its daemon ends, and joins again if it is started again\n");
    return kOk;
  }
  const bool leave = call.what == DrainCall::What::kLeave;
  std::string text = name + (leave ? "  cannot leave: " : "  takes no new tasks; ");
  Print(text + Count(entry->live, "task") + (entry->live == 1 ? " lives" : " live") + " there\n");
  PrintLive(*entry);
  if (entry->live > 0 && arguments.wait) return kWaitTimedOut;
  return leave ? kFailed : kOk;
}

}  // namespace quell::cli
