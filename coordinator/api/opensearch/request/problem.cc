#include "coordinator/api/opensearch/request/problem.h"

#include "transport/http/json_writer.h"

namespace quell::opensearch {

namespace {

std::string Line(std::string_view type, std::string_view reason) {
  return std::string(type) + ": " + std::string(reason) + "\n";
}

}  // namespace

std::string RenderProblem(const Problem& problem, bool trace) {
  std::string body;
  http::JsonWriter json(body);
  if (problem.form != ProblemForm::kWhole) {
    json.BeginObject().Field("error", problem.reason);
    if (problem.form == ProblemForm::kText) json.Field("status", problem.status);
    json.EndObject();
    return body;
  }
  std::string whole = Line(problem.type, problem.reason);
  if (problem.caused_by) {
    whole += "Caused by: " + Line(problem.caused_by->type, problem.caused_by->reason);
  }
  auto traced = [&json, trace](const std::string& text) {
    if (trace) json.Field("stack_trace", text);
  };
  auto cause = [&](const Cause& one) {
    json.BeginObject().Field("type", one.type).Field("reason", one.reason);
    traced(Line(one.type, one.reason));
    json.EndObject();
  };
  auto details = [&] {
    for (const Header& detail : problem.details)
      json.Field(detail.name, detail.value);
  };
  json.BeginObject().Key("error").BeginObject().Key("root_cause").BeginArray();
  if (problem.caused_by && problem.caused_by_is_root) {
    cause(*problem.caused_by);
  } else {
    json.BeginObject().Field("type", problem.type).Field("reason", problem.reason);
    details();
    traced(whole);
    json.EndObject();
  }
  json.EndArray().Field("type", problem.type).Field("reason", problem.reason);
  details();
  if (problem.caused_by) {
    json.Key("caused_by");
    cause(*problem.caused_by);
  }
  traced(whole);
  json.EndObject().Field("status", problem.status).EndObject();
  return body;
}

}  // namespace quell::opensearch
