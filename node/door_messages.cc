#include "node/door_messages.h"

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include <boost/json.hpp>

#include "core/limits.h"
#include "transport/http/json_writer.h"

namespace quell {
namespace {

namespace json = boost::json;

constexpr std::size_t kDepthMax = 16;

Error Invalid(std::string message) {
  return {ErrorCode::kInvalidArgument, std::move(message)};
}

Result<json::value> Parse(std::string_view body) {
  json::parse_options options;
  options.max_depth = kDepthMax;
  boost::system::error_code error;
  json::value value = json::parse(body, error, {}, options);
  if (error) {
    return Invalid("the body is no JSON (nested at most " + std::to_string(kDepthMax) +
                   " deep): " + error.message());
  }
  return value;
}

// Reads the members of one object, each at most once, and knows which were asked for.
class Reader {
 public:
  Reader(const json::object& object, std::initializer_list<std::string_view> known)
      : object_(object) {
    std::set<std::string_view> seen;
    for (const json::key_value_pair& member : object) {
      const std::string_view key(member.key().data(), member.key().size());
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      std::string names;
      for (const std::string_view name : known)
        names += (names.empty() ? "" : ", ") + std::string(name);
      Fail("unknown key [" + std::string(key) + "]: this request takes " + names);
    }
  }

  std::optional<std::string> Text(std::string_view key) {
    const json::value* value = Find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) return FailType<std::string>(key, "a text");
    return std::string(value->get_string().data(), value->get_string().size());
  }

  std::optional<bool> Bool(std::string_view key) {
    const json::value* value = Find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_bool()) return FailType<bool>(key, "true or false");
    return value->get_bool();
  }

  std::optional<std::int64_t> Integer(std::string_view key) {
    const json::value* value = Find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_int64()) return FailType<std::int64_t>(key, "a whole number");
    return value->get_int64();
  }

  std::optional<std::string> Object(std::string_view key) {
    const json::value* value = Find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_object()) return FailType<std::string>(key, "an object");
    return json::serialize(*value);
  }

  std::optional<TaskId> Id(std::string_view key) {
    const std::optional<std::string> text = Text(key);
    if (!text) return std::nullopt;
    const Result<TaskId> id = TaskId::Parse(*text);
    if (id) return *id;
    Fail("[" + std::string(key) + "]: " + id.error().message);
    return std::nullopt;
  }

  std::vector<TaskId> Ids(std::string_view key) {
    std::vector<TaskId> ids;
    const json::value* value = Find(key);
    if (value == nullptr) return ids;
    if (!value->is_array()) {
      Fail("[" + std::string(key) + "] must be an array of task ids");
      return ids;
    }
    for (const json::value& one : value->get_array()) {
      const Result<TaskId> id =
          one.is_string()
              ? TaskId::Parse(std::string_view(one.get_string().data(), one.get_string().size()))
              : Result<TaskId>(Invalid("not a text"));
      if (!id) {
        Fail("[" + std::string(key) + "]: " + id.error().message);
        return ids;
      }
      ids.push_back(*id);
    }
    return ids;
  }

  std::vector<Header> Headers(std::string_view key) {
    std::vector<Header> headers;
    const json::value* value = Find(key);
    if (value == nullptr) return headers;
    if (!value->is_object()) {
      Fail("[" + std::string(key) + "] must be an object of texts");
      return headers;
    }
    for (const json::key_value_pair& member : value->get_object()) {
      if (!member.value().is_string()) {
        Fail("[" + std::string(key) + "] must be an object of texts");
        return headers;
      }
      headers.push_back(
          {std::string(member.key().data(), member.key().size()),
           std::string(member.value().get_string().data(), member.value().get_string().size())});
    }
    return headers;
  }

  const std::optional<Error>& error() const { return error_; }

 private:
  const json::value* Find(std::string_view key) {
    const json::value* value = object_.if_contains(json::string_view(key.data(), key.size()));
    return value == nullptr || value->is_null() ? nullptr : value;
  }
  void Fail(std::string message) {
    if (!error_) error_ = Invalid(std::move(message));
  }
  template <typename T>
  std::optional<T> FailType(std::string_view key, std::string_view wanted) {
    Fail("[" + std::string(key) + "] must be " + std::string(wanted));
    return std::nullopt;
  }

  const json::object& object_;
  std::optional<Error> error_;
};

Result<NewTask> ReadTask(const json::value& value) {
  if (!value.is_object()) return Invalid("a task must be an object");
  Reader reader(value.get_object(),
                {"action", "description", "parent", "ancestors", "pid", "status", "headers",
                 "cancellable", "id", "start_time_in_millis"});
  NewTask task;
  task.action = reader.Text("action").value_or("");
  task.description = reader.Text("description").value_or("");
  task.parent = reader.Id("parent");
  task.grandparents = reader.Ids("ancestors");
  const std::int64_t pid = reader.Integer("pid").value_or(0);
  task.pid = pid > 0 && pid <= INT32_MAX ? static_cast<std::int32_t>(pid) : (pid == 0 ? 0 : -1);
  task.status_json = reader.Object("status").value_or("");
  task.headers = reader.Headers("headers");
  task.cancellable = reader.Bool("cancellable").value_or(true);
  task.resume = reader.Id("id");
  if (const auto millis = reader.Integer("start_time_in_millis")) {
    if (*millis < 0 || *millis > INT64_MAX / 1000)
      return Invalid("[start_time_in_millis] is out of range");
    task.start_wall = WallFromMicros(*millis * 1000);
  }
  if (reader.error()) return *reader.error();
  return task;
}

void WriteCancel(http::JsonWriter& out, const CancelCommand& command, bool with_task) {
  out.BeginObject();
  if (with_task) out.Field("task", command.task.ToString());
  out.Field("intent", command.intent.view())
      .Field("by", command.by)
      .Field("reason", command.reason);
  out.Field("grace_in_millis", static_cast<std::int64_t>(command.grace.count()));
  out.Field("at_millis", MillisSinceEpoch(command.at)).EndObject();
}

void WriteCancelOrNull(http::JsonWriter& out, const std::optional<CancelCommand>& command) {
  out.Key("cancel");
  if (command) {
    WriteCancel(out, *command, false);
  } else {
    out.Null();
  }
}

}  // namespace

Result<RegisterRequest> ParseRegister(std::string_view body) {
  const Result<json::value> value = Parse(body);
  if (!value) return value.error();
  RegisterRequest request;
  if (!value->is_array()) {
    Result<NewTask> task = ReadTask(*value);
    if (!task) return task.error();
    request.tasks.push_back(std::move(*task));
    return request;
  }
  if (value->get_array().size() > limits::kRegisterBatchMax) {
    return Invalid("a registration has at most " + std::to_string(limits::kRegisterBatchMax) +
                   " tasks: send the others in another one");
  }
  request.tasks.reserve(value->get_array().size());
  for (const json::value& one : value->get_array()) {
    Result<NewTask> task = ReadTask(one);
    if (!task)
      return Invalid("task " + std::to_string(request.tasks.size()) + ": " + task.error().message);
    request.tasks.push_back(std::move(*task));
  }
  return request;
}

Result<ReportRequest> ParseReport(std::string_view body) {
  const Result<json::value> value = Parse(body);
  if (!value) return value.error();
  if (!value->is_object()) return Invalid("a report must be an object");
  Reader reader(value->get_object(), {"status", "stopping", "deferred", "ignoring", "killed"});
  ReportRequest report;
  report.status_json = reader.Object("status");
  report.stopping = reader.Bool("stopping");
  report.deferred = reader.Text("deferred");
  report.ignoring = reader.Text("ignoring");
  report.killed = reader.Bool("killed").value_or(false);
  if (reader.error()) return *reader.error();
  return report;
}

Result<TaskState> ParseOutcome(std::string_view body) {
  const Result<json::value> value = Parse(body);
  if (!value) return value.error();
  if (!value->is_object()) return Invalid("a finish must be an object");
  Reader reader(value->get_object(), {"outcome"});
  const std::optional<std::string> outcome = reader.Text("outcome");
  if (reader.error()) return *reader.error();
  if (outcome == "success") return TaskState::kSucceeded;
  if (outcome == "failure") return TaskState::kFailed;
  if (outcome == "cancelled") return TaskState::kCancelled;
  if (outcome == "timeout") return TaskState::kExpired;
  return Invalid(outcome ? "unknown outcome [" + *outcome +
                               "]: it is success, failure, cancelled or timeout"
                         : "a finish needs an [outcome]: success, failure, cancelled or timeout");
}

std::string RenderRegistered(const RegisterReply& reply) {
  std::string text;
  http::JsonWriter out(text);
  out.BeginObject().Field("session", reply.session.view()).Key("tasks").BeginArray();
  for (const RegisteredTask& task : reply.tasks) {
    out.BeginObject().Field("id", task.id.ToString());
    WriteCancelOrNull(out, task.cancel);
    out.EndObject();
  }
  out.EndArray().EndObject();
  return text;
}

std::string RenderReported(const ReportReply& reply) {
  std::string text;
  http::JsonWriter out(text);
  out.BeginObject();
  WriteCancelOrNull(out, reply.cancel);
  out.EndObject();
  return text;
}

std::string RenderCommand(const CancelCommand& command) {
  std::string text;
  http::JsonWriter out(text);
  out.BeginObject().Key("cancel");
  WriteCancel(out, command, true);
  out.EndObject();
  return text + "\n";
}

std::string RenderDoorError(int status, std::string_view type, std::string_view reason) {
  std::string text;
  http::JsonWriter out(text);
  out.BeginObject()
      .Key("error")
      .BeginObject()
      .Field("type", type)
      .Field("reason", reason)
      .EndObject();
  out.Field("status", status).EndObject();
  return text;
}

int HttpStatusOf(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
      return 400;
    case ErrorCode::kUnauthenticated:
      return 401;
    case ErrorCode::kPermissionDenied:
      return 403;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kFailedPrecondition:
      return 409;
    case ErrorCode::kResourceExhausted:
      return error.message.find("disk") != std::string::npos ? 507 : 429;
    case ErrorCode::kCancelled:
    case ErrorCode::kUnavailable:
    case ErrorCode::kOutcomeUnknown:
      return 503;
    case ErrorCode::kDeadlineExceeded:
      return 504;
    case ErrorCode::kInternal:
      return 500;
  }
  return 500;
}

}  // namespace quell
