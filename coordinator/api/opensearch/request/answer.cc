#include "coordinator/api/opensearch/request/answer.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "coordinator/api/opensearch/format/binary.h"
#include "coordinator/api/opensearch/format/pretty.h"
#include "coordinator/api/opensearch/format/yaml.h"
#include "coordinator/api/opensearch/request/errors.h"
#include "core/limits.h"

namespace quell::opensearch {
namespace {

std::vector<Header> IdsOf(const http::Request& request) {
  std::vector<Header> headers;
  for (const char* name : {"X-Opaque-Id", "X-Request-Id"}) {
    if (const std::optional<std::string_view> id = request.HeaderValue(name)) {
      headers.push_back({name, std::string(*id)});
    }
  }
  return headers;
}

// Bytes over 127 are Latin-1 to a real server.
std::string FromLatin1(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      text += c;
    } else {
      text += static_cast<char>(0xC0 | (byte >> 6));
      text += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  return text;
}

void RepeatIds(const ExchangePtr& exchange, http::Response& response) {
  const std::vector<Header> headers = IdsOf(exchange->request());
  response.headers.insert(response.headers.begin(), headers.begin(), headers.end());
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

struct FormatRow {
  Format format;
  std::string_view name;
  std::string_view media_type;  // As requests name it.
  std::string_view content_type;
};
constexpr std::array<FormatRow, 5> kFormats = {
    {{Format::kJson, "json", "application/json", "application/json; charset=UTF-8"},
     {Format::kYaml, "yaml", "application/yaml", "application/yaml"},
     {Format::kCbor, "cbor", "application/cbor", "application/cbor"},
     {Format::kSmile, "smile", "application/smile", "application/smile"},
     {Format::kText, "text", "text/plain", "text/plain; charset=UTF-8"}}};

std::optional<Format> FormatOfType(const http::Request& request, std::string_view header) {
  const std::string types = Lower(std::string(request.HeaderValue(header).value_or("")));
  const std::string type = types.substr(0, types.find(';'));
  for (const FormatRow& row : kFormats) {
    if (row.media_type == type) return row.format;
  }
  return std::nullopt;
}

std::string NamesOfFormats(bool text) {
  std::string names;
  for (const FormatRow& row : kFormats) {
    if (row.format == Format::kText && !text) continue;
    names += (names.empty() ? "[" : ", [") + std::string(row.name) + "]";
  }
  return names;
}

Format ReadFormat(const http::Request& request, Params& params, Profile profile, bool text) {
  const Format otherwise = text ? Format::kText : Format::kJson;
  const std::string name = Lower(params.Text("format"));
  std::optional<Format> format;
  if (name.empty()) {
    format = FormatOfType(request, "Accept");
    if (!format && !text) format = FormatOfType(request, "Content-Type");
  } else {
    const auto row = std::find_if(kFormats.begin(), kFormats.end(),
                                  [&](const FormatRow& one) { return one.name == name; });
    if (row != kFormats.end()) format = row->format;
    const bool known = format && (text || *format != Format::kText);
    if (!known && profile == Profile::kDocumented) {
      params.Fail("[format] must be one of " + NamesOfFormats(text) + " but was [" + name + "]");
    }
  }
  if (!format || (*format == Format::kText && !text)) return otherwise;
  return *format;
}

Profile ReadProfile(const http::Request& request, Params& params, Profile otherwise) {
  const std::optional<std::string_view> wanted = request.HeaderValue("Quell-Profile");
  if (wanted && !ProfileFromString(*wanted)) {
    params.Fail("the header Quell-Profile must be [documented] or [strict] but was [" +
                std::string(*wanted) + "]");
  }
  return ProfileOf(request, otherwise);
}

std::shared_ptr<const FilterPath> ReadFilter(Params& params) {
  if (!params.Has("filter_path")) return nullptr;
  Result<FilterPath> filter = FilterPath::Parse(params.Text("filter_path"));
  if (!filter) {
    params.Fail(filter.error().message);
    return nullptr;
  }
  return filter->empty() ? nullptr : std::make_shared<const FilterPath>(std::move(*filter));
}

std::string InFormat(const Style& style, std::string json) {
  switch (style.format) {
    case Format::kYaml:
      return ToYaml(json);
    case Format::kCbor:
      return ToCbor(json);
    case Format::kSmile:
      return ToSmile(json);
    default:
      return style.pretty && !json.empty() ? Prettify(json) : std::move(json);
  }
}

std::string_view ContentType(Format format) {
  return kFormats[static_cast<std::size_t>(format)].content_type;
}

}  // namespace

Profile ProfileOf(const http::Request& request, Profile otherwise) {
  const std::optional<std::string_view> wanted = request.HeaderValue("Quell-Profile");
  return wanted ? ProfileFromString(*wanted).value_or(otherwise) : otherwise;
}

Style ReadStyle(const http::Request& request, Params& params, Profile profile,
                const StyleRules& rules) {
  Style style;
  style.profile = ReadProfile(request, params, profile);
  if (style.profile == Profile::kStrict) params.AsRecorded();
  style.pretty = params.Bool("pretty", false);
  style.human = params.Bool("human", false);
  style.trace = params.Bool("error_trace", false);
  style.filter = ReadFilter(params);
  style.format = ReadFormat(request, params, style.profile, rules.text_unless_told);
  return style;
}

void Send(const ExchangePtr& exchange, const Style& style, int status, std::string body,
          std::vector<Header> headers) {
  SendResponse(exchange, Rendered(style, status, std::move(body), std::move(headers)));
}

http::Response Rendered(const Style& style, int status, std::string body,
                        std::vector<Header> headers) {
  http::Response response;
  response.status = status;
  response.content_type = ContentType(style.format == Format::kText ? Format::kJson : style.format);
  response.headers = std::move(headers);
  if (style.filter) body = style.filter->Apply(body);
  response.body = InFormat(style, std::move(body));
  return response;
}

void SendLong(const ExchangePtr& exchange, const Aside& aside, std::size_t bytes,
              std::function<http::Response()> render) {
  if (!aside || bytes < limits::kAnswerAside) return SendResponse(exchange, render());
  const auto response = std::make_shared<http::Response>();
  aside([response, render = std::move(render)] { *response = render(); },
        [exchange, response] { SendResponse(exchange, std::move(*response)); });
}

void StartStream(const ExchangePtr& exchange, std::vector<Header> headers) {
  http::Response head;
  head.headers = std::move(headers);
  RepeatIds(exchange, head);
  exchange->Start(std::move(head));
}

void SendText(const ExchangePtr& exchange, std::string body, std::vector<Header> headers) {
  SendResponse(exchange, RenderedText(std::move(body), std::move(headers)));
}

http::Response RenderedText(std::string body, std::vector<Header> headers) {
  http::Response response;
  response.content_type = ContentType(Format::kText);
  response.headers = std::move(headers);
  response.body = std::move(body);
  return response;
}

void SendProblem(const ExchangePtr& exchange, const Style& style, const Problem& problem,
                 std::vector<Header> headers) {
  if (problem.status == 429) headers.push_back({"Retry-After", "1"});
  Style whole = style;
  whole.filter = nullptr;
  Send(exchange, whole, problem.status, RenderProblem(problem, style.trace), std::move(headers));
}

std::optional<RequestTask> AsTask(const http::Request& request, std::string description) {
  if (request.HeaderValue("Quell-Requests") == "hidden") return std::nullopt;
  RequestTask task;
  task.description = std::move(description);
  for (const Header& header : IdsOf(request))
    task.headers.push_back({header.name, FromLatin1(header.value)});
  return task;
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
      ErrorSource::kService);
}

Problem BusyWithCancels() {
  return ToProblem(
      {ErrorCode::kResourceExhausted,
       std::to_string(limits::kCancelsMax) + " cancels are under way already: come back later"},
      ErrorSource::kService);
}

Problem HeldTooMuch(const http::HeldBytes& held) {
  const http::HeldRefusal refusal = held.refusal().value_or(http::HeldRefusal::kBusy);
  Problem problem = Invalid(http::Describe(refusal, *held.budget()));
  if (refusal == http::HeldRefusal::kBusy) {
    problem.status = 429;
    problem.type = "circuit_breaking_exception";
  }
  return problem;
}

TaskSelection ReadSelection(Params& params) {
  TaskSelection selection;
  selection.nodes = params.List("nodes");
  selection.filter.actions = params.List("actions");
  if (const TaskIdText parent = params.TaskId("parent_task_id"); !parent.unset) {
    // One that cannot be is asked for all the same: nothing matches it. It must be an id, or it
    // does not travel; 126 zero bits and a 1 are as good as never drawn.
    selection.filter.parent =
        parent.Resolve().value_or(TaskId{*NodeId::Parse("AAAAAAAAAAAAAAAAAAAAAQ"), 1});
  }
  if (params.as_recorded()) return selection;
  if (selection.nodes.empty() && params.Has("nodes")) {
    params.Fail("[nodes] is empty: name nodes, or say [nodes=_all] for all of them");
  }
  if (selection.filter.actions.empty() && params.Has("actions")) {
    params.Fail("[actions] is empty: name actions, or say [actions=*] for all of them");
  }
  if (!selection.filter.parent && params.Has("parent_task_id")) {
    params.Fail(
        "[parent_task_id] names no task: name one, or leave it out for whatever the parent");
  }
  return selection;
}

}  // namespace quell::opensearch
