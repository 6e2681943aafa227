#include "cli/run/local_api_client.h"

#include <utility>

#include <boost/json.hpp>

#include "cli/json_fields.h"
#include "transport/http/json_writer.h"

namespace quell::cli {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

JobCancel ParseCancel(const json::object& object) {
  JobCancel cancel{Text(object, "intent"), Text(object, "by"), Text(object, "reason"), {}};
  if (const json::value* grace = object.if_contains("grace_in_millis")) {
    if (const auto* millis = grace->if_int64(); millis != nullptr && *millis > 0) {
      cancel.grace = milliseconds(*millis);
    }
  }
  return cancel;
}

// Its tree is one execution, which need not be said.
void WriteResources(const ResourceReport& resources, http::JsonWriter& writer) {
  if (resources == ResourceReport{}) return;
  writer.Key("resources").BeginObject();
  if (resources.cpu) {
    writer.Field("cpu_time_in_nanos", std::int64_t{resources.cpu->total.count()});
  }
  if (resources.memory) writer.Field("memory_in_bytes", *resources.memory);
  writer.EndObject();
}

ErrorCode CodeOf(int status) {
  switch (status) {
    case 400:
      return ErrorCode::kInvalidArgument;
    case 403:
      return ErrorCode::kPermissionDenied;
    case 409:
      return ErrorCode::kFailedPrecondition;
    case 429:
    case 507:
      return ErrorCode::kResourceExhausted;
    default:
      return ErrorCode::kInternal;
  }
}

}  // namespace

std::string RenderRegistration(const JobTask& task) {
  std::string body;
  http::JsonWriter writer(body);
  writer.BeginObject();
  writer.Field("action", task.action);
  writer.Field("description", task.description);
  if (!task.parent.empty()) writer.Field("parent", task.parent);
  if (!task.parent.empty() && task.parent_required) writer.Field("parent_required", true);
  if (!task.parent.empty() && !task.ancestors.empty()) {
    writer.Key("ancestors").BeginArray();
    for (const std::string& ancestor : task.ancestors)
      writer.String(ancestor);
    writer.EndArray();
  }
  writer.Field("pid", static_cast<std::int64_t>(task.pid));
  if (task.id) writer.Field("id", *task.id);
  writer.Field("start_time_in_millis", task.start_millis);
  writer.Field("start_since_boot_in_micros",
               std::int64_t{std::chrono::duration_cast<std::chrono::microseconds>(
                                task.start_boot.time_since_epoch())
                                .count()});
  writer.EndObject();
  return body;
}

std::string RenderReport(const JobReport& report) {
  std::string body;
  http::JsonWriter writer(body);
  writer.BeginObject();
  if (report.stopping) writer.Field("stopping", true);
  if (report.killed) writer.Field("killed", true);
  if (!report.ignoring.empty()) writer.Field("ignoring", report.ignoring);
  WriteResources(report.resources, writer);
  writer.EndObject();
  return body;
}

std::string RenderEnd(std::string_view outcome, const ResourceReport& resources) {
  std::string body;
  http::JsonWriter writer(body);
  writer.BeginObject().Field("outcome", outcome);
  WriteResources(resources, writer);
  writer.EndObject();
  return body;
}

Result<JobSession> ParseRegistered(std::string_view text) {
  const Error wrong{ErrorCode::kInternal,
                    "the node answered a registration with: " + std::string(text.substr(0, 200))};
  json::value root;
  const json::object* object = ParseObject(text, root);
  if (object == nullptr) return wrong;
  JobSession session;
  session.token = Text(*object, "session");
  const json::value* tasks = object->if_contains("tasks");
  if (tasks == nullptr || !tasks->is_array() || tasks->get_array().size() != 1) return wrong;
  const json::object* task = tasks->get_array().front().if_object();
  if (task == nullptr) return wrong;
  session.task = Text(*task, "id");
  if (session.token.empty() || session.task.empty()) return wrong;
  const json::value* ancestors = task->if_contains("ancestors");
  if (ancestors != nullptr && ancestors->is_array()) {
    for (const json::value& ancestor : ancestors->get_array()) {
      if (ancestor.is_string()) session.ancestors.emplace_back(ancestor.get_string());
    }
  }
  if (const json::value* cancel = task->if_contains("cancel"); cancel && cancel->is_object()) {
    session.cancel = ParseCancel(cancel->get_object());
  }
  return session;
}

std::optional<JobCancel> ParseCommand(std::string_view line, std::string_view task) {
  json::value root;
  const json::object* object = ParseObject(line, root);
  if (object == nullptr) return std::nullopt;
  const json::value* cancel = object->if_contains("cancel");
  if (cancel == nullptr || !cancel->is_object()) return std::nullopt;
  if (Text(cancel->get_object(), "task") != task) return std::nullopt;
  return ParseCancel(cancel->get_object());
}

Error ParseRefusal(int status, std::string_view body) {
  Error refusal{CodeOf(status), std::string(body.substr(0, 500))};
  json::value root;
  if (const json::object* object = ParseObject(body, root)) {
    if (const json::value* error = object->if_contains("error"); error && error->is_object()) {
      const std::string type = Text(error->get_object(), "type");
      if (type == "parent_not_found" || type == "session_not_found" || type == "task_not_found") {
        refusal.code = ErrorCode::kNotFound;
      }
      const std::string reason = Text(error->get_object(), "reason");
      if (!reason.empty()) refusal.message = reason;
    }
  }
  return refusal;
}

Result<std::string> LocalApiClient::Post(std::string target, const std::string& token,
                                         std::string body, milliseconds timeout) const {
  http::ClientRequest request;
  request.method = http::Method::kPost;
  request.target = std::move(target);
  request.headers.push_back({"Content-Type", "application/json"});
  if (!token.empty()) request.headers.push_back({"Quell-Session", token});
  request.body = std::move(body);
  const auto response = http::Fetch(address_, request, timeout);
  if (!response) return response.error();
  if (response->status == 200) return response->body;
  return ParseRefusal(response->status, response->body);
}

Result<JobSession> LocalApiClient::Register(const JobTask& task, milliseconds timeout) const {
  const auto body = Post("/v1/tasks", "", RenderRegistration(task), timeout);
  if (!body) return body.error();
  return ParseRegistered(*body);
}

Result<std::unique_ptr<http::LineStream>> LocalApiClient::OpenCommands(const std::string& token,
                                                                       milliseconds timeout) const {
  http::ClientRequest request;
  request.target = "/v1/sessions/" + token + "/commands";
  request.headers.push_back({"Quell-Session", token});
  http::Response refused;
  auto stream = http::LineStream::Open(address_, request, timeout, &refused);
  if (!stream && refused.status != 0) return ParseRefusal(refused.status, refused.body);
  return stream;
}

Status LocalApiClient::Report(const JobSession& session, const JobReport& report,
                              milliseconds timeout) const {
  const auto body =
      Post("/v1/tasks/" + session.task + "/report", session.token, RenderReport(report), timeout);
  if (!body) return body.error();
  return {};
}

Status LocalApiClient::Finish(const JobSession& session, std::string_view outcome,
                              const ResourceReport& resources, milliseconds timeout) const {
  const std::string target = "/v1/tasks/" + session.task + "/finish";
  auto answer = Post(target, session.token, RenderEnd(outcome, resources), timeout);
  // An older node refuses what it does not know.
  if (!answer && answer.error().code == ErrorCode::kInvalidArgument) {
    answer = Post(target, session.token, RenderEnd(outcome, {}), timeout);
  }
  if (!answer) return answer.error();
  return {};
}

}  // namespace quell::cli
