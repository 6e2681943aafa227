#include <algorithm>
#include <string>
#include <utility>

#include "coordinator/api/opensearch/cat/cat.h"
#include "coordinator/api/opensearch/cat/cat_table.h"
#include "coordinator/api/opensearch/tasks/render.h"

namespace quell::opensearch {
namespace {

// The places of the columns.
struct NodeColumn {
  enum : std::size_t {
    kId,
    kIp,
    kPort,
    kHttpAddress,
    kVersion,
    kHeapPercent,
    kRamPercent,
    kCpu,
    kLoad1m,
    kLoad5m,
    kLoad15m,
    kNodeRole,
    kNodeRoles,
    kClusterManager,
    kName,
  };
};

// Those of a real server that Quell knows something about, and those that it shows by default,
// since scripts count on their places.
std::vector<Column> NodeColumns() {
  return {{"id", {"id", "nodeId"}, "unique node id", false},
          {"ip", {"i"}, "ip address"},
          {"port", {"po"}, "bound transport port", false, true},
          {"http_address", {"http"}, "bound http address", false},
          {"version", {"v"}, "os version", false},
          {"heap.percent", {"hp", "heapPercent"}, "used heap ratio", true, true},
          {"ram.percent", {"rp", "ramPercent"}, "used machine memory ratio", true, true},
          {"cpu", {"cpu"}, "recent cpu usage", true, true},
          {"load_1m", {"l"}, "1m load avg", true, true},
          {"load_5m", {"l"}, "5m load avg", true, true},
          {"load_15m", {"l"}, "15m load avg", true, true},
          {"node.role", {"r", "role", "nodeRole"}, "m:manager, d:data, i:ingest, r:remote, -:none"},
          {"node.roles", {"rs", "all roles"}, "all roles, separated by commas"},
          {"cluster_manager", {"m", "master"}, "*: the cluster's manager"},
          {"name", {"n"}, "node name"}};
}

// "dimr"
std::string Letters(const std::vector<std::string>& roles) {
  std::string letters;
  for (const std::string& role : roles) {
    if (!role.empty())
      letters += role == "cluster_manager" || role == "master" ? 'm' : role.front();
  }
  std::sort(letters.begin(), letters.end());
  return OrDash(letters);
}

std::string Joined(const std::vector<std::string>& roles) {
  std::string text;
  for (const std::string& role : roles)
    text += (text.empty() ? "" : ",") + role;
  return OrDash(text);
}

std::optional<unsigned> PercentOf(const HostLoad& load, std::size_t column) {
  return column == NodeColumn::kHeapPercent  ? load.daemon_percent
         : column == NodeColumn::kRamPercent ? load.memory_percent
         : column == NodeColumn::kCpu        ? load.cpu_percent
                                             : std::nullopt;
}

std::optional<double> AverageOf(const HostLoad& load, std::size_t column) {
  if (!load.averages) return std::nullopt;
  return column == NodeColumn::kLoad1m    ? std::optional(load.averages->one)
         : column == NodeColumn::kLoad5m  ? std::optional(load.averages->five)
         : column == NodeColumn::kLoad15m ? std::optional(load.averages->fifteen)
                                          : std::nullopt;
}

// "2.51"
std::string LoadCell(const HostLoad& load, std::size_t column) {
  if (const auto percent = PercentOf(load, column)) return std::to_string(*percent);
  if (const auto average = AverageOf(load, column)) return LoadText(*average);
  return "-";  // Not measured.
}

// What rows are sorted by where that is a number; what is not measured comes first.
std::int64_t Rank(const MemberStatus& member, std::size_t column) {
  if (column == NodeColumn::kPort) return PortOf(member.info.address);
  if (const auto percent = PercentOf(member.host_load, column)) return *percent;
  const auto average = AverageOf(member.host_load, column);
  return average ? static_cast<std::int64_t>(*average * 100) : -1;
}

std::string Cell(const MemberStatus& member, std::size_t column, bool full_id,
                 const std::string& http_address, Profile profile) {
  const NodeInfo& info = member.info;
  switch (column) {
    case NodeColumn::kId:
      return full_id ? info.id.ToString() : info.id.ToString().substr(0, 4);
    case NodeColumn::kIp:
      return OrDash(info.host);
    case NodeColumn::kPort:
      return std::to_string(PortOf(info.address));
    case NodeColumn::kHttpAddress:
      return OrDash(member.is_self || profile == Profile::kStrict ? http_address : "");
    case NodeColumn::kVersion:
      return OrDash(info.version);
    case NodeColumn::kNodeRole:
      return Letters(info.roles);
    case NodeColumn::kNodeRoles:
      return Joined(info.roles);
    case NodeColumn::kClusterManager:
      return member.is_self ? "*" : "-";
    case NodeColumn::kName:
      return OrDash(info.name);
    default:
      return LoadCell(member.host_load, column);
  }
}

std::string SilentLines(const std::vector<MemberStatus>& members) {
  std::string lines;
  for (const MemberStatus& member : members) {
    if (!member.alive) {
      lines += "# node [" + member.info.name + "] is missing: no sign of life from the node\n";
    }
  }
  return lines;
}

}  // namespace

void CatNodes(const Coordinator& coordinator, const std::string& http_address,
              const ExchangePtr& exchange, Profile profile) {
  const std::optional<TableRequest> asked =
      ReadClusterTable(exchange, profile, NodeColumns(), true);
  if (!asked) return;
  const std::vector<MemberStatus> members = coordinator.Members();
  Table table;
  table.columns = asked->wishes.columns;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (members[i].alive) table.rows.push_back(i);
  }
  table.text = [&](std::size_t row, std::size_t column) {
    return Cell(members[row], column, asked->full_id, http_address, asked->style.profile);
  };
  table.number = [&](std::size_t row, std::size_t column) { return Rank(members[row], column); };
  SortRows(table, asked->wishes.sort);
  const bool documented = asked->style.profile == Profile::kDocumented;
  const std::size_t silent = members.size() - table.rows.size();
  SendTable(exchange, asked->style, asked->wishes, table, documented ? SilentLines(members) : "",
            {{"Quell-Nodes", Coverage(members.size(), silent)}});
}

void CatManager(const Coordinator& coordinator, const ExchangePtr& exchange, Profile profile) {
  const std::optional<TableRequest> asked = ReadClusterTable(exchange, profile,
                                                             {{"id", {}, "node id"},
                                                              {"host", {"h"}, "host name"},
                                                              {"ip", {}, "ip address"},
                                                              {"node", {"n"}, "node name"}},
                                                             false);
  if (!asked) return;
  const NodeInfo& self = coordinator.self();
  Table table;
  table.columns = asked->wishes.columns;
  table.rows = {0};
  table.text = [&](std::size_t, std::size_t column) {
    return column == 0 ? self.id.ToString() : column == 3 ? self.name : self.host;
  };
  SendTable(exchange, asked->style, asked->wishes, table, "", {});
}

void CatPendingTasks(const ExchangePtr& exchange, Profile profile) {
  const std::optional<TableRequest> asked =
      ReadClusterTable(exchange, profile,
                       {{"insertOrder", {"o"}, "task insertion order"},
                        {"timeInQueue", {"t"}, "how long task has been in queue"},
                        {"priority", {"p"}, "task priority"},
                        {"source", {"s"}, "task source"}},
                       false);
  if (!asked) return;
  Table table;
  table.columns = asked->wishes.columns;
  SendTable(exchange, asked->style, asked->wishes, table, "", {});
}

}  // namespace quell::opensearch
