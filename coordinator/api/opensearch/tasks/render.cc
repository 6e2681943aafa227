#include "coordinator/api/opensearch/tasks/render.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "coordinator/api/opensearch/format/human.h"
#include "coordinator/api/opensearch/request/failures.h"
#include "core/utc_time.h"

namespace quell::opensearch {
namespace {

// `node:number` without a string of its own.
class IdText {
 public:
  explicit IdText(const TaskId& id) {
    const std::string_view node = id.node.view();
    char* at = std::copy(node.begin(), node.end(), text_.data());
    *at++ = ':';
    end_ = std::to_chars(at, text_.data() + text_.size(), id.number).ptr;
  }
  std::string_view view() const {
    return {text_.data(), static_cast<std::size_t>(end_ - text_.data())};
  }

 private:
  std::array<char, NodeId::kLength + 24> text_;
  char* end_;
};

// Of a task of which nothing is measured a real server has all of it, and zeros.
constexpr CpuUse kNoCpu{.executions = 0};
constexpr MemoryUse kNoMemory{};

void RenderHeaders(http::JsonWriter& json, const TaskView& task) {
  json.Key("headers").BeginObject();
  for (const Header& header : task.headers)
    json.Field(header.name, header.value);
  json.EndObject();
}

// A real server takes the moment for a duration since 1970.
void RenderCancellation(http::JsonWriter& json, std::int64_t millis, const TaskLook& look) {
  if (look.human) {
    json.Field("cancellation_time", look.profile == Profile::kStrict
                                        ? HumanDuration(millis * 1'000'000)
                                        : IsoTime(millis));
  }
  json.Field("cancellation_time_millis", millis);
}

}  // namespace

void RenderResourceStats(http::JsonWriter& json, const ResourceUse& use, Profile profile) {
  const bool strict = profile == Profile::kStrict;
  const CpuUse* cpu = use.cpu ? &*use.cpu : strict ? &kNoCpu : nullptr;
  const MemoryUse* memory = use.memory ? &*use.memory : strict ? &kNoMemory : nullptr;
  auto figures = [&](std::string_view name, auto nanos, auto bytes) {
    json.Key(name).BeginObject();
    if (cpu != nullptr) json.Field("cpu_time_in_nanos", std::int64_t{nanos(*cpu).count()});
    if (memory != nullptr) json.Field("memory_in_bytes", std::uint64_t{bytes(*memory)});
    json.EndObject();
  };
  json.BeginObject();
  figures(
      "average",
      [](const CpuUse& c) { return c.executions > 0 ? c.average() : std::chrono::nanoseconds(0); },
      [](const MemoryUse& m) { return static_cast<std::uint64_t>(m.average); });
  figures(
      "total", [](const CpuUse& c) { return c.total; }, [](const MemoryUse& m) { return m.now; });
  figures(
      "min", [](const CpuUse& c) { return c.least; }, [](const MemoryUse& m) { return m.least; });
  figures(
      "max", [](const CpuUse& c) { return c.most; }, [](const MemoryUse& m) { return m.most; });
  if (cpu != nullptr) {
    json.Key("thread_info").BeginObject();
    json.Field("thread_executions", std::uint64_t{cpu->executions});
    json.Field("active_threads", std::uint64_t{cpu->active}).EndObject();
  }
  json.EndObject();
}

void RenderTask(http::JsonWriter& json, const TaskView& task, const TaskLook& look) {
  const TaskShape shape = look.shape;
  const bool detailed = shape == TaskShape::kDetailed || shape == TaskShape::kEnded;
  json.BeginObject();
  json.Field("node", task.id.node.view()).Field("id", task.id.number);
  json.Field("type", task.type).Field("action", task.action);
  if (detailed && !task.status_json.empty()) json.Key("status").Raw(task.status_json);
  if (shape == TaskShape::kCancelAnswer && task.cancelled) json.Field("status", "cancelled");
  if (detailed || shape == TaskShape::kCancelAnswer) json.Field("description", task.description);
  const std::int64_t start = MillisSinceEpoch(task.start_wall);
  const auto running = static_cast<std::int64_t>(task.running.count());
  if (look.human) json.Field("start_time", IsoTime(start));
  json.Field("start_time_in_millis", start);
  if (look.human) json.Field("running_time", HumanDuration(running));
  json.Field("running_time_in_nanos", running);
  json.Field("cancellable", task.cancellable).Field("cancelled", task.cancelled);
  if (task.parent) json.Field("parent_task_id", IdText(*task.parent).view());
  RenderHeaders(json, task);
  const bool stats = look.profile == Profile::kStrict ? shape == TaskShape::kDetailed
                                                      : detailed && task.resources.measured();
  if (stats) RenderResourceStats(json.Key("resource_stats"), task.resources, look.profile);
  if (task.cancelled) RenderCancellation(json, MillisSinceEpoch(task.cancelled_at), look);
  json.EndObject();
}

void TasksObject::OnTasks(std::span<const TaskView> page) {
  if (Omits(page.size())) return;
  const std::size_t before = text_.size();
  for (const TaskView& task : page) {
    json_.Key(IdText(task.id).view());
    RenderTask(json_, task, look_);
  }
  if (!Keeps(text_.capacity(), page.size())) {
    text_.resize(before);
    text_.shrink_to_fit();
    return;
  }
  count_ += page.size();
  if (!page.empty()) last_ = page.back().id.number;
}

const std::string& TasksObject::Close() {
  json_.EndObject();
  return text_;
}

void OneTask::OnTasks(std::span<const TaskView> page) {
  for (const TaskView& task : page) {
    http::JsonWriter live(live_);
    RenderTask(live, task, {TaskShape::kDetailed, look_.human, look_.profile});
    http::JsonWriter ended(ended_);
    RenderTask(ended, task, {TaskShape::kEnded, look_.human, look_.profile});
    end_ = {task.state, std::string(task.cancel_reason), task.running};
  }
}

namespace {

void RenderError(http::JsonWriter& json, std::string_view type, std::string_view reason) {
  json.Key("error").BeginObject().Field("type", type).Field("reason", reason).EndObject();
}

// As a real server has it of what was cancelled. Typed clients want every member; there is nothing
// to count here.
void RenderCancelledResponse(http::JsonWriter& json, const TaskEnd& end) {
  json.Key("response").BeginObject();
  json.Field("took", std::chrono::duration_cast<std::chrono::milliseconds>(end.ran).count());
  json.Field("timed_out", false);
  for (const char* name :
       {"total", "updated", "created", "deleted", "batches", "version_conflicts", "noops"}) {
    json.Field(name, std::int64_t{0});
  }
  json.Key("retries").BeginObject().Field("bulk", std::int64_t{0});
  json.Field("search", std::int64_t{0}).EndObject();
  json.Field("throttled", "0s").Field("throttled_millis", std::int64_t{0});
  json.Key("requests_per_second").Raw("-1.0");
  json.Field("canceled", end.cancel_reason.empty() ? "by user request" : end.cancel_reason);
  json.Field("throttled_until", "0s").Field("throttled_until_millis", std::int64_t{0});
  json.Key("failures").BeginArray().EndArray().EndObject();
}

}  // namespace

void RenderEnd(http::JsonWriter& json, const TaskEnd& end, Profile profile) {
  switch (end.state) {
    case TaskState::kFailed:
      return RenderError(json, "task_failed_exception", "the task reported that it failed");
    case TaskState::kExpired:
      return RenderError(json, "task_expired_exception", "the task ended because of its deadline");
    case TaskState::kLost:
      return RenderError(json, "task_lost_exception",
                         "the task's program went away without a report: how the work ended is not "
                         "known");
    case TaskState::kRejected:
      return RenderError(json, "task_rejected_exception", "the task was never taken");
    case TaskState::kCancelled:
      if (profile == Profile::kStrict) RenderCancelledResponse(json, end);
      return;
    default:
      return;
  }
}

void RenderFailure(http::JsonWriter& json, const NodeFailure& failure) {
  json.BeginObject().Field("type", "failed_node_exception");
  json.Field("reason", "Failed node [" + failure.node + "]").Field("node_id", failure.node);
  json.Key("caused_by").BeginObject();
  json.Field("type", TypeOf(failure)).Field("reason", Describe(failure));
  if (failure.cause == FailureCause::kNoSuchNode) json.Field("node_id", failure.node);
  json.EndObject().EndObject();
}

namespace {

// As a real server has it: what was selected, and could not be done.
void RenderSpared(http::JsonWriter& json, const TaskId& task) {
  json.BeginObject().Field("task_id", task.number).Field("node_id", task.node.view());
  json.Field("status", "CONFLICT").Key("reason").BeginObject();
  json.Field("type", "task_order_unknown_exception");
  json.Field(
      "reason",
      "task [" + task.ToString() +
          "] was spared: nobody can tell whether it began before the cancel; cancel it by its "
          "id if it is to stop");
  json.EndObject().EndObject();
}

void RenderUnreadable(http::JsonWriter& json, const TaskFailure& failure) {
  json.BeginObject().Field("task_id", failure.number);
  json.Field("node_id", failure.node.view()).Field("status", "INTERNAL_SERVER_ERROR");
  json.Key("reason").BeginObject().Field("type", kUnreadableTask);
  json.Field("reason", failure.reason).EndObject().EndObject();
}

// The key is there only if there are any, as a real server has it.
void RenderTaskFailures(http::JsonWriter& json, const Gathered& gathered) {
  if (!gathered.misses_tasks() && gathered.doubtful.empty()) return;
  json.Key("task_failures").BeginArray();
  for (const TaskId& task : gathered.doubtful)
    RenderSpared(json, task);
  for (const Slot& slot : gathered.slots) {
    for (const TaskFailure& failure : slot.task_failures)
      RenderUnreadable(json, failure);
  }
  json.EndArray();
}

}  // namespace

void RenderFailures(http::JsonWriter& json, const Gathered& gathered, Profile profile) {
  RenderTaskFailures(json, gathered);
  if (profile == Profile::kStrict && gathered.failed() == 0) return;
  json.Key("node_failures").BeginArray();
  for (const Slot& slot : gathered.slots) {
    if (slot.failure) RenderFailure(json, *slot.failure);
  }
  json.EndArray();
  if (gathered.running > 0) json.Field("timed_out", true);
}

void RenderNodeFields(http::JsonWriter& json, const NodeInfo& node, Profile profile) {
  json.Field("name", node.name).Field("transport_address", node.address);
  json.Field("host", node.host).Field("ip", node.address);
  json.Key("roles").BeginArray();
  for (const std::string& role : node.roles)
    json.String(role);
  json.EndArray();
  if (profile == Profile::kStrict && node.attributes.empty()) return;
  json.Key("attributes").BeginObject();
  for (const Header& attribute : node.attributes)
    json.Field(attribute.name, attribute.value);
  json.EndObject();
}

std::string RenderGathered(const Gathered& gathered, Profile profile) {
  std::string body;
  std::size_t size = 64;
  for (const Slot& slot : gathered.slots) {
    size += 512 + (slot.sink ? SinkAs<TasksObject>(*slot.sink).size() : 0);
  }
  body.reserve(size);
  http::JsonWriter json(body);
  json.BeginObject();
  RenderFailures(json, gathered, profile);
  json.Key("nodes").BeginObject();
  for (const Slot& slot : gathered.slots) {
    if (slot.failure) continue;
    auto& tasks = SinkAs<TasksObject>(*slot.sink);
    if (profile == Profile::kStrict && tasks.count() == 0) continue;
    json.Key(slot.node->id.view()).BeginObject();
    RenderNodeFields(json, *slot.node, profile);
    json.Key("tasks").Raw(tasks.Close());
    if (tasks.omitted() > 0 && profile == Profile::kDocumented) json.Field("incomplete", true);
    json.EndObject();
  }
  json.EndObject().EndObject();
  return body;
}

std::string Coverage(std::size_t selected, std::size_t failed) {
  return "selected=" + std::to_string(selected) + " answered=" + std::to_string(selected - failed) +
         " failed=" + std::to_string(failed);
}

}  // namespace quell::opensearch
