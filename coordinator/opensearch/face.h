// The coordinator's OpenSearch face: routes, parameters, answers. Exactness is judged by the
// recordings of a real server; README.md says where the documented profile departs from them.
#pragma once

#include <string>

#include "coordinator/coordinator.h"
#include "coordinator/opensearch/answer.h"
#include "coordinator/opensearch/profile.h"
#include "transport/http/router.h"

namespace quell::opensearch {

struct FaceOptions {
  Profile profile =
      Profile::kDocumented;  // Unless a request's header Quell-Profile says otherwise.
  std::string cluster_name = "quell";
  std::string version;
};

// Not thread-safe: its handlers run on the coordinator's executor. Coordinator and face must
// outlive the router's use.
class Face {
 public:
  Face(Coordinator& coordinator, FaceOptions options);

  void AddRoutes(http::Router& router);
  // Of what no route takes.
  static std::string ErrorBody(int status, std::string_view type, std::string_view reason);

 private:
  void List(const ExchangePtr& exchange);
  void Get(const ExchangePtr& exchange);
  // `path_id`: the id stands in the path.
  void Cancel(const ExchangePtr& exchange, bool path_id);
  void Root(const ExchangePtr& exchange);
  void Nodes(const ExchangePtr& exchange);

  Coordinator& coordinator_;
  const FaceOptions options_;
};

}  // namespace quell::opensearch
