#include "coordinator/api/native/native_api.h"

#include <string>
#include <utility>

#include "coordinator/api/opensearch/request/answer.h"
#include "coordinator/api/opensearch/request/errors.h"
#include "coordinator/api/opensearch/request/params.h"
#include "coordinator/api/opensearch/request/waiting.h"
#include "coordinator/api/opensearch/tasks/render.h"
#include "core/limits.h"
#include "transport/http/json_writer.h"

namespace quell::native {
namespace {

using http::Exchange;
using http::Method;
using ExchangePtr = std::shared_ptr<Exchange>;

void Send(const ExchangePtr& exchange, int status, std::string body) {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  if (status == 429) response.headers.push_back({"Retry-After", "1"});
  exchange->Send(std::move(response));
}

void RenderError(http::JsonWriter& json, const Error& error) {
  json.Key("error").BeginObject();
  json.Field("type", ToString(error.code)).Field("reason", error.message).EndObject();
}

void SendError(const ExchangePtr& exchange, const Error& error, opensearch::ErrorSource whose) {
  const int status = opensearch::RowFor(error.code, whose).status;
  std::string body;
  http::JsonWriter json(body);
  json.BeginObject();
  RenderError(json, error);
  json.Field("status", status).EndObject();
  Send(exchange, status, std::move(body));
}

// Everything was read that this route reads. True: it was not all, and the client has been told.
bool Refuse(const ExchangePtr& exchange, opensearch::Params& params) {
  const auto problem = params.Finish();
  if (!problem) return false;
  SendError(exchange, {ErrorCode::kInvalidArgument, problem->reason},
            opensearch::ErrorSource::kService);
  return true;
}

bool RefuseParams(const ExchangePtr& exchange) {
  opensearch::Params params(exchange->request());
  return Refuse(exchange, params);
}

void Millis(http::JsonWriter& json, std::string_view key, const std::optional<WallTime>& time) {
  if (time) json.Field(key, MillisSinceEpoch(*time));
}

void RenderReceipt(http::JsonWriter& json, const Receipt& receipt) {
  json.BeginObject().Field("intent", receipt.intent.view());
  json.Field("state", ToString(receipt.state));
  json.Field("recorded_at_millis", MillisSinceEpoch(receipt.recorded_at));
  Millis(json, "delivered_at_millis", receipt.delivered_at);
  Millis(json, "acknowledged_at_millis", receipt.acknowledged_at);
  Millis(json, "escalated_at_millis", receipt.escalated_at);
  Millis(json, "ended_at_millis", receipt.ended_at);
  if (receipt.outcome) json.Field("outcome", ToString(*receipt.outcome));
  if (!receipt.note.empty()) json.Field("note", receipt.note);
  json.EndObject();
}

WallTime EndOf(const TaskView& task) {
  return task.start_wall + std::chrono::duration_cast<WallClock::duration>(task.running);
}

void RenderResources(http::JsonWriter& json, const ResourceUse& use) {
  json.Key("resources").BeginObject();
  if (use.cpu) {
    json.Field("cpu_time_in_nanos", std::int64_t{use.cpu->total.count()});
    json.Field("average_cpu_time_in_nanos", std::int64_t{use.cpu->average().count()});
    json.Field("least_cpu_time_in_nanos", std::int64_t{use.cpu->least.count()});
    json.Field("most_cpu_time_in_nanos", std::int64_t{use.cpu->most.count()});
    json.Field("executions", std::uint64_t{use.cpu->executions});
    json.Field("active", std::uint64_t{use.cpu->active});
  }
  if (use.memory) {
    json.Field("memory_in_bytes", use.memory->now);
    json.Field("average_memory_in_bytes", static_cast<std::uint64_t>(use.memory->average));
    json.Field("least_memory_in_bytes", use.memory->least);
    json.Field("most_memory_in_bytes", use.memory->most);
  }
  json.EndObject();
}

void RenderLoad(http::JsonWriter& json, const HostLoad& load) {
  const auto percent = [&json](std::string_view name, const std::optional<unsigned>& value) {
    if (value) json.Field(name, std::uint64_t{*value});
  };
  json.Key("host_load").BeginObject();
  if (load.averages) {
    json.Key("load_1m").Raw(LoadText(load.averages->one));
    json.Key("load_5m").Raw(LoadText(load.averages->five));
    json.Key("load_15m").Raw(LoadText(load.averages->fifteen));
  }
  percent("cpu_percent", load.cpu_percent);
  percent("memory_percent", load.memory_percent);
  percent("daemon_memory_percent", load.daemon_percent);
  json.EndObject();
}

// Whole records of tasks, with commas between them.
class Records final : public HeldSink {
 public:
  explicit Records(std::shared_ptr<http::HeldBytes> held = nullptr) : HeldSink(std::move(held)) {}
  void OnTasks(std::span<const TaskView> page) override {
    if (Omits(page.size())) return;
    const std::size_t before = text_.size();
    for (const TaskView& task : page) {
      if (!text_.empty()) text_ += ',';
      http::JsonWriter json(text_);
      json.BeginObject().Field("id", task.id.ToString());
      json.Field("node", task.id.node.view()).Field("number", task.id.number);
      json.Field("type", task.type).Field("action", task.action);
      json.Field("description", task.description).Field("state", ToString(task.state));
      if (!task.status_json.empty()) json.Key("status").Raw(task.status_json);
      json.Field("cancellable", task.cancellable).Field("detached", task.detached);
      json.Field("start_time_in_millis", MillisSinceEpoch(task.start_wall));
      json.Field("running_time_in_nanos", static_cast<std::int64_t>(task.running.count()));
      if (IsTerminal(task.state)) {
        json.Field("end_time_in_millis", MillisSinceEpoch(EndOf(task)));
      }
      if (task.parent) json.Field("parent", task.parent->ToString());
      json.Field("uid", std::uint64_t{task.owner_uid});
      if (task.pid != 0) json.Field("pid", task.pid);
      json.Field("on_parent_lost", ToString(task.on_parent_lost));
      Millis(json, "last_check_millis", task.last_check);
      if (task.resources.measured()) RenderResources(json, task.resources);
      json.Key("headers").BeginObject();
      for (const Header& header : task.headers)
        json.Field(header.name, header.value);
      json.EndObject().Key("cancel");
      if (task.cancelled) {
        json.BeginObject().Field("at_millis", MillisSinceEpoch(task.cancelled_at));
        json.Field("by", task.cancelled_by).Field("reason", task.cancel_reason).EndObject();
      } else {
        json.Null();
      }
      json.EndObject();
    }
    if (Keeps(text_.capacity(), page.size())) return;
    text_.resize(before);
    text_.shrink_to_fit();
  }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// What is known of one task, in an object that is open.
void RenderFound(http::JsonWriter& json, const TaskSink& sink, const std::string& node_name,
                 bool ended, const std::optional<Receipt>& receipt) {
  json.Key("task").Raw(SinkAs<Records>(sink).text());
  json.Field("node_name", node_name).Field("ended", ended);
  json.Key("receipt");
  if (receipt) {
    RenderReceipt(json, *receipt);
  } else {
    json.Null();
  }
}

void RenderAwaited(http::JsonWriter& json, const AwaitedTask& task) {
  json.BeginObject().Field("id", task.id.ToString());
  if (task.unknown) {
    json.Field("result", "unknown").Field("node_name", task.node_name);
    RenderError(json, *task.unknown);
  } else {
    json.Field("result", task.ended ? "ended" : "running");
    RenderFound(json, *task.sink, task.node_name, task.ended, task.receipt);
  }
  json.EndObject();
}

std::vector<TaskIdText> ReadIds(opensearch::Params& params) {
  std::vector<TaskIdText> ids;
  for (const std::string& text : params.List("tasks")) {
    ids.push_back(params.ParseTaskId(text));
    if (ids.back().unset) params.Fail("[tasks] has [" + text + "], which names no task");
  }
  if (ids.empty() || ids.size() > limits::kAwaitIdsMax) {
    params.Fail("[tasks] must name at least one task and at most " +
                std::to_string(limits::kAwaitIdsMax));
  }
  return ids;
}

void RenderSlot(http::JsonWriter& json, const Slot& slot) {
  json.BeginObject().Field("id", slot.node->id.view()).Field("name", slot.node->name);
  json.Key("tasks").BeginArray();
  const std::string& tasks = SinkAs<Records>(*slot.sink).text();
  if (!tasks.empty()) json.Raw(tasks);
  json.EndArray().EndObject();
}

void RenderFailure(http::JsonWriter& json, const NodeFailure& failure) {
  json.BeginObject().Field("node", failure.node);
  if (!failure.name.empty()) json.Field("name", failure.name);
  json.Field("cause", ToString(failure.cause));
  Millis(json, "since_millis", failure.since);
  json.Field("reason", Describe(failure)).EndObject();
}

http::Response RenderList(const Gathered& gathered) {
  http::Response response;
  response.status = 200;
  response.headers.push_back(
      {"Quell-Nodes", opensearch::Coverage(gathered.selected(), gathered.failed())});
  http::JsonWriter json(response.body);
  json.BeginObject().Key("nodes").BeginArray();
  for (const Slot& slot : gathered.slots) {
    if (!slot.failure) RenderSlot(json, slot);
  }
  json.EndArray().Key("task_failures").BeginArray();
  for (const Slot& slot : gathered.slots) {
    for (const TaskFailure& failure : slot.task_failures) {
      json.BeginObject().Field("node", failure.node.view());
      if (failure.number != 0) json.Field("number", failure.number);
      json.Field("type", opensearch::kUnreadableTask).Field("reason", failure.reason);
      json.EndObject();
    }
  }
  json.EndArray().Key("node_failures").BeginArray();
  for (const Slot& slot : gathered.slots) {
    if (!slot.failure) continue;
    RenderFailure(json, *slot.failure);
  }
  json.EndArray().EndObject();
  return response;
}

// A node that was to leave and on which something lives is an error that names it.
void SendDrained(const ExchangePtr& exchange, DrainQuery::What what, const DrainAnswer& answer) {
  const bool stays = what == DrainQuery::What::kLeave && !answer.left;
  std::string body;
  http::JsonWriter json(body);
  json.BeginObject();
  if (stays) {
    json.Key("error").BeginObject().Field("type", ToString(ErrorCode::kFailedPrecondition));
    json.Field("reason", "node " + answer.node.name +
                             " cannot leave: " + std::to_string(answer.live) +
                             " tasks live there; wait until they have ended, or cancel them");
    json.EndObject().Field("status", 409);
  }
  json.Field("node", answer.node.id.view()).Field("name", answer.node.name);
  json.Field("draining", answer.draining).Field("left", answer.left);
  json.Field("live", answer.live).Key("tasks").BeginArray();
  if (answer.sink != nullptr && !answer.left) {
    const std::string& tasks = SinkAs<Records>(*answer.sink).text();
    if (!tasks.empty()) json.Raw(tasks);
  }
  json.EndArray().EndObject();
  Send(exchange, stays ? 409 : 200, std::move(body));
}

void Plain(const ExchangePtr& exchange, int status, std::string text) {
  http::Response response;
  response.status = status;
  response.content_type = "text/plain; charset=UTF-8";
  response.body = std::move(text);
  exchange->Send(std::move(response));
}

}  // namespace

NativeApi::NativeApi(Coordinator& coordinator, std::function<bool()> ready, Rendering rendering)
    : coordinator_(coordinator), ready_(std::move(ready)), rendering_(std::move(rendering)) {}

void NativeApi::AddRoutes(http::Router& router) {
  router.Add(Method::kGet, "/livez", Permission::kNone,
             [](const ExchangePtr& exchange) { Plain(exchange, 200, "ok\n"); });
  router.Add(Method::kGet, "/readyz", Permission::kNone, [this](const ExchangePtr& exchange) {
    if (ready_()) return Plain(exchange, 200, "ok\n");
    Plain(exchange, 503, "stopping\n");
  });
  router.Add(Method::kGet, "/quell/v1/tasks/{id}", Permission::kTaskGet,
             [this](const ExchangePtr& exchange) { GetTask(exchange); });
  router.Add(Method::kGet, "/quell/v1/tasks", Permission::kTaskList,
             [this](const ExchangePtr& exchange) { ListTasks(exchange); });
  router.Add(Method::kGet, "/quell/v1/wait", Permission::kTaskGet,
             [this](const ExchangePtr& exchange) { WaitForTasks(exchange); });
  router.Add(Method::kGet, "/quell/v1/nodes", Permission::kTaskList,
             [this](const ExchangePtr& exchange) { ListNodes(exchange); });
  router.Add(Method::kDelete, "/quell/v1/nodes/{id}", Permission::kNodeManage,
             [this](const ExchangePtr& exchange) { ForgetNode(exchange); });
  const auto drain = [&](Method method, const char* path, DrainQuery::What what) {
    router.Add(method, path, Permission::kNodeManage,
               [this, what](const ExchangePtr& exchange) { DrainNode(exchange, what); });
  };
  drain(Method::kPost, "/quell/v1/nodes/{id}/drain", DrainQuery::What::kDrain);
  drain(Method::kDelete, "/quell/v1/nodes/{id}/drain", DrainQuery::What::kTakeAgain);
  drain(Method::kPost, "/quell/v1/nodes/{id}/leave", DrainQuery::What::kLeave);
}

void NativeApi::GetTask(const ExchangePtr& exchange) {
  if (RefuseParams(exchange)) return;
  Result<TaskIdText> id = TaskIdText::Parse(exchange->request().captures.front());
  if (!id) return SendError(exchange, id.error(), opensearch::ErrorSource::kService);
  auto sinks = [](const NodeInfo&) { return std::make_shared<Records>(); };
  coordinator_.Get({*id}, limits::kNodeDeadline, sinks, [exchange](Result<GetAnswer> answer) {
    if (!answer) return SendError(exchange, answer.error(), opensearch::ErrorSource::kService);
    std::string body;
    http::JsonWriter json(body);
    json.BeginObject();
    RenderFound(json, *answer->sink, answer->node.name, answer->ended, answer->receipt);
    json.EndObject();
    Send(exchange, 200, std::move(body));
  });
}

void NativeApi::WaitForTasks(const ExchangePtr& exchange) {
  opensearch::Params params(exchange->request());
  AwaitQuery query;
  query.ids = ReadIds(params);
  query.wait = params.Duration("timeout").value_or(limits::kWaitDefault);
  if (query.wait < MonoClock::duration::zero() || query.wait > limits::kWaitMax) {
    params.Fail("[timeout] must be at least [0] and at most [" +
                std::to_string(std::chrono::seconds(limits::kWaitMax).count()) + "s] but was [" +
                params.Text("timeout") + "]");
  }
  if (const auto problem = params.Finish()) {
    return SendError(exchange, {ErrorCode::kInvalidArgument, problem->reason},
                     opensearch::ErrorSource::kService);
  }
  query.context = std::make_shared<RequestContext>();
  exchange->OnGone([context = query.context] { context->Leave(); });
  auto sinks = [](const NodeInfo&) { return std::make_shared<Records>(); };
  coordinator_.Await(std::move(query), sinks, [exchange](Result<std::vector<AwaitedTask>> answer) {
    if (!answer) return SendError(exchange, answer.error(), opensearch::ErrorSource::kService);
    std::string body;
    http::JsonWriter json(body);
    json.BeginObject().Key("tasks").BeginArray();
    for (const AwaitedTask& task : *answer)
      RenderAwaited(json, task);
    json.EndArray().EndObject();
    Send(exchange, 200, std::move(body));
  });
}

void NativeApi::ListTasks(const ExchangePtr& exchange) {
  opensearch::Params params(exchange->request());
  ListQuery query;
  query.detailed = true;
  opensearch::TaskSelection selection = opensearch::ReadSelection(params);
  query.nodes.tokens = std::move(selection.nodes);
  query.filter = std::move(selection.filter);
  const auto within = params.Duration("ended_within");
  if (within) query.ended_within = std::chrono::duration_cast<WallClock::duration>(*within);
  if (within && within->count() < 0) params.Fail("[ended_within] is negative");
  const auto timeout =
      opensearch::ReadTimeoutOnly(params, opensearch::Profile::kDocumented).timeout;
  if (Refuse(exchange, params)) return;
  const auto held = std::make_shared<http::HeldBytes>(rendering_.held);
  auto sinks = [held](const NodeInfo&) { return std::make_shared<Records>(held); };
  auto done = [this, exchange, held](Result<Gathered> gathered) {
    if (!gathered) return SendError(exchange, gathered.error(), opensearch::ErrorSource::kService);
    if (const auto refusal = held->refusal()) {
      const bool busy = *refusal == http::HeldRefusal::kBusy;
      return SendError(exchange,
                       {busy ? ErrorCode::kResourceExhausted : ErrorCode::kInvalidArgument,
                        http::Describe(*refusal, *held->budget())},
                       opensearch::ErrorSource::kService);
    }
    std::size_t bytes = 0;
    for (const Slot& slot : gathered->slots) {
      if (!slot.failure) bytes += SinkAs<Records>(*slot.sink).text().size();
    }
    const auto shared = std::make_shared<Gathered>(std::move(*gathered));
    opensearch::SendLong(exchange, rendering_.aside, bytes, [shared] {
      const Gathered all = std::move(*shared);
      return RenderList(all);
    });
  };
  coordinator_.List(std::move(query), timeout, sinks, std::move(done));
}

void NativeApi::ListNodes(const ExchangePtr& exchange) {
  if (RefuseParams(exchange)) return;
  std::string body;
  http::JsonWriter json(body);
  json.BeginObject().Key("nodes").BeginArray();
  for (const MemberStatus& member : coordinator_.Members()) {
    json.BeginObject().Field("id", member.info.id.view()).Field("name", member.info.name);
    json.Field("address", member.info.address).Field("version", member.info.version);
    json.Field("incarnation", static_cast<std::uint64_t>(member.info.incarnation));
    json.Field("coordinator", member.is_self).Field("alive", member.alive);
    json.Field("state", ToString(member.standing.presence));
    Millis(json, "since_millis", member.standing.since);
    if (member.live_tasks) json.Field("live_tasks", *member.live_tasks);
    json.Field("draining", member.draining).Field("pending", std::uint64_t{member.pending});
    if (member.restored) json.Field("restored", true);
    if (member.cancelled_running) {
      json.Key("cancelled_running").BeginObject().Field("now", member.cancelled_running->now);
      json.Field("total", member.cancelled_running->total).EndObject();
    }
    if (member.host_load.measured()) RenderLoad(json, member.host_load);
    json.EndObject();
  }
  json.EndArray().EndObject();
  Send(exchange, 200, std::move(body));
}

// Null within: the client has been told what is wrong.
std::optional<NodeId> NativeApi::NodeOf(const ExchangePtr& exchange) {
  const std::string& text = exchange->request().captures.front();
  const std::optional<NodeId> id = NodeId::Parse(text);
  if (!id) {
    SendError(exchange,
              {ErrorCode::kInvalidArgument,
               "[" + text + "] is no node id: take one of GET /quell/v1/nodes"},
              opensearch::ErrorSource::kService);
  }
  return id;
}

void NativeApi::ForgetNode(const ExchangePtr& exchange) {
  if (RefuseParams(exchange)) return;
  const std::optional<NodeId> id = NodeOf(exchange);
  if (!id) return;
  coordinator_.Forget(*id, [exchange](Result<Forgotten> forgotten) {
    if (!forgotten) return SendError(exchange, forgotten.error(), opensearch::ErrorSource::kStore);
    std::string body;
    http::JsonWriter json(body);
    json.BeginObject().Field("forgotten", forgotten->node.id.view());
    json.Field("name", forgotten->node.name);
    json.Field("pending", std::uint64_t{forgotten->pending});
    if (forgotten->live_tasks) json.Field("live_tasks", *forgotten->live_tasks);
    json.EndObject();
    Send(exchange, 200, std::move(body));
  });
}

void NativeApi::DrainNode(const ExchangePtr& exchange, DrainQuery::What what) {
  opensearch::Params params(exchange->request());
  DrainQuery query;
  query.what = what;
  query.wait = params.Bool("wait", false);
  const auto timeout = params.Duration("timeout");
  if (timeout && timeout->count() < 0) params.Fail("[timeout] is negative");
  if (const auto problem = params.Finish()) {
    return SendError(exchange, {ErrorCode::kInvalidArgument, problem->reason},
                     opensearch::ErrorSource::kService);
  }
  const std::optional<NodeId> id = NodeOf(exchange);
  if (!id) return;
  query.node = *id;
  const auto context = std::make_shared<RequestContext>();
  exchange->OnGone([context] { context->Leave(); });
  query.context = context;
  const MonoClock::duration usual =
      query.wait ? MonoClock::duration(limits::kWaitDefault) : limits::kNodeDeadline;
  auto sinks = [](const NodeInfo&) { return std::make_shared<Records>(); };
  coordinator_.Drain(std::move(query), timeout ? MonoClock::duration(*timeout) : usual, sinks,
                     [exchange, what](const Result<DrainAnswer>& answer) {
                       if (!answer) {
                         return SendError(exchange, answer.error(),
                                          opensearch::ErrorSource::kService);
                       }
                       SendDrained(exchange, what, *answer);
                     });
}

}  // namespace quell::native
