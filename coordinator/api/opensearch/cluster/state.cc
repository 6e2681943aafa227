#include "coordinator/api/opensearch/cluster/state.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "transport/http/json_writer.h"

namespace quell::opensearch {
namespace {

// Who asks waits for nobody: these have no effect.
void AcceptManagerTimeouts(Params& params) {
  params.Bool("local", false);
  params.Duration("cluster_manager_timeout");
  params.Duration("master_timeout");
}

// Metrics as the path has them; none: all.
class Metrics {
 public:
  explicit Metrics(std::vector<std::string> names) : names_(std::move(names)) {}
  bool Want(std::string_view name) const { return names_.empty() || Has("_all") || Has(name); }

 private:
  bool Has(std::string_view name) const {
    return std::find(names_.begin(), names_.end(), name) != names_.end();
  }

  const std::vector<std::string> names_;
};

void RenderNodes(http::JsonWriter& json, const std::vector<MemberStatus>& members) {
  json.Key("nodes").BeginObject();
  for (const MemberStatus& member : members) {
    if (!member.alive) continue;
    json.Key(member.info.id.view()).BeginObject();
    json.Field("name", member.info.name);
    json.Field("ephemeral_id",
               member.info.id.ToString() + "." +
                   std::to_string(static_cast<std::uint64_t>(member.info.incarnation)));
    json.Field("transport_address", member.info.address).Key("attributes").BeginObject();
    for (const Header& one : member.info.attributes)
      json.Field(one.name, one.value);
    json.EndObject().EndObject();
  }
  json.EndObject();
}

}  // namespace

void AnswerState(const Coordinator& coordinator, const Identity& identity,
                 const ExchangePtr& exchange, Profile profile) {
  const http::Request& request = exchange->request();
  Params params(request);
  const Style style = ReadStyle(request, params, profile, {});
  AcceptManagerTimeouts(params);
  // Of indices, of which there are none.
  for (const char* without_effect :
       {"allow_no_indices", "expand_wildcards", "flat_settings", "ignore_unavailable", "indices",
        "metric", "wait_for_metadata_version", "wait_for_timeout"}) {
    params.Has(without_effect);
  }
  const Metrics metrics(
      SplitList(request.captures.empty() ? std::string_view() : request.captures.front()));
  if (std::optional<Problem> problem = params.Finish()) {
    return SendProblem(exchange, style, *problem);
  }
  std::string body;
  http::JsonWriter json(body);
  const std::string_view self = coordinator.self().id.view();
  json.BeginObject().Field("cluster_name", identity.cluster_name).Field("cluster_uuid", self);
  if (metrics.Want("version")) {
    const Coordinator::MembersVersion version = coordinator.members_version();
    json.Field("version", version.number).Field("state_uuid", version.id);
  }
  if (metrics.Want("master_node")) json.Field("master_node", self);
  if (metrics.Want("cluster_manager_node")) json.Field("cluster_manager_node", self);
  if (metrics.Want("nodes")) RenderNodes(json, coordinator.Members());
  json.EndObject();
  Send(exchange, style, 200, std::move(body));
}

void AnswerPendingTasks(const ExchangePtr& exchange, Profile profile) {
  const http::Request& request = exchange->request();
  Params params(request);
  const Style style = ReadStyle(request, params, profile, {});
  AcceptManagerTimeouts(params);
  if (std::optional<Problem> problem = params.Finish()) {
    return SendProblem(exchange, style, *problem);
  }
  Send(exchange, style, 200, R"({"tasks":[]})");
}

}  // namespace quell::opensearch
