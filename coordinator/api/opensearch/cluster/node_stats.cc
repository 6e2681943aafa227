#include "coordinator/api/opensearch/cluster/node_stats.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/api/opensearch/cluster/nodes.h"
#include "coordinator/api/opensearch/request/errors.h"
#include "coordinator/api/opensearch/tasks/render.h"

namespace quell::opensearch {
namespace {

constexpr std::string_view kCancellation = "task_cancellation";

// What a real server can be asked for.
const std::vector<std::string_view> kStatsMetrics = {"_all",
                                                     "adaptive_selection",
                                                     "admission_control",
                                                     "breaker",
                                                     "caches",
                                                     "cluster_manager_throttling",
                                                     "discovery",
                                                     "file_cache",
                                                     "fs",
                                                     "http",
                                                     "indexing_pressure",
                                                     "indices",
                                                     "ingest",
                                                     "jvm",
                                                     "os",
                                                     "process",
                                                     "remote_store",
                                                     "repositories",
                                                     "resource_usage_stats",
                                                     "script",
                                                     "script_cache",
                                                     "search_backpressure",
                                                     "search_pipeline",
                                                     "segment_replication_backpressure",
                                                     "shard_indexing_pressure",
                                                     kCancellation,
                                                     "thread_pool",
                                                     "transport",
                                                     "weighted_routing"};

struct AskedStats {
  std::vector<std::string> nodes;
  bool cancellation = true;
};

// The captures of "/_nodes/{nodes}/stats/{metrics}" and its shorter forms.
AskedStats ReadStatsPath(const http::Request& request, Params& params) {
  const std::vector<std::string>& captures = request.captures;
  const bool metrics_named = !request.path.ends_with("/stats");
  const bool nodes_named = captures.size() > (metrics_named ? 1U : 0U);
  AskedStats asked;
  if (nodes_named) asked.nodes = SplitList(captures.front());
  if (!metrics_named) return asked;
  const std::vector<std::string> metrics = SplitList(captures.back());
  auto named = [&metrics](std::string_view metric) {
    return std::find(metrics.begin(), metrics.end(), metric) != metrics.end();
  };
  asked.cancellation = named("_all") || named(kCancellation);
  std::set<std::string_view> unknown;
  for (const std::string& metric : metrics) {
    if (std::find(kStatsMetrics.begin(), kStatsMetrics.end(), metric) == kStatsMetrics.end())
      unknown.insert(metric);
  }
  if (!unknown.empty()) params.Fail(Unrecognized(request.path, "metric", unknown, kStatsMetrics));
  return asked;
}

void RenderCounts(http::JsonWriter& json, std::string_view name, const CancelledRunning& counts) {
  json.Key(name).BeginObject().Field("current_count_post_cancel", counts.now);
  json.Field("total_count_post_cancel", counts.total).EndObject();
}

void RenderStats(http::JsonWriter& json, const MemberStatus& member, const AskedStats& asked,
                 std::int64_t now_millis, Profile profile) {
  json.Key(member.info.id.view()).BeginObject().Field("timestamp", now_millis);
  RenderNodeFields(json, member.info, profile);
  const bool told = member.cancelled_running || profile == Profile::kStrict;
  if (asked.cancellation && told) {
    json.Key(kCancellation).BeginObject();
    RenderCounts(json, "search_task", member.cancelled_running.value_or(CancelledRunning()));
    RenderCounts(json, "search_shard_task", {});
    json.EndObject();
    if (profile == Profile::kStrict) {  // Which has it there whatever is asked for.
      json.Key("native_memory").BeginObject().Field("total_estimated_bytes", 0).EndObject();
    }
  }
  json.EndObject();
}

}  // namespace

void AnswerNodeStats(Coordinator& coordinator, const Identity& identity,
                     const ExchangePtr& exchange, Profile profile) {
  const http::Request& request = exchange->request();
  Params params(request);
  const Style style = ReadStyle(request, params, profile, {});
  params.Duration("timeout");
  const AskedStats asked = ReadStatsPath(request, params);
  if (const auto problem = params.Finish()) return SendProblem(exchange, style, *problem);
  const Result<std::vector<MemberStatus>> members = coordinator.Members({asked.nodes, false});
  if (!members)
    return SendProblem(exchange, style, ToProblem(members.error(), ErrorSource::kService));
  const std::int64_t now = MillisSinceEpoch(coordinator.executor().clock().Wall());
  SendNodes(exchange, style, identity, *members,
            [&](http::JsonWriter& json, const MemberStatus& member) {
              RenderStats(json, member, asked, now, style.profile);
            });
}

}  // namespace quell::opensearch
