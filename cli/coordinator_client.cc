#include "cli/coordinator_client.h"

#include <algorithm>
#include <cctype>
#include <tuple>
#include <utility>

#include <boost/json.hpp>

#include "cli/json_fields.h"
#include "core/limits.h"

namespace quell::cli {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

// For the whole of an answer that has begun: a list can be long.
constexpr milliseconds kWholeAnswerLimit = limits::kNodeDeadlineMax + std::chrono::seconds(5);

Error NotOurs(std::string_view what, std::string_view body) {
  return {ErrorCode::kInternal, "the coordinator answered " + std::string(what) +
                                    " with: " + std::string(body.substr(0, 300))};
}

std::optional<std::int64_t> MaybeNumber(const json::object& object, std::string_view key) {
  if (!object.contains(key)) return std::nullopt;
  return Number(object, key);
}

ResourceEntry ReadResources(const json::object& object) {
  return {MaybeNumber(object, "cpu_time_in_nanos"), MaybeNumber(object, "memory_in_bytes"),
          MaybeNumber(object, "most_memory_in_bytes")};
}

HostLoad ReadLoad(const json::object& object) {
  const auto real = [&object](std::string_view key) {
    boost::system::error_code none;
    const json::value* value = object.if_contains(key);
    return value == nullptr ? 0 : value->to_number<double>(none);
  };
  const auto percent = [&object](std::string_view key) -> std::optional<unsigned> {
    if (const auto number = MaybeNumber(object, key)) return static_cast<unsigned>(*number);
    return std::nullopt;
  };
  HostLoad load;
  if (object.contains("load_1m")) {
    load.averages = LoadAverages{real("load_1m"), real("load_5m"), real("load_15m")};
  }
  load.cpu_percent = percent("cpu_percent");
  load.memory_percent = percent("memory_percent");
  load.daemon_percent = percent("daemon_memory_percent");
  return Check(load) ? load : HostLoad();
}

TaskEntry ReadTask(const json::object& object) {
  TaskEntry task;
  task.node = Text(object, "node");
  task.number = static_cast<std::uint64_t>(Number(object, "id"));
  task.action = Text(object, "action");
  task.description = Text(object, "description");
  if (const json::object* status = Object(object, "status")) {
    task.status_json = json::serialize(*status);
  }
  task.parent = Text(object, "parent_task_id");
  task.start_millis = Number(object, "start_time_in_millis");
  task.running_nanos = Number(object, "running_time_in_nanos");
  task.cancellable = Flag(object, "cancellable");
  task.cancelled = Flag(object, "cancelled");
  task.cancelled_millis = MaybeNumber(object, "cancellation_time_millis");
  if (const json::object* stats = Object(object, "resource_stats")) {
    if (const json::object* total = Object(*stats, "total")) {
      task.resources = ReadResources(*total);
    }
  }
  return task;
}

// The native API's spelling.
TaskEntry ReadRecord(const json::object& object) {
  TaskEntry task = ReadTask(object);
  task.number = static_cast<std::uint64_t>(Number(object, "number"));
  task.parent = Text(object, "parent");
  task.state = Text(object, "state");
  task.ended_millis = MaybeNumber(object, "end_time_in_millis");
  if (const json::object* resources = Object(object, "resources")) {
    task.resources = ReadResources(*resources);
  }
  if (const json::object* cancel = Object(object, "cancel")) {
    task.cancelled = true;
    task.cancelled_millis = MaybeNumber(*cancel, "at_millis");
    task.cancelled_by = Text(*cancel, "by");
    task.cancel_reason = Text(*cancel, "reason");
  }
  return task;
}

ReceiptEntry ReadReceipt(const json::object& object) {
  ReceiptEntry receipt;
  receipt.intent = Text(object, "intent");
  receipt.state = Text(object, "state");
  receipt.recorded = MaybeNumber(object, "recorded_at_millis");
  receipt.delivered = MaybeNumber(object, "delivered_at_millis");
  receipt.acknowledged = MaybeNumber(object, "acknowledged_at_millis");
  receipt.escalated = MaybeNumber(object, "escalated_at_millis");
  receipt.ended = MaybeNumber(object, "ended_at_millis");
  receipt.note = Text(object, "note");
  return receipt;
}

// An object with `task`, `node_name`, `ended` and `receipt`.
OneTask ReadOneTask(const json::object& object) {
  const json::object& task = *Object(object, "task");
  OneTask one;
  one.task = ReadRecord(task);
  one.task.node_name = Text(object, "node_name");
  one.ended = Flag(object, "ended");
  one.detached = Flag(task, "detached");
  one.pid = Number(task, "pid");
  one.uid = Number(task, "uid");
  one.on_parent_lost = Text(task, "on_parent_lost");
  one.last_check = MaybeNumber(task, "last_check_millis");
  if (const json::object* receipt = Object(object, "receipt")) one.receipt = ReadReceipt(*receipt);
  return one;
}

void SortTasks(Answer& answer) {
  std::sort(answer.tasks.begin(), answer.tasks.end(), [](const TaskEntry& a, const TaskEntry& b) {
    return std::tie(a.node_name, a.node, a.number) < std::tie(b.node_name, b.node, b.number);
  });
}

void ReadNodes(const json::object& nodes, Answer& answer) {
  for (const auto& [id, value] : nodes) {
    const json::object* node = value.if_object();
    const json::object* tasks = node == nullptr ? nullptr : Object(*node, "tasks");
    if (tasks == nullptr) continue;
    for (const auto& [task_id, task] : *tasks) {
      if (!task.is_object()) continue;
      answer.tasks.push_back(ReadTask(task.get_object()));
      answer.tasks.back().node_name = Text(*node, "name");
    }
  }
  SortTasks(answer);
}

// The OpenSearch API names the class of an exception.
std::string CauseOf(const std::string& type) {
  if (type == "no_such_node_exception") return "no_such_node";
  if (type == "resource_not_found_exception") return "task_not_found";
  if (type == "illegal_state_exception") return "task_ended";
  if (type == "illegal_argument_exception" || type == "security_exception") return "refused";
  if (type == "node_not_connected_exception" || type == "node_disconnected_exception") {
    return "disconnected";
  }
  if (type == "receive_timeout_transport_exception") return "no_answer";
  if (type == "transport_serialization_exception") return "bad_answer";
  if (type == "rejected_execution_exception") return "busy";
  return type;
}

FailureEntry ReadFailure(const json::object& object) {
  FailureEntry failure{Text(object, "node_id"), CauseOf(Text(object, "type")),
                       Text(object, "reason")};
  if (const json::object* cause = Object(object, "caused_by")) {
    failure.cause = CauseOf(Text(*cause, "type"));
    failure.reason = Text(*cause, "reason");
  }
  return failure;
}

std::string Encode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~') {
      encoded += c;
    } else {
      encoded += {'%', kHex[byte >> 4], kHex[byte & 0xF]};
    }
  }
  return encoded;
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words)
    text += (text.empty() ? "" : ",") + word;
  return text;
}

// Of a 503: who cannot serve now says by its type whether something may have been done.
ErrorCode CodeOfUnavailable(const std::string& type) {
  if (type == "outcome_unknown" || type == "cancel_outcome_unknown") {
    return ErrorCode::kOutcomeUnknown;
  }
  if (type == "deadline_exceeded" || type == "receive_timeout_transport_exception") {
    return ErrorCode::kDeadlineExceeded;
  }
  return ErrorCode::kUnavailable;
}

Error ErrorOf(const http::Response& response) {
  std::string reason;
  std::string type;
  json::value root;
  if (const json::object* object = ParseObject(response.body, root)) {
    if (const json::object* error = Object(*object, "error")) {
      reason = Text(*error, "reason");
      type = Text(*error, "type");
    }
  }
  if (reason.empty()) {
    reason = "HTTP status " + std::to_string(response.status) + ": " + response.body.substr(0, 300);
  }
  switch (response.status) {
    case 400:
      return {ErrorCode::kInvalidArgument, reason};
    case 401:
    case 403:
      return {ErrorCode::kPermissionDenied, reason};
    case 404:
      return {ErrorCode::kNotFound, reason};
    case 409:
      return {ErrorCode::kFailedPrecondition, reason};
    case 429:
    case 507:
      return {ErrorCode::kResourceExhausted, reason};
    case 503:
      return {CodeOfUnavailable(type), reason};
    default:
      return {ErrorCode::kInternal, reason};
  }
}

std::string HeaderOf(const http::Response& response, std::string_view name) {
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  };
  for (const Header& header : response.headers) {
    if (std::equal(header.name.begin(), header.name.end(), name.begin(), name.end(), same)) {
      return header.value;
    }
  }
  return {};
}

Result<Answer> AnswerOf(const Result<http::Response>& response,
                        Result<Answer> (*parse)(std::string_view) = &ParseAnswer) {
  if (!response) return response.error();
  auto answer = parse(response->body);
  if (!answer) return answer;
  answer->coverage = HeaderOf(*response, "Quell-Nodes");
  answer->operation = HeaderOf(*response, "Quell-Operation");
  answer->known = HeaderOf(*response, "Quell-Operation-Known") == "true";
  return answer;
}

}  // namespace

Result<Answer> ParseAnswer(std::string_view text) {
  json::value root;
  const json::object* object = ParseObject(text, root);
  const json::object* nodes = object == nullptr ? nullptr : Object(*object, "nodes");
  if (nodes == nullptr) return NotOurs("a list", text);
  Answer answer;
  ReadNodes(*nodes, answer);
  if (const json::value* failures = object->if_contains("node_failures");
      failures != nullptr && failures->is_array()) {
    for (const json::value& failure : failures->get_array()) {
      if (failure.is_object()) answer.failures.push_back(ReadFailure(failure.get_object()));
    }
  }
  // Tasks that a cancel has spared.
  if (const json::value* failures = object->if_contains("task_failures");
      failures != nullptr && failures->is_array()) {
    for (const json::value& failure : failures->get_array()) {
      const json::object* one = failure.if_object();
      const json::object* reason = one == nullptr ? nullptr : Object(*one, "reason");
      if (reason == nullptr) continue;
      answer.failures.push_back(
          {Text(*one, "node_id"), CauseOf(Text(*reason, "type")), Text(*reason, "reason")});
    }
  }
  return answer;
}

Result<Answer> ParseHistory(std::string_view text) {
  json::value root;
  const json::object* object = ParseObject(text, root);
  const json::value* nodes = object == nullptr ? nullptr : object->if_contains("nodes");
  if (nodes == nullptr || !nodes->is_array()) return NotOurs("a list", text);
  Answer answer;
  for (const json::value& value : nodes->get_array()) {
    const json::object* node = value.if_object();
    const json::value* tasks = node == nullptr ? nullptr : node->if_contains("tasks");
    if (tasks == nullptr || !tasks->is_array()) continue;
    for (const json::value& task : tasks->get_array()) {
      if (!task.is_object()) continue;
      answer.tasks.push_back(ReadRecord(task.get_object()));
      answer.tasks.back().node_name = Text(*node, "name");
    }
  }
  SortTasks(answer);
  if (const json::value* failures = object->if_contains("node_failures");
      failures != nullptr && failures->is_array()) {
    for (const json::value& failure : failures->get_array()) {
      const json::object* one = failure.if_object();
      if (one == nullptr) continue;
      answer.failures.push_back({Text(*one, "node"), Text(*one, "cause"), Text(*one, "reason")});
    }
  }
  return answer;
}

Result<OneTask> ParseOneTask(std::string_view text) {
  json::value root;
  const json::object* object = ParseObject(text, root);
  if (object == nullptr || Object(*object, "task") == nullptr) return NotOurs("a get", text);
  OneTask one = ReadOneTask(*object);
  one.raw = text;
  return one;
}

Result<std::vector<WaitedTask>> ParseWaited(std::string_view text) {
  json::value root;
  const json::object* object = ParseObject(text, root);
  const json::value* tasks = object == nullptr ? nullptr : object->if_contains("tasks");
  if (tasks == nullptr || !tasks->is_array()) return NotOurs("a wait", text);
  std::vector<WaitedTask> waited;
  for (const json::value& value : tasks->get_array()) {
    const json::object* task = value.if_object();
    if (task == nullptr) continue;
    WaitedTask& one = waited.emplace_back();
    one.id = Text(*task, "id");
    one.node_name = Text(*task, "node_name");
    if (Object(*task, "task") != nullptr) {
      one.one = ReadOneTask(*task);
      one.result = one.one.ended ? WaitedTask::Result::kEnded : WaitedTask::Result::kRunning;
    } else if (const json::object* error = Object(*task, "error")) {
      one.error_type = Text(*error, "type");
      one.reason = Text(*error, "reason");
    }
  }
  return waited;
}

Result<std::vector<NodeEntry>> ParseNodes(std::string_view text) {
  json::value root;
  const json::object* object = ParseObject(text, root);
  const json::value* nodes = object == nullptr ? nullptr : object->if_contains("nodes");
  if (nodes == nullptr || !nodes->is_array()) return NotOurs("a list of nodes", text);
  std::vector<NodeEntry> entries;
  for (const json::value& value : nodes->get_array()) {
    const json::object* node = value.if_object();
    if (node == nullptr) continue;
    NodeEntry& entry = entries.emplace_back();
    entry.id = Text(*node, "id");
    entry.name = Text(*node, "name");
    entry.address = Text(*node, "address");
    entry.alive = Flag(*node, "alive");
    entry.state = Text(*node, "state");
    entry.since_millis = MaybeNumber(*node, "since_millis");
    entry.draining = Flag(*node, "draining");
    if (const auto live = MaybeNumber(*node, "live_tasks")) {
      entry.live_tasks = static_cast<std::uint64_t>(*live);
    }
    entry.is_self = Flag(*node, "coordinator");
    entry.pending = static_cast<std::uint64_t>(Number(*node, "pending"));
    if (const json::object* running = Object(*node, "cancelled_running")) {
      entry.overdue = static_cast<std::uint64_t>(Number(*running, "now"));
      entry.overdue_total = static_cast<std::uint64_t>(Number(*running, "total"));
    }
    if (const json::object* load = Object(*node, "host_load")) entry.load = ReadLoad(*load);
  }
  std::sort(entries.begin(), entries.end(), [](const NodeEntry& a, const NodeEntry& b) {
    return std::tie(a.name, a.id) < std::tie(b.name, b.id);
  });
  return entries;
}

Result<DrainEntry> ParseDrain(std::string_view text) {
  json::value root;
  const json::object* object = ParseObject(text, root);
  if (object == nullptr || !object->contains("draining")) return NotOurs("a drain", text);
  DrainEntry entry;
  entry.name = Text(*object, "name");
  entry.draining = Flag(*object, "draining");
  entry.left = Flag(*object, "left");
  entry.live = static_cast<std::uint64_t>(Number(*object, "live"));
  const json::value* tasks = object->if_contains("tasks");
  if (tasks == nullptr || !tasks->is_array()) return entry;
  for (const json::value& task : tasks->get_array()) {
    if (!task.is_object()) continue;
    entry.tasks.push_back(ReadRecord(task.get_object()));
    entry.tasks.back().node_name = entry.name;
  }
  return entry;
}

Result<ForgottenEntry> ParseForgotten(std::string_view text) {
  json::value root;
  const json::object* object = ParseObject(text, root);
  if (object == nullptr || !object->contains("forgotten")) return NotOurs("a forget", text);
  ForgottenEntry entry;
  entry.name = Text(*object, "name");
  entry.pending = static_cast<std::uint64_t>(Number(*object, "pending"));
  if (const auto live = MaybeNumber(*object, "live_tasks")) {
    entry.live_tasks = static_cast<std::uint64_t>(*live);
  }
  return entry;
}

std::string QueryOf(const Selection& selection, const CancelTerms& terms, bool detailed) {
  std::string query;
  const auto add = [&query](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    query += query.empty() ? '?' : '&';
    query += std::string(name) + "=" + Encode(value);
  };
  add("nodes", Joined(selection.nodes));
  add("actions", Joined(selection.actions));
  add("parent_task_id", selection.parent);
  if (detailed) add("detailed", "true");
  add("reason", terms.reason);
  if (terms.grace) add("grace", std::to_string(terms.grace->count()) + "ms");
  return query;
}

Result<CoordinatorClient> CoordinatorClient::Make(const std::string& address) {
  auto parsed = http::Address::Parse(address);
  if (!parsed) return parsed.error();
  return CoordinatorClient(std::move(*parsed));
}

Result<http::Response> CoordinatorClient::Send(http::Method method, std::string target,
                                               std::vector<Header> headers,
                                               milliseconds wait) const {
  http::ClientRequest request;
  request.headers = std::move(headers);
  request.method = method;
  request.target = std::move(target);
  const milliseconds limit = kAnswerLimit + wait;
  auto response = http::Fetch(address_, request, {limit, kWholeAnswerLimit + wait});
  if (response) return response;
  Error error = response.error();
  if (error.code == ErrorCode::kUnavailable) {
    error.message = "cannot reach the coordinator at " + address_.text + ": " + error.message +
                    " (is it running? QUELL_HTTP names another one, `quell dev` starts one)";
  } else if (error.code == ErrorCode::kOutcomeUnknown) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(limit).count();
    const std::string silence = "no answer from the coordinator at " + address_.text + " within " +
                                std::to_string(seconds) + " s: " + error.message;
    if (method == http::Method::kGet) {
      error = {ErrorCode::kDeadlineExceeded, silence};
    } else {
      error.message = "outcome unknown: " + silence +
                      "; it has received the request and may or may not carry it out. Look with "
                      "`quell ps` or `quell show ID` once it answers, or repeat the command: that "
                      "does no harm";
    }
  }
  return error;
}

Result<http::Response> CoordinatorClient::Call(http::Method method, std::string target,
                                               std::vector<Header> headers,
                                               milliseconds wait) const {
  auto response = Send(method, std::move(target), std::move(headers), wait);
  if (response && response->status / 100 != 2) return ErrorOf(*response);
  return response;
}

Result<Answer> CoordinatorClient::List(const Selection& selection) const {
  std::vector<Header> headers;
  if (selection.actions.empty()) headers.push_back({"Quell-Requests", "hidden"});
  return AnswerOf(Call(http::Method::kGet, "/_tasks" + QueryOf(selection, {}, true), headers));
}

Result<Answer> CoordinatorClient::ListAll(const Selection& selection, milliseconds since) const {
  std::string query = QueryOf(selection, {}, false);
  query += query.empty() ? '?' : '&';
  query += "ended_within=" + std::to_string(since.count()) + "ms";
  return AnswerOf(Call(http::Method::kGet, "/quell/v1/tasks" + query), &ParseHistory);
}

Result<OneTask> CoordinatorClient::Get(const std::string& id) const {
  const auto response = Call(http::Method::kGet, "/quell/v1/tasks/" + Encode(id));
  if (!response) return response.error();
  return ParseOneTask(response->body);
}

Result<std::vector<WaitedTask>> CoordinatorClient::Wait(const std::vector<std::string>& ids,
                                                        milliseconds wait) const {
  const std::string target = "/quell/v1/wait?tasks=" + Encode(Joined(ids)) +
                             "&timeout=" + std::to_string(wait.count()) + "ms";
  const auto response = Call(http::Method::kGet, target, {}, wait);
  if (!response) return response.error();
  return ParseWaited(response->body);
}

Result<Answer> CoordinatorClient::Cancel(const std::string& id, const CancelTerms& terms) const {
  return AnswerOf(
      Call(http::Method::kPost, "/_tasks/" + Encode(id) + "/_cancel" + QueryOf({}, terms, false)));
}

Result<Answer> CoordinatorClient::CancelMatching(const Selection& selection,
                                                 const CancelTerms& terms) const {
  return AnswerOf(Call(http::Method::kPost, "/_tasks/_cancel" + QueryOf(selection, terms, false)));
}

Result<std::vector<NodeEntry>> CoordinatorClient::Nodes() const {
  const auto response = Call(http::Method::kGet, "/quell/v1/nodes");
  if (!response) return response.error();
  return ParseNodes(response->body);
}

Result<ForgottenEntry> CoordinatorClient::Forget(const std::string& node) const {
  const auto response = Call(http::Method::kDelete, "/quell/v1/nodes/" + Encode(node));
  if (!response) return response.error();
  return ParseForgotten(response->body);
}

Result<DrainEntry> CoordinatorClient::Drain(const DrainCall& call) const {
  const bool leave = call.what == DrainCall::What::kLeave;
  std::string target = "/quell/v1/nodes/" + Encode(call.node) + (leave ? "/leave" : "/drain");
  if (call.wait) target += "?wait=true&timeout=" + std::to_string(call.wait->count()) + "ms";
  const auto method =
      call.what == DrainCall::What::kTakeAgain ? http::Method::kDelete : http::Method::kPost;
  const auto response = Send(method, target, {}, call.wait.value_or(milliseconds(0)));
  if (!response) return response.error();
  // It says what lives there, or it is another error.
  if (response->status == 409) {
    if (auto stays = ParseDrain(response->body)) return stays;
  }
  if (response->status / 100 != 2) return ErrorOf(*response);
  return ParseDrain(response->body);
}

}  // namespace quell::cli
