#include "coordinator/api/opensearch/cluster/nodes.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/api/opensearch/request/errors.h"
#include "coordinator/api/opensearch/request/unrouted.h"
#include "coordinator/api/opensearch/tasks/render.h"
#include "coordinator/fan_out/failures.h"
#include "transport/http/server.h"

namespace quell::opensearch {
namespace {

constexpr std::array<std::string_view, 12> kInfoMetrics = {
    "_all", "aggregations", "http",    "indices",          "ingest",   "jvm",
    "os",   "plugins",      "process", "search_pipelines", "settings", "thread_pool"};

bool IsMetric(const std::string& name) {
  return name == "transport" ||
         std::find(kInfoMetrics.begin(), kInfoMetrics.end(), name) != kInfoMetrics.end();
}

struct AskedInfo {
  std::vector<std::string> nodes;
  std::vector<std::string> metrics;  // None: all.

  bool Named(std::string_view metric) const {
    return std::find(metrics.begin(), metrics.end(), metric) != metrics.end();
  }
  bool Wants(std::string_view metric) const {
    return metrics.empty() || Named("_all") || Named(metric);
  }
};

// One segment is metrics if all of its words are, else nodes.
AskedInfo ReadInfoPath(const std::vector<std::string>& captures) {
  AskedInfo asked;
  if (captures.empty()) return asked;
  asked.nodes = SplitList(captures.front());
  if (captures.size() > 1) {
    asked.metrics = SplitList(captures[1]);
  } else if (std::all_of(asked.nodes.begin(), asked.nodes.end(), IsMetric) &&
             captures.front() != "_all") {
    asked.metrics = std::exchange(asked.nodes, {});
  }
  return asked;
}

// Only the coordinator listens. In the strict profile every node is there for HTTP, as in a real
// cluster, at the address where the coordinator answers for it.
bool ServesHttp(const MemberStatus& member, Profile profile) {
  return member.is_self || profile == Profile::kStrict;
}

void RenderAddress(http::JsonWriter& json, std::string_view name, const std::string& address) {
  json.Key(name).BeginObject().Key("bound_address").BeginArray().String(address).EndArray();
  json.Field("publish_address", address);
}

void RenderNode(http::JsonWriter& json, const MemberStatus& member, const AskedInfo& asked,
                const std::string& http_address, Profile profile) {
  const NodeInfo& info = member.info;
  json.Key(info.id.view()).BeginObject();
  json.Field("name", info.name).Field("transport_address", info.address);
  json.Field("host", info.host).Field("ip", info.host).Field("version", info.version);
  json.Field("build_type", "unknown").Field("build_hash", "unknown");
  json.Key("roles").BeginArray();
  for (const std::string& role : info.roles)
    json.String(role);
  json.EndArray().Key("attributes").BeginObject();
  for (const Header& one : info.attributes)
    json.Field(one.name, one.value);
  json.EndObject();
  if (asked.Wants("transport")) {
    RenderAddress(json, "transport", info.address);
    json.Key("profiles").BeginObject().EndObject().EndObject();
  }
  if (asked.Wants("http") && ServesHttp(member, profile) && !http_address.empty()) {
    RenderAddress(json, "http", http_address);
    json.Field("max_content_length_in_bytes", std::uint64_t{http::ServerLimits{}.body_max});
    json.EndObject();
  }
  json.EndObject();
}

void RenderCounts(http::JsonWriter& json, const std::vector<MemberStatus>& members,
                  std::size_t silent) {
  json.Key("_nodes").BeginObject();
  json.Field("total", std::uint64_t{members.size()});
  json.Field("successful", std::uint64_t{members.size() - silent});
  json.Field("failed", std::uint64_t{silent});
  if (silent > 0) {
    json.Key("failures").BeginArray();
    for (const MemberStatus& member : members) {
      if (member.alive) continue;
      RenderFailure(json, FailureOf(member.info, {Presence::kSilent, false, {}}, {},
                                    {ErrorCode::kUnavailable, "no sign of life from the node"}));
    }
    json.EndArray();
  }
  json.EndObject();
}

}  // namespace

void AnswerNodes(const Coordinator& coordinator, const Identity& identity,
                 const std::string& http_address, const ExchangePtr& exchange, Profile profile) {
  const http::Request& request = exchange->request();
  for (const char* other : {"usage", "hot_threads"}) {
    // These would be read as names of nodes.
    if (std::find(request.captures.begin(), request.captures.end(), other) !=
        request.captures.end()) {
      return AnswerUnrouted(exchange, {}, profile);
    }
  }
  Params params(request);
  const Style style = ReadStyle(request, params, profile, {});
  params.Bool("flat_settings", false);
  params.Duration("timeout");
  const AskedInfo asked = ReadInfoPath(request.captures);
  std::optional<Problem> problem = params.Finish();
  if (problem) return SendProblem(exchange, style, *problem);
  Result<std::vector<MemberStatus>> members = coordinator.Members({asked.nodes, false});
  if (!members)
    return SendProblem(exchange, style, ToProblem(members.error(), ErrorSource::kService));
  if (asked.Named("http")) {
    std::erase_if(*members,
                  [&](const MemberStatus& member) { return !ServesHttp(member, style.profile); });
  }
  SendNodes(exchange, style, identity, *members,
            [&](http::JsonWriter& json, const MemberStatus& member) {
              RenderNode(json, member, asked, http_address, style.profile);
            });
}

void SendNodes(const ExchangePtr& exchange, const Style& style, const Identity& identity,
               const std::vector<MemberStatus>& members,
               const std::function<void(http::JsonWriter&, const MemberStatus&)>& render) {
  const auto silent = static_cast<std::size_t>(std::count_if(
      members.begin(), members.end(), [](const MemberStatus& member) { return !member.alive; }));
  std::string body;
  http::JsonWriter json(body);
  json.BeginObject();
  RenderCounts(json, members, silent);
  json.Field("cluster_name", identity.cluster_name).Key("nodes").BeginObject();
  for (const MemberStatus& member : members) {
    if (member.alive) render(json, member);
  }
  json.EndObject().EndObject();
  Send(exchange, style, 200, std::move(body), {{"Quell-Nodes", Coverage(members.size(), silent)}});
}

}  // namespace quell::opensearch
