#include "cli/node_command.h"

#include "cli/exit_code.h"
#include "cli/table.h"
#include "cli/task_ref.h"
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
    rows.push_back({node.name, node.id, node.is_self ? "coordinator" : "node",
                    node.alive ? "alive" : "silent", node.address, AverageText(node.load),
                    PercentText(node.load.cpu_percent), PercentText(node.load.memory_percent),
                    std::to_string(node.pending), OverdueText(node)});
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
  if (const Status forgotten = client->Forget(*id); !forgotten) return Fail(forgotten.error());
  Print(*id + "  forgotten; its tasks and the cancels kept for it are given up\n");
  return kOk;
}

}  // namespace quell::cli
