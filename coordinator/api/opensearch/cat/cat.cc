#include "coordinator/api/opensearch/cat/cat.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "coordinator/api/opensearch/cat/cat_table.h"
#include "coordinator/api/opensearch/cat/table.h"
#include "coordinator/api/opensearch/format/human.h"
#include "coordinator/api/opensearch/format/pretty.h"
#include "coordinator/api/opensearch/request/errors.h"
#include "coordinator/api/opensearch/request/failures.h"
#include "coordinator/api/opensearch/request/waiting.h"
#include "coordinator/api/opensearch/tasks/forest.h"
#include "coordinator/api/opensearch/tasks/grouping.h"
#include "coordinator/api/opensearch/tasks/render.h"
#include "core/limits.h"
#include "core/utc_time.h"

namespace quell::opensearch {
namespace {

// The order of the table; description and resource_stats are there with `detailed` alone.
enum TaskColumn : std::size_t {
  kId,
  kAction,
  kTaskId,
  kParentTaskId,
  kType,
  kStartTime,
  kTimestamp,
  kRunningTimeNs,
  kRunningTime,
  kNodeId,
  kIp,
  kPort,
  kNode,
  kVersion,
  kOpaqueId,
  kDescription,
  kResourceStats,
};

std::vector<Column> TaskColumns(bool detailed) {
  std::vector<Column> columns = {{"id", {}, "id of the task with the node", false, true},
                                 {"action", {"ac"}, "task action"},
                                 {"task_id", {"ti"}, "unique task id"},
                                 {"parent_task_id", {"pti"}, "parent task id"},
                                 {"type", {"ty"}, "task type"},
                                 {"start_time", {"start"}, "start time in ms", true, true},
                                 {"timestamp", {"ts", "hms", "hhmmss"}, "start time in HH:MM:SS"},
                                 {"running_time_ns", {"time"}, "running time ns", false, true},
                                 {"running_time", {"time"}, "running time", true, true},
                                 {"node_id", {"ni"}, "unique node id", false},
                                 {"ip", {"i"}, "ip address"},
                                 {"port", {"po"}, "bound transport port", false, true},
                                 {"node", {"n"}, "node name"},
                                 {"version", {"v"}, "es version", false},
                                 {"x_opaque_id", {"x"}, "X-Opaque-ID header", false}};
  if (detailed) {
    columns.push_back({"description", {"desc"}, "task action"});
    columns.push_back({"resource_stats", {}, "resource consumption info of the task", false});
  }
  return columns;
}

struct Row {
  TreeKey keys;
  std::string type;
  std::string action;
  std::string opaque_id;
  std::string description;
  std::int64_t running = 0;  // In nanoseconds.
  ResourceUse resources;
  const NodeInfo* node = nullptr;
};

// One node's rows, copied from what the node sent.
class Rows final : public HeldSink {
 public:
  Rows(std::shared_ptr<TreeBudget> budget, std::shared_ptr<http::HeldBytes> held)
      : HeldSink(std::move(held)), budget_(std::move(budget)) {}
  void OnTasks(std::span<const TaskView> page) override {
    if (!budget_->Take(page.size()) || Omits(page.size())) return;
    const std::size_t before = rows.size();
    for (const TaskView& task : page) {
      Row row;
      row.keys = {task.id, task.parent, task.start_wall};
      row.type = task.type;
      row.action = task.action;
      row.description = task.description;
      row.running = task.running.count();
      row.resources = task.resources;
      for (const Header& header : task.headers) {
        if (header.name == "X-Opaque-Id") row.opaque_id = header.value;
      }
      bytes += row.type.size() + row.action.size() + row.opaque_id.size() + row.description.size();
      rows.push_back(std::move(row));
    }
    if (!Keeps(bytes + rows.capacity() * sizeof(Row), page.size())) rows.resize(before);
  }

  std::vector<Row> rows;
  std::size_t bytes = 0;  // Of their texts.

 private:
  const std::shared_ptr<TreeBudget> budget_;
};

std::string Cell(const Row& row, std::size_t column, const TableOptions& wishes, Profile profile) {
  switch (column) {
    case kId:
      return std::to_string(row.keys.id.number);
    case kAction:
      return row.action;
    case kTaskId:
      return row.keys.id.ToString();
    case kParentTaskId:
      return row.keys.parent ? row.keys.parent->ToString() : "-";
    case kType:
      return row.type;
    case kStartTime:
      return std::to_string(MillisSinceEpoch(row.keys.start));
    case kTimestamp:
      return TimeOfDay(MillisSinceEpoch(row.keys.start));
    case kRunningTimeNs:
      return std::to_string(row.running);
    case kRunningTime:
      return wishes.time_unit == 0 ? HumanDuration(row.running)
                                   : std::to_string(row.running / wishes.time_unit);
    case kNodeId:
      return row.keys.id.node.ToString().substr(0, 4);
    case kIp:
      return OrDash(row.node->host);
    case kPort:
      return std::to_string(PortOf(row.node->address));
    case kNode:
      return OrDash(row.node->name);
    case kVersion:
      return OrDash(row.node->version);
    case kOpaqueId:
      return OrDash(row.opaque_id);
    case kDescription:
      return row.description;
    default:
      break;
  }
  if (profile == Profile::kDocumented && !row.resources.measured()) return "-";
  std::string stats;
  http::JsonWriter json(stats);
  RenderResourceStats(json, row.resources, profile);
  if (profile == Profile::kDocumented) return stats;
  std::string layout = Prettify(stats);
  layout.pop_back();
  return layout;
}

std::int64_t NumberOf(const Row& row, std::size_t column) {
  switch (column) {
    case kId:
      return static_cast<std::int64_t>(row.keys.id.number);
    case kStartTime:
      return MillisSinceEpoch(row.keys.start);
    case kPort:
      return PortOf(row.node->address);
    default:
      return row.running;
  }
}

std::string FailureLines(const Gathered& gathered) {
  std::string lines;
  const auto add = [&lines](std::string line) {
    std::replace(line.begin(), line.end(), '\n', ' ');
    lines += "# " + line + "\n";
  };
  for (const Slot& slot : gathered.slots) {
    if (slot.failure) {
      add("node [" + slot.failure->node + "] is missing: " + std::string(TypeOf(*slot.failure)) +
          ": " + Describe(*slot.failure));
    }
    for (const TaskFailure& failure : slot.task_failures) {
      add("task [" + failure.node.ToString() + ":" + std::to_string(failure.number) +
          "] is missing: " + failure.reason);
    }
  }
  if (gathered.running > 0) {
    lines += "# the wait is over: " + std::to_string(gathered.running) + " tasks have not ended\n";
  }
  return lines;
}

http::Response RenderTasks(const Style& style, const TableOptions& wishes, const Wait& wait,
                           Gathered gathered) {
  const std::uint64_t running = gathered.running;
  if (style.profile == Profile::kStrict) FailWhatRanOut(gathered, wait);
  std::vector<Row> rows;
  for (Slot& slot : gathered.slots) {
    if (slot.failure) continue;
    for (Row& row : SinkAs<Rows>(*slot.sink).rows) {
      row.node = &*slot.node;
      rows.push_back(std::move(row));
    }
  }
  std::vector<TreeKey> keys;
  keys.reserve(rows.size());
  for (const Row& row : rows)
    keys.push_back(row.keys);
  Table table;
  table.columns = wishes.columns;
  for (const Placed& placed : DepthFirst(keys))
    table.rows.push_back(placed.index);
  table.text = [&](std::size_t row, std::size_t column) {
    return Cell(rows[row], column, wishes, style.profile);
  };
  table.number = [&](std::size_t row, std::size_t column) { return NumberOf(rows[row], column); };
  SortRows(table, wishes.sort);

  std::vector<Header> headers = {{"Quell-Nodes", Coverage(gathered.selected(), gathered.failed())}};
  AddWaitHeader(headers, wait, running);
  const bool documented = style.profile == Profile::kDocumented;
  return RenderedTable(style, wishes, table, documented ? FailureLines(gathered) : "",
                       std::move(headers));
}

}  // namespace

void CatIndex(const ExchangePtr& exchange, Profile profile) {
  Params params(exchange->request());
  const Style style = ReadStyle(exchange->request(), params, profile, {true});
  if (std::optional<Problem> problem = params.Finish()) {
    return SendProblem(exchange, style, *problem);
  }
  SendText(exchange,
           "=^.^=\n/_cat/cluster_manager\n/_cat/nodes\n/_cat/tasks\n/_cat/pending_tasks\n");
}

void CatTasks(Coordinator& coordinator, const Rendering& rendering, const ExchangePtr& exchange,
              Profile profile) {
  const http::Request& request = exchange->request();
  Params params(request);
  const Style style = ReadStyle(request, params, profile, {true});
  const bool help = params.Bool("help", false);
  ListQuery query;
  query.detailed = params.Bool("detailed", false);
  if (!help) {
    TaskSelection selection = ReadSelection(params);
    query.nodes = {std::move(selection.nodes), style.profile == Profile::kDocumented};
    query.filter = std::move(selection.filter);
  }
  const Wait wait = help ? ReadTimeoutOnly(params, style.profile) : ReadWait(params, style.profile);
  TableOptions wishes = ReadTableWishes(params, TaskColumns(query.detailed));
  std::optional<Problem> problem = params.Finish();
  if (!problem && help) return SendText(exchange, RenderHelp(wishes.columns));
  if (!problem) problem = UnknownSortKey(wishes, style.profile);
  if (!problem && coordinator.AtCapacity(wait.wanted)) problem = Busy(wait.wanted);
  if (problem) return SendProblem(exchange, style, *problem);

  auto budget = std::make_shared<TreeBudget>();
  const auto held = std::make_shared<http::HeldBytes>(rendering.held);
  auto sinks = [budget, held](const NodeInfo&) { return std::make_shared<Rows>(budget, held); };
  auto done = [exchange, style, budget, held, wait, aside = rendering.aside,
               wishes = std::move(wishes)](Result<Gathered> gathered) {
    if (!gathered) {
      return SendProblem(exchange, style, ToProblem(gathered.error(), ErrorSource::kService));
    }
    if (budget->met()) {
      return SendProblem(
          exchange, style,
          Invalid("[/_cat/tasks] is served for at most [" +
                  std::to_string(limits::kGroupParentsMax) + "] tasks and [" +
                  std::to_string(budget->tasks()) +
                  "] match: use a filter ([nodes], [actions], [parent_task_id]) or [/_tasks]"));
    }
    if (held->refusal()) return SendProblem(exchange, style, HeldTooMuch(*held));
    // Rows are made of several times what is sent of them.
    const std::size_t bytes = budget->tasks() * sizeof(Row);
    const auto shared = std::make_shared<Gathered>(std::move(*gathered));
    SendLong(exchange, aside, bytes, [style, wishes, wait, shared] {
      return RenderTasks(style, wishes, wait, std::move(*shared));
    });
  };
  query.wait = wait.wanted;
  query.context = ContextOf(exchange, wait);
  query.as_task = AsTask(request);
  coordinator.List(std::move(query), wait.timeout, sinks, std::move(done));
}

}  // namespace quell::opensearch
