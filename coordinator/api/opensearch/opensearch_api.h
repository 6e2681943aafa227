// The coordinator's OpenSearch API: routes, parameters, answers. Exactness is judged by the
// recordings of a real server; README.md says where the documented profile departs from them.
#pragma once

#include <string>
#include <utility>

#include "coordinator/api/opensearch/cluster/identity.h"
#include "coordinator/api/opensearch/request/answer.h"
#include "coordinator/api/opensearch/request/deprecations.h"
#include "coordinator/api/opensearch/request/profile.h"
#include "coordinator/coordinator.h"
#include "coordinator/http/rendering.h"
#include "transport/http/router.h"

namespace quell::opensearch {

struct OpenSearchOptions {
  Profile profile =
      Profile::kDocumented;  // Unless a request's header Quell-Profile says otherwise.
  Identity identity;
  Rendering rendering = {};
};

// Not thread-safe: its handlers run on the coordinator's executor. Coordinator and API must
// outlive the router's use.
class OpenSearchApi {
 public:
  OpenSearchApi(Coordinator& coordinator, OpenSearchOptions options);

  void AddRoutes(http::Router& router);
  // Where clients reach this coordinator, "127.0.0.1:9480"; nobody is told of one before this.
  void PublishHttp(std::string address) { http_address_ = std::move(address); }
  // Of what request validation and the permissions refuse.
  static std::string ErrorBody(int status, std::string_view type, std::string_view reason);

 private:
  void List(const ExchangePtr& exchange);
  void Get(const ExchangePtr& exchange);
  // `path_id`: the id stands in the path.
  void Cancel(const ExchangePtr& exchange, bool path_id);
  void Add(http::Router& router, http::Method method, std::string pattern, Permission permission,
           http::Handler handler);
  void AddClusterRoutes(http::Router& router);

  Coordinator& coordinator_;
  const OpenSearchOptions options_;
  std::string http_address_;
  Deprecations deprecations_;
};

}  // namespace quell::opensearch
