// What every endpoint of the face shares: how an answer is to look, how it is sent, and the
// parameters that mean the same everywhere.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/opensearch/params.h"
#include "coordinator/opensearch/problem.h"
#include "coordinator/opensearch/profile.h"
#include "core/ids.h"
#include "transport/http/exchange.h"

namespace quell::opensearch {

using ExchangePtr = std::shared_ptr<http::Exchange>;

struct Style {
  Profile profile = Profile::kDocumented;
  bool pretty = false;
  bool text = false;  // A table for people; only `_cat` has one. Errors are JSON all the same.
};

// How an endpoint wants its style read.
struct StyleRules {
  bool pretty_unless_told = false;
  bool text_unless_told = false;  // `_cat`: JSON only if `format` or `Accept` asks for it.
};

// The parameters that every request may carry. What would change the answer and is not served is
// refused: an answer that ignores a wish is a wrong one.
Style ReadStyle(const http::Request& request, Params& params, Profile profile,
                const StyleRules& rules);

// Every answer repeats the request's X-Opaque-Id. `body` is JSON.
void Send(const ExchangePtr& exchange, const Style& style, int status, std::string body,
          std::vector<Header> headers = {});
// Begins a streamed answer, 200, of JSON.
void StartStream(const ExchangePtr& exchange, std::vector<Header> headers);
void SendText(const ExchangePtr& exchange, std::string body, std::vector<Header> headers = {});
void SendProblem(const ExchangePtr& exchange, const Style& style, const Problem& problem);

Problem Invalid(std::string reason);
Problem ValidationFailed(const std::string& what);
// The coordinator is at its capacity of requests, or of those that wait for tasks to end.
Problem Busy(bool wait);

// An id that no task can have matches none, as in OpenSearch.
std::optional<TaskId> ParentFilter(const TaskIdText& parent);

}  // namespace quell::opensearch
