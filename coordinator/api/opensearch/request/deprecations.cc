#include "coordinator/api/opensearch/request/deprecations.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/version.h"

namespace quell::opensearch {
namespace {

// Adds headers to an answer.
class WithHeaders final : public http::Exchange {
 public:
  WithHeaders(ExchangePtr inner, std::vector<Header> headers)
      : inner_(std::move(inner)), headers_(std::move(headers)) {}

  const http::Request& request() const override { return inner_->request(); }
  void Send(http::Response response) override { inner_->Send(Added(std::move(response))); }
  void Start(http::Response head) override { inner_->Start(Added(std::move(head))); }
  void Write(std::string chunk, std::function<void()> drained) override {
    inner_->Write(std::move(chunk), std::move(drained));
  }
  void End() override { inner_->End(); }
  void OnGone(std::function<void()> gone) override { inner_->OnGone(std::move(gone)); }

 private:
  http::Response Added(http::Response response) const {
    response.headers.insert(response.headers.end(), headers_.begin(), headers_.end());
    return response;
  }

  const ExchangePtr inner_;
  const std::vector<Header> headers_;
};

bool Has(const http::Request& request, std::string_view param) {
  return std::any_of(request.query.begin(), request.query.end(),
                     [&](const http::QueryParam& one) { return one.name == param; });
}

std::vector<std::string> OldNames(const http::Request& request) {
  std::vector<std::string> texts;
  const std::string& path = request.path;
  const bool of_cluster = path.starts_with("/_cluster/") || path.starts_with("/_cat/");
  if (of_cluster && path != "/_cat/tasks" && Has(request, "master_timeout")) {
    texts.emplace_back("[master_timeout] is an old name: use [cluster_manager_timeout]");
  }
  if (path == "/_cat/nodes" && Has(request, "local")) {
    texts.emplace_back("[local] has no effect on this path: leave it out");
  }
  if (path == "/_cat/master") {
    texts.emplace_back("[/_cat/master] is an old name: use [/_cat/cluster_manager]");
  }
  if (path.starts_with("/_cluster/state/") && !request.captures.empty()) {
    const std::vector<std::string> metrics = SplitList(request.captures.front());
    if (std::find(metrics.begin(), metrics.end(), "master_node") != metrics.end()) {
      texts.emplace_back("the metric [master_node] is an old name: use [cluster_manager_node]");
    }
  }
  return texts;
}

}  // namespace

ExchangePtr Deprecations::Watch(ExchangePtr exchange) {
  const http::Request& request = exchange->request();
  std::vector<Header> warnings;
  for (const std::string& text : OldNames(request)) {
    if (told_.size() >= limits::kWarningsRemembered) told_.clear();
    const std::string_view id = request.HeaderValue("X-Opaque-Id").value_or("");
    if (!told_.emplace(text, id).second) continue;
    warnings.push_back({"Warning", "299 Quell-" + std::string(Version()) + " \"" + text + "\""});
  }
  if (warnings.empty()) return exchange;
  return std::make_shared<WithHeaders>(std::move(exchange), std::move(warnings));
}

}  // namespace quell::opensearch
