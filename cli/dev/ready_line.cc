#include "cli/dev/ready_line.h"

#include <boost/json.hpp>

#include "cli/json_fields.h"
#include "transport/http/json_writer.h"

namespace quell::cli {
namespace {

namespace json = boost::json;

void WriteArgv(http::JsonWriter& writer, const std::vector<std::string>& argv) {
  writer.Key("argv").BeginArray();
  for (const std::string& argument : argv)
    writer.String(argument);
  writer.EndArray();
}

}  // namespace

Result<std::variant<DaemonReady, DaemonJoined>> ParseDaemonLine(std::string_view line) {
  const Error unknown{ErrorCode::kInternal, "unexpected output: " + std::string(line)};
  json::value root;
  const json::object* object = ParseObject(line, root);
  if (object == nullptr) return unknown;
  if (Flag(*object, "joined")) return DaemonJoined{Text(*object, "coordinator")};
  if (!Flag(*object, "ready")) return unknown;
  DaemonReady ready;
  ready.id = Text(*object, "id");
  ready.name = Text(*object, "name");
  ready.http = Text(*object, "http");
  ready.socket = Text(*object, "socket");
  ready.grpc = Text(*object, "grpc");
  ready.data = Text(*object, "data");
  const json::value* pid = object->if_contains("pid");
  if (pid == nullptr || !pid->is_int64()) return unknown;
  ready.pid = pid->get_int64();
  const json::value* argv = object->if_contains("argv");
  if (argv == nullptr || !argv->is_array()) return unknown;
  for (const json::value& argument : argv->get_array()) {
    if (!argument.is_string()) return unknown;
    ready.argv.emplace_back(argument.get_string());
  }
  if (ready.id.empty() || ready.grpc.empty()) return unknown;
  return ready;
}

std::string RenderClusterReady(const DaemonReady& coordinator,
                               const std::vector<DaemonReady>& nodes) {
  std::string line;
  http::JsonWriter writer(line);
  writer.BeginObject().Field("ready", true).Field("http", coordinator.http);
  writer.Key("coordinator").BeginObject();
  writer.Field("id", coordinator.id).Field("pid", coordinator.pid);
  writer.Field("grpc", coordinator.grpc).Field("data", coordinator.data);
  WriteArgv(writer, coordinator.argv);
  writer.EndObject().Key("nodes").BeginArray();
  for (const DaemonReady& node : nodes) {
    writer.BeginObject();
    writer.Field("name", node.name).Field("id", node.id).Field("pid", node.pid);
    writer.Field("socket", node.socket).Field("grpc", node.grpc).Field("data", node.data);
    WriteArgv(writer, node.argv);
    writer.EndObject();
  }
  writer.EndArray().EndObject();
  return line;
}

}  // namespace quell::cli
