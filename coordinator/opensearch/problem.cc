#include "coordinator/opensearch/problem.h"

#include "transport/http/json_writer.h"

namespace quell::opensearch {

std::string RenderProblem(const Problem& problem) {
  std::string body;
  http::JsonWriter json(body);
  if (problem.form != ProblemForm::kWhole) {
    json.BeginObject().Field("error", problem.reason);
    if (problem.form == ProblemForm::kText) json.Field("status", problem.status);
    json.EndObject();
    return body;
  }
  auto cause = [&json](std::string_view type, std::string_view reason) {
    json.BeginObject().Field("type", type).Field("reason", reason).EndObject();
  };
  auto details = [&] {
    for (const Header& detail : problem.details)
      json.Field(detail.name, detail.value);
  };
  json.BeginObject().Key("error").BeginObject().Key("root_cause").BeginArray();
  if (problem.caused_by && problem.caused_by_is_root) {
    cause(problem.caused_by->type, problem.caused_by->reason);
  } else {
    json.BeginObject().Field("type", problem.type).Field("reason", problem.reason);
    details();
    json.EndObject();
  }
  json.EndArray().Field("type", problem.type).Field("reason", problem.reason);
  details();
  if (problem.caused_by) {
    json.Key("caused_by");
    cause(problem.caused_by->type, problem.caused_by->reason);
  }
  json.EndObject().Field("status", problem.status).EndObject();
  return body;
}

}  // namespace quell::opensearch
