#include "node/local_api/local_messages.h"

#include <functional>
#include <initializer_list>
#include <limits>
#include <optional>
#include <utility>

#include "core/limits.h"
#include "core/validity.h"
#include "node/local_api/json_value.h"
#include "transport/http/json_writer.h"

namespace quell {
namespace {

using Kind = JsonValue::Kind;

Error WrongKind(std::string_view key, std::string_view wanted, const JsonValue& value) {
  return InvalidArgument("\"" + std::string(key) + "\" is " + std::string(Describe(value.kind)) +
                         " and must be " + std::string(wanted));
}

// One key of an object, and what to do with its value.
struct Key {
  std::string_view name;
  std::function<Status(const JsonValue&)> take;
};

Status ReadObject(const JsonValue& value, std::string_view what, std::initializer_list<Key> keys) {
  if (!value.is(Kind::kObject)) {
    return InvalidArgument(std::string(what) + " must be an object, not " +
                           std::string(Describe(value.kind)));
  }
  for (const auto& [name, member] : value.members) {
    const Key* known = nullptr;
    for (const Key& key : keys) {
      if (key.name == name) known = &key;
    }
    if (known == nullptr) {
      std::string names;
      for (const Key& key : keys)
        names += (names.empty() ? "" : ", ") + std::string(key.name);
      return InvalidArgument("unknown key \"" + name + "\" in " + std::string(what) +
                             "; known are: " + names);
    }
    if (member.is(Kind::kNull)) continue;  // As if it were absent.
    if (Status taken = known->take(member); !taken) return taken;
  }
  return {};
}

Key Text(std::string_view name, std::string& to) {
  return {name, [name, &to](const JsonValue& value) -> Status {
            if (!value.is(Kind::kString)) return WrongKind(name, "a string", value);
            to = value.text;
            return {};
          }};
}

Key OptionalText(std::string_view name, std::optional<std::string>& to) {
  return {name, [name, &to](const JsonValue& value) -> Status {
            if (!value.is(Kind::kString)) return WrongKind(name, "a string", value);
            to = value.text;
            return {};
          }};
}

Key Flag(std::string_view name, std::function<void(bool)> take) {
  return {name, [name, take = std::move(take)](const JsonValue& value) -> Status {
            if (!value.is(Kind::kBool)) return WrongKind(name, "true or false", value);
            take(value.truth);
            return {};
          }};
}

Key Integer(std::string_view name, std::int64_t max, std::function<void(std::int64_t)> take) {
  return {name, [name, max, take = std::move(take)](const JsonValue& value) -> Status {
            const std::optional<std::int64_t> number = value.integer();
            if (!number || *number < 0 || *number > max) {
              return InvalidArgument("\"" + std::string(name) +
                                     "\" must be a whole number from 0 to " + std::to_string(max));
            }
            take(*number);
            return {};
          }};
}

Key Id(std::string_view name, std::optional<TaskId>& to) {
  return {name, [name, &to](const JsonValue& value) -> Status {
            if (!value.is(Kind::kString)) return WrongKind(name, "a task id", value);
            Result<TaskId> id = TaskId::Parse(value.text);
            if (!id) return InvalidArgument("\"" + std::string(name) + "\": " + id.error().message);
            to = *id;
            return {};
          }};
}

Key Ids(std::string_view name, std::vector<TaskId>& to) {
  return {name, [name, &to](const JsonValue& value) -> Status {
            if (!value.is(Kind::kArray)) return WrongKind(name, "an array of task ids", value);
            for (const JsonValue& item : value.items) {
              if (!item.is(Kind::kString)) return WrongKind(name, "an array of task ids", item);
              Result<TaskId> id = TaskId::Parse(item.text);
              if (!id)
                return InvalidArgument("\"" + std::string(name) + "\": " + id.error().message);
              to.push_back(*id);
            }
            return {};
          }};
}

Key Headers(std::string_view name, std::vector<Header>& to) {
  return {name, [name, &to](const JsonValue& value) -> Status {
            if (!value.is(Kind::kObject)) return WrongKind(name, "an object", value);
            for (const auto& [header, text] : value.members) {
              if (!text.is(Kind::kString)) return WrongKind(header, "a string", text);
              to.push_back({header, text.text});
            }
            return {};
          }};
}

Key StatusObject(std::function<void(std::string)> take) {
  return {"status", [take = std::move(take)](const JsonValue& value) -> Status {
            if (!value.is(Kind::kObject)) return WrongKind("status", "an object", value);
            take(value.Render());
            return {};
          }};
}

Key Policy(std::string_view name, OnParentLost& to) {
  return {name, [name, &to](const JsonValue& value) -> Status {
            const auto policy = OnParentLostFromString(value.text);
            if (!value.is(Kind::kString) || !policy) {
              return InvalidArgument("\"" + std::string(name) + "\" must be keep or cancel");
            }
            to = *policy;
            return {};
          }};
}

// What of a resource report is there, before it is one.
struct ResourceWords {
  std::optional<std::int64_t> total;
  std::optional<std::int64_t> least;
  std::optional<std::int64_t> most;
  std::optional<std::int64_t> executions;
  std::optional<std::int64_t> active;
};

Status TakeCpu(const ResourceWords& words, ResourceReport& report) {
  if (!words.total) {
    if (!words.least && !words.most && !words.executions && !words.active) return {};
    return InvalidArgument("\"resources\" need \"cpu_time_in_nanos\" for what they say of it");
  }
  CpuUse cpu;
  cpu.total = std::chrono::nanoseconds(*words.total);
  cpu.least = std::chrono::nanoseconds(words.least.value_or(*words.total));
  cpu.most = std::chrono::nanoseconds(words.most.value_or(*words.total));
  cpu.executions = static_cast<std::uint32_t>(words.executions.value_or(1));
  cpu.active = static_cast<std::uint32_t>(words.active.value_or(cpu.executions));
  if (Status sound = Check(cpu); !sound) {
    return InvalidArgument("\"resources\": " + sound.error().message);
  }
  report.cpu = cpu;
  return {};
}

Key Resources(ResourceReport& report) {
  return {"resources", [&report](const JsonValue& value) -> Status {
            constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
            constexpr std::int64_t kCountMax = std::numeric_limits<std::int32_t>::max();
            ResourceWords words;
            auto into = [](std::optional<std::int64_t>& to) {
              return [&to](std::int64_t number) { to = number; };
            };
            Status read =
                ReadObject(value, "\"resources\"",
                           {Integer("cpu_time_in_nanos", kMax, into(words.total)),
                            Integer("least_cpu_time_in_nanos", kMax, into(words.least)),
                            Integer("most_cpu_time_in_nanos", kMax, into(words.most)),
                            Integer("executions", kCountMax, into(words.executions)),
                            Integer("active", kCountMax, into(words.active)),
                            Integer("memory_in_bytes", kMax, [&report](std::int64_t bytes) {
                              report.memory = static_cast<std::uint64_t>(bytes);
                            })});
            if (!read) return read;
            return TakeCpu(words, report);
          }};
}

Key Moment(std::string_view name, std::string_view what, std::function<void(WallTime)> take) {
  return {name, [name, what, take = std::move(take)](const JsonValue& value) -> Status {
            const std::optional<std::int64_t> millis = value.integer();
            if (!millis) {
              return InvalidArgument("\"" + std::string(name) +
                                     "\" must be a whole number of milliseconds since 1970");
            }
            const Result<WallTime> moment = MomentFromMillis(what, *millis);
            if (!moment) return moment.error();
            take(*moment);
            return {};
          }};
}

// Names something, so an empty one is a mistake: a variable that was not set.
Key Named(std::string_view name, std::string& to) {
  return {name, [name, &to](const JsonValue& value) -> Status {
            if (!value.is(Kind::kString)) return WrongKind(name, "a string", value);
            if (value.text.empty()) {
              return InvalidArgument("\"" + std::string(name) +
                                     "\" is empty: leave it out, or fill it in");
            }
            to = value.text;
            return {};
          }};
}

constexpr std::int64_t kMicrosMax = std::int64_t{1} << 53;

Status ReadTask(const JsonValue& value, NewTask& task) {
  return ReadObject(
      value, "a task",
      {Text("action", task.action), Text("description", task.description),
       Id("parent", task.parent), Ids("ancestors", task.grandparents),
       Flag("parent_required", [&task](bool required) { task.parent_required = required; }),
       Integer("pid", std::numeric_limits<std::int32_t>::max(),
               [&task](std::int64_t pid) { task.pid = static_cast<std::int32_t>(pid); }),
       StatusObject([&task](std::string status) { task.status_json = std::move(status); }),
       Headers("headers", task.headers),
       Flag("cancellable", [&task](bool cancellable) { task.cancellable = cancellable; }),
       Policy("on_parent_lost", task.on_parent_lost), Named("key", task.key), Id("id", task.resume),
       Moment("start_time_in_millis", "start",
              [&task](WallTime start) { task.start_wall = start; }),
       Integer("start_since_boot_in_micros", kMicrosMax, [&task](std::int64_t micros) {
         task.start_boot = BootTime(std::chrono::microseconds(micros));
       })});
}

template <typename T, typename Read>
Status ReadMany(const std::vector<JsonValue>& items, std::vector<T>& all, Read read) {
  all.reserve(items.size());
  for (const JsonValue& item : items) {
    if (Status fine = read(item, all.emplace_back()); !fine) {
      return InvalidArgument("task " + std::to_string(all.size() - 1) + ": " +
                             fine.error().message);
    }
  }
  return {};
}

void WriteCancel(const CancelCommand& command, bool with_task, http::JsonWriter& json) {
  json.BeginObject();
  if (with_task) json.Field("task", command.task.ToString());
  json.Field("intent", command.intent.view()).Field("by", command.by);
  json.Field("reason", command.reason);
  json.Field("grace_in_millis", static_cast<std::int64_t>(command.grace.count()));
  json.Field("at_millis", MillisSinceEpoch(command.at));
  json.EndObject();
}

void WriteMaybeCancel(const std::optional<CancelCommand>& command, http::JsonWriter& json) {
  json.Key("cancel");
  if (command) {
    WriteCancel(*command, false, json);
  } else {
    json.Null();
  }
}

}  // namespace

Result<RegisterRequest> ParseRegister(std::string_view body) {
  const Result<JsonValue> value = JsonValue::Parse(body);
  if (!value) return value.error();
  RegisterRequest request;
  if (!value->is(Kind::kArray)) {
    if (Status read = ReadTask(*value, request.tasks.emplace_back()); !read) return read.error();
    return request;
  }
  Status read = ReadMany(value->items, request.tasks, ReadTask);
  if (!read) return read.error();
  return request;
}

Result<ReportRequest> ParseReport(std::string_view body) {
  const Result<JsonValue> value = JsonValue::Parse(body);
  if (!value) return value.error();
  ReportRequest report;
  Status read = ReadObject(
      *value, "a report",
      {StatusObject([&report](std::string status) { report.status_json = std::move(status); }),
       Flag("stopping", [&report](bool stopping) { report.stopping = stopping; }),
       OptionalText("deferred", report.deferred), OptionalText("ignoring", report.ignoring),
       Flag("killed", [&report](bool killed) { report.killed = killed; }),
       Moment("last_check_millis", "last check",
              [&report](WallTime when) { report.last_check = when; }),
       Resources(report.resources)});
  if (!read) return read.error();
  return report;
}

namespace {

Result<TaskState> OutcomeFrom(const std::string& outcome) {
  if (outcome == "success") return TaskState::kSucceeded;
  if (outcome == "failure") return TaskState::kFailed;
  if (outcome == "cancelled") return TaskState::kCancelled;
  if (outcome == "timeout") return TaskState::kExpired;
  return InvalidArgument("\"outcome\" must be success, failure, cancelled or timeout");
}

Status ReadEnd(const JsonValue& value, TaskEnd& end) {
  std::optional<TaskId> id;
  std::string text;
  Status read = ReadObject(value, "the end of a task",
                           {Id("id", id), Text("outcome", text), Resources(end.resources)});
  if (!read) return read;
  if (!id) return InvalidArgument("the id is missing: say which task has ended");
  const Result<TaskState> outcome = OutcomeFrom(text);
  if (!outcome) return outcome.error();
  end.task = *id;
  end.outcome = *outcome;
  return {};
}

void WriteReason(const Refusal& refusal, http::JsonWriter& json) {
  json.BeginObject().Field("type", refusal.type).Field("reason", refusal.reason).EndObject();
}

void WriteError(const Refusal& refusal, http::JsonWriter& json) {
  json.BeginObject().Key("error");
  WriteReason(refusal, json);
  json.Field("status", refusal.status).EndObject();
}

}  // namespace

Result<TaskEnd> ParseFinish(std::string_view body, const TaskId& task) {
  const Result<JsonValue> value = JsonValue::Parse(body);
  if (!value) return value.error();
  TaskEnd end;
  std::string text;
  Status read =
      ReadObject(*value, "the end of a task", {Text("outcome", text), Resources(end.resources)});
  if (!read) return read.error();
  const Result<TaskState> outcome = OutcomeFrom(text);
  if (!outcome) return outcome.error();
  end.task = task;
  end.outcome = *outcome;
  return end;
}

Result<std::vector<TaskEnd>> ParseFinishMany(std::string_view body) {
  const Result<JsonValue> value = JsonValue::Parse(body);
  if (!value) return value.error();
  if (!value->is(Kind::kArray))
    return InvalidArgument("the ends must be an array: [{\"id\",\"outcome\"}]");
  if (value->items.size() > limits::kFinishBatchMax) {
    return InvalidArgument("at most " + std::to_string(limits::kFinishBatchMax) +
                           " tasks end in one call: send the others in another one");
  }
  std::vector<TaskEnd> ends;
  if (Status read = ReadMany(value->items, ends, ReadEnd); !read) return read.error();
  return ends;
}

std::string RenderRegistered(const RegisterReply& reply) {
  std::string body;
  http::JsonWriter json(body);
  json.BeginObject().Field("session", reply.session.view()).Key("tasks").BeginArray();
  for (const RegisteredTask& task : reply.tasks) {
    json.BeginObject().Field("id", task.id.ToString()).Key("ancestors").BeginArray();
    for (const TaskId& ancestor : task.ancestors)
      json.String(ancestor.ToString());
    json.EndArray();
    WriteMaybeCancel(task.cancel, json);
    if (task.unknown_parent) {
      json.Key("warning");
      WriteReason({0, kParentNotFound,
                   "the parent [" + task.unknown_parent->ToString() +
                       "] is not known to this node: the task was registered without a parent"},
                  json);
    }
    json.EndObject();
  }
  json.EndArray().EndObject();
  return body;
}

std::string RenderReported(const ReportReply& reply) {
  std::string body;
  http::JsonWriter json(body);
  json.BeginObject();
  WriteMaybeCancel(reply.cancel, json);
  json.EndObject();
  return body;
}

std::string RenderCommandLine(const CancelCommand& command) {
  std::string line;
  http::JsonWriter json(line);
  json.BeginObject().Key("cancel");
  WriteCancel(command, true, json);
  json.EndObject();
  line += '\n';
  return line;
}

std::string RenderNode(const NodeInfo& node) {
  std::string body;
  http::JsonWriter json(body);
  json.BeginObject().Field("id", node.id.view()).Field("name", node.name);
  json.Field("transport_address", node.address).Field("host", node.host);
  json.Key("roles").BeginArray();
  for (const std::string& role : node.roles)
    json.String(role);
  json.EndArray().Key("attributes").BeginObject();
  for (const Header& attribute : node.attributes)
    json.Field(attribute.name, attribute.value);
  json.EndObject().Field("version", node.version);
  json.Field("incarnation", static_cast<std::uint64_t>(node.incarnation));
  json.EndObject();
  return body;
}

std::string RenderError(const Refusal& refusal) {
  std::string body;
  http::JsonWriter json(body);
  WriteError(refusal, json);
  return body;
}

std::string RenderFinished(const std::vector<Status>& answers,
                           const std::function<Refusal(const Error&)>& refusal_of) {
  std::string body;
  http::JsonWriter json(body);
  json.BeginObject().Key("tasks").BeginArray();
  for (const Status& answer : answers) {
    if (answer) {
      json.BeginObject().EndObject();
    } else {
      WriteError(refusal_of(answer.error()), json);
    }
  }
  json.EndArray().EndObject();
  return body;
}

}  // namespace quell
