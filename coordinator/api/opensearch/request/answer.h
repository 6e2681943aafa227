// What every endpoint of the API shares: how an answer is to look, how it is sent, and the
// parameters that mean the same everywhere.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/api/opensearch/format/filter_path.h"
#include "coordinator/api/opensearch/request/params.h"
#include "coordinator/api/opensearch/request/problem.h"
#include "coordinator/api/opensearch/request/profile.h"
#include "coordinator/http/rendering.h"
#include "core/filter.h"
#include "core/ids.h"
#include "core/request_tasks.h"
#include "transport/http/exchange.h"

namespace quell::opensearch {

using ExchangePtr = std::shared_ptr<http::Exchange>;

enum class Format : std::uint8_t {
  kJson,
  kYaml,
  kCbor,
  kSmile,
  kText,  // A table for people; only `_cat` has one. Errors are JSON then.
};

struct Style {
  Profile profile = Profile::kDocumented;
  Format format = Format::kJson;
  bool pretty = false;
  bool human = false;                        // Times and durations also for people.
  bool trace = false;                        // Errors with their chains of causes.
  std::shared_ptr<const FilterPath> filter;  // Null: all of it. Errors are always whole.
};

// How an endpoint wants its style read.
struct StyleRules {
  bool text_unless_told = false;  // `_cat`: another format only if `format` or `Accept` asks.
};

// The parameters that every request may carry. `format` wins over `Accept`, of which only what
// stands before the first ';' counts, and that over the request's own Content-Type. A format that
// nobody knows is JSON (`_cat`: text) in the strict profile; in the documented one `format` refuses
// it, since an answer that ignores a wish is a wrong one.
Style ReadStyle(const http::Request& request, Params& params, Profile profile,
                const StyleRules& rules);

// What a request wants by the header Quell-Profile, if it is one.
Profile ProfileOf(const http::Request& request, Profile otherwise);

// Every answer repeats the request's X-Opaque-Id and X-Request-Id. `body` is JSON, and leaves in
// the style's format.
void Send(const ExchangePtr& exchange, const Style& style, int status, std::string body,
          std::vector<Header> headers = {});
// What Send() sends, as a value: to be made beside the executor.
http::Response Rendered(const Style& style, int status, std::string body,
                        std::vector<Header> headers = {});
http::Response RenderedText(std::string body, std::vector<Header> headers = {});
// Sends what `render` returns; `bytes` say how long about it is. A long one is rendered beside the
// executor: `render` must own all that it touches.
void SendLong(const ExchangePtr& exchange, const Aside& aside, std::size_t bytes,
              std::function<http::Response()> render);
// Begins a streamed answer, 200, of JSON.
void StartStream(const ExchangePtr& exchange, std::vector<Header> headers);
void SendText(const ExchangePtr& exchange, std::string body, std::vector<Header> headers = {});
void SendProblem(const ExchangePtr& exchange, const Style& style, const Problem& problem,
                 std::vector<Header> headers = {});

// The request as a task, with the headers by which clients know it; its action is the coordinator's
// to say. None if the header Quell-Requests is "hidden": who looks every second need not be seen,
// nor see others who look.
std::optional<RequestTask> AsTask(const http::Request& request, std::string description = {});

Problem Invalid(std::string reason);
Problem ValidationFailed(const std::string& what);
// The coordinator is at its capacity of requests, or of those that wait for tasks to end.
Problem Busy(bool wait);
Problem BusyWithCancels();

// More would be held for this request than may be.
Problem HeldTooMuch(const http::HeldBytes& held);

// Which tasks a request means.
struct TaskSelection {
  std::vector<std::string> nodes;
  TaskFilter filter;
};
// `nodes`, `actions` and `parent_task_id`. One that is there and names nothing is refused, unless
// answers are as recorded: a real server takes it for everything, so one unset variable in a
// script, and all tasks of the cluster are gone. A parent that no task can be matches none.
TaskSelection ReadSelection(Params& params);

}  // namespace quell::opensearch
