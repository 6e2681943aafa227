#include "coordinator/api/opensearch/request/unrouted.h"

#include <string>
#include <utility>

#include "coordinator/api/opensearch/request/request_checks.h"

namespace quell::opensearch {
namespace {

using http::Method;

const std::vector<Method> kIndexMethods = {Method::kGet, Method::kHead, Method::kDelete,
                                           Method::kPut};

Problem WrongMethod(const http::Request& request, const std::vector<Method>& allowed) {
  Problem problem;
  problem.status = 405;
  problem.form = ProblemForm::kText;
  problem.reason = "Incorrect HTTP method for uri [" + request.target + "] and method [" +
                   std::string(ToString(request.method)) + "], allowed: [" +
                   JoinNames(allowed, ", ") + "]";
  return problem;
}

Problem NoHandler(const http::Request& request) {
  Problem problem;
  problem.form = ProblemForm::kTextOnly;
  // Two slashes in front would name a host.
  const std::string uri = request.target.starts_with("//") ? "" : request.target;
  problem.reason = "no handler found for uri [" + uri + "] and method [" +
                   std::string(ToString(request.method)) + "]";
  return problem;
}

Problem NoIndex(const std::string& name) {
  Problem problem;
  if (name.starts_with('_')) {
    problem.type = "invalid_index_name_exception";
    problem.reason = "Invalid index name [" + name + "], must not start with '_'.";
    problem.details = {{"index", name}, {"index_uuid", "_na_"}};
    return problem;
  }
  problem.status = 404;
  problem.type = "index_not_found_exception";
  problem.reason = "no such index [" + name + "]";
  problem.details = {{"index", name},
                     {"resource.id", name},
                     {"resource.type", "index_or_alias"},
                     {"index_uuid", "_na_"}};
  return problem;
}

}  // namespace

void AnswerUnrouted(const ExchangePtr& exchange, const std::vector<Method>& allowed,
                    Profile profile) {
  const http::Request& request = exchange->request();
  Params params(request);
  const Style style = ReadStyle(request, params, profile, {});
  if (std::optional<Problem> problem = CheckHeaders(request)) {
    return SendProblem(exchange, style, *problem);
  }
  const bool index = allowed.empty() && style.profile == Profile::kStrict &&
                     request.segments.size() == 1 && !request.segments.front().empty();
  const std::vector<Method>& methods = index ? kIndexMethods : allowed;
  if (methods.empty()) return SendProblem(exchange, style, NoHandler(request));
  std::vector<Header> allow = {{"Allow", JoinNames(methods, ",")}};
  if (request.method == Method::kOptions) return SendText(exchange, "", std::move(allow));
  if (index && request.method == Method::kPut) {  // None can be made.
    return SendProblem(exchange, style, NoHandler(request));
  }
  if (index && request.method != Method::kPost && request.method != Method::kPatch) {
    return SendProblem(exchange, style, NoIndex(request.segments.front()));
  }
  SendProblem(exchange, style, WrongMethod(request, methods), std::move(allow));
}

}  // namespace quell::opensearch
