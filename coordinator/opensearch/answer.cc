#include "coordinator/opensearch/answer.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "coordinator/opensearch/errors.h"
#include "coordinator/opensearch/pretty.h"
#include "core/limits.h"

namespace quell::opensearch {
namespace {

constexpr std::string_view kOpaqueId = "X-Opaque-Id";

void RepeatIds(const ExchangePtr& exchange, http::Response& response) {
  if (const std::optional<std::string_view> id = exchange->request().HeaderValue(kOpaqueId)) {
    response.headers.insert(response.headers.begin(), {std::string(kOpaqueId), std::string(*id)});
  }
}

void SendResponse(const ExchangePtr& exchange, http::Response response) {
  RepeatIds(exchange, response);
  exchange->Send(std::move(response));
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

// Of `_cat`: `format` wins over `Accept`, of which only the first type counts.
bool WantsText(const http::Request& request, const std::string& format) {
  if (!format.empty()) return format != "json";
  const std::string accept = Lower(std::string(request.HeaderValue("Accept").value_or("")));
  return accept.substr(0, accept.find(';')) != "application/json";
}

}  // namespace

Style ReadStyle(const http::Request& request, Params& params, Profile profile,
                const StyleRules& rules) {
  Style style;
  style.profile = profile;
  style.pretty = params.Bool("pretty", rules.pretty_unless_told);
  if (params.Bool("human", false)) params.Fail("[human] is not served: leave it out");
  params.Bool("error_trace", false);
  if (params.Has("filter_path")) params.Fail("[filter_path] is not served: leave it out");
  const std::string format = Lower(params.Text("format"));
  if (!format.empty() && format != "json" && !(rules.text_unless_told && format == "text")) {
    params.Fail(std::string("[format] must be [json]") +
                (rules.text_unless_told ? " or [text]" : "") + " but was [" + format + "]");
  }
  if (rules.text_unless_told) style.text = WantsText(request, format);
  if (std::optional<std::string_view> wanted = request.HeaderValue("Quell-Profile")) {
    if (std::optional<Profile> known = ProfileFromString(*wanted)) {
      style.profile = *known;
    } else {
      params.Fail("the header Quell-Profile must be [documented] or [strict] but was [" +
                  std::string(*wanted) + "]");
    }
  }
  return style;
}

void Send(const ExchangePtr& exchange, const Style& style, int status, std::string body,
          std::vector<Header> headers) {
  http::Response response;
  response.status = status;
  response.headers = std::move(headers);
  response.body = style.pretty ? Prettify(body) : std::move(body);
  SendResponse(exchange, std::move(response));
}

void StartStream(const ExchangePtr& exchange, std::vector<Header> headers) {
  http::Response head;
  head.headers = std::move(headers);
  RepeatIds(exchange, head);
  exchange->Start(std::move(head));
}

void SendText(const ExchangePtr& exchange, std::string body, std::vector<Header> headers) {
  http::Response response;
  response.content_type = "text/plain; charset=UTF-8";
  response.headers = std::move(headers);
  response.body = std::move(body);
  SendResponse(exchange, std::move(response));
}

void SendProblem(const ExchangePtr& exchange, const Style& style, const Problem& problem) {
  std::vector<Header> headers;
  if (problem.status == 429) headers.push_back({"Retry-After", "1"});
  Send(exchange, style, problem.status, RenderProblem(problem), std::move(headers));
}

Problem Invalid(std::string reason) {
  Problem problem;
  problem.reason = std::move(reason);
  return problem;
}

Problem ValidationFailed(const std::string& what) {
  Problem problem;
  problem.type = "action_request_validation_exception";
  problem.reason = "Validation Failed: 1: " + what + ";";
  return problem;
}

Problem Busy(bool wait) {
  const std::size_t most = wait ? limits::kWaitsMax : limits::kFanOutsMax;
  return ToProblem(
      {ErrorCode::kResourceExhausted, std::to_string(most) +
                                          (wait ? " requests are waiting for tasks to end already"
                                                : " requests are waiting for nodes already") +
                                          ": come back later"},
      Whose::kService);
}

std::optional<TaskId> ParentFilter(const TaskIdText& parent) {
  if (parent.unset) return std::nullopt;
  // One that cannot be is asked for all the same: nothing matches it. It must be an id, or it does
  // not travel; 126 zero bits and a 1 are as good as never drawn.
  return parent.Resolve().value_or(TaskId{*NodeId::Parse("AAAAAAAAAAAAAAAAAAAAAQ"), 1});
}

}  // namespace quell::opensearch
