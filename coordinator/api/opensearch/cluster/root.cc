#include "coordinator/api/opensearch/cluster/root.h"

#include <string>
#include <utility>

#include "transport/http/json_writer.h"

namespace quell::opensearch {
namespace {

// What a build of Quell does not record. Clients want the fields.
constexpr const char* kUnrecorded = "unknown";
constexpr const char* kNoDate = "1970-01-01T00:00:00Z";
constexpr const char* kNoLucene = "none";

}  // namespace

void AnswerRoot(const Coordinator& coordinator, const Identity& identity,
                const ExchangePtr& exchange, Profile profile) {
  const http::Request& request = exchange->request();
  Params params(request);
  Style style = ReadStyle(request, params, profile, {});
  if (std::optional<Problem> problem = params.Finish()) {
    return SendProblem(exchange, style, *problem);
  }
  if (!params.Has("pretty")) style.pretty = true;  // People look at this one.
  std::string body;
  http::JsonWriter json(body);
  json.BeginObject().Field("name", coordinator.self().name);
  json.Field("cluster_name", identity.cluster_name);
  json.Field("cluster_uuid", coordinator.self().id.view());
  json.Key("version").BeginObject();
  json.Field("distribution", identity.distribution).Field("number", identity.version);
  json.Field("build_type", kUnrecorded).Field("build_hash", kUnrecorded);
  json.Field("build_date", kNoDate).Field("build_snapshot", false);
  json.Field("lucene_version", kNoLucene);
  json.Field("minimum_wire_compatibility_version", identity.version);
  json.Field("minimum_index_compatibility_version", identity.version);
  json.EndObject().Field("tagline", identity.tagline).EndObject();
  Send(exchange, style, 200, std::move(body));
}

}  // namespace quell::opensearch
