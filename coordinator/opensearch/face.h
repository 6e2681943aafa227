// The coordinator's OpenSearch face: routes, parameters, answers. Exactness is judged by the
// recordings of a real server; README.md says where the documented profile departs from them.
#pragma once

#include <string>
#include <utility>

#include "coordinator/coordinator.h"
#include "coordinator/opensearch/answer.h"
#include "coordinator/opensearch/cluster/identity.h"
#include "coordinator/opensearch/deprecations.h"
#include "coordinator/opensearch/profile.h"
#include "coordinator/rendering.h"
#include "transport/http/router.h"

namespace quell::opensearch {

struct FaceOptions {
  Profile profile =
      Profile::kDocumented;  // Unless a request's header Quell-Profile says otherwise.
  Identity identity;
  Rendering rendering = {};
};

// Not thread-safe: its handlers run on the coordinator's executor. Coordinator and face must
// outlive the router's use.
class Face {
 public:
  Face(Coordinator& coordinator, FaceOptions options);

  void AddRoutes(http::Router& router);
  // Where clients reach this coordinator, "127.0.0.1:9480"; nobody is told of one before this.
  void PublishHttp(std::string address) { http_address_ = std::move(address); }
  // Of what the gate and the permissions refuse.
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
  const FaceOptions options_;
  std::string http_address_;
  Deprecations deprecations_;
};

}  // namespace quell::opensearch
