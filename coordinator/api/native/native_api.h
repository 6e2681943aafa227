// The native API: what OpenSearch cannot say. /quell/v1/..., and /livez, /readyz.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "coordinator/coordinator.h"
#include "coordinator/http/rendering.h"
#include "transport/http/router.h"

namespace quell::native {

// Not thread-safe: its handlers run on the coordinator's executor. The coordinator and the API
// must outlive the router's use.
class NativeApi {
 public:
  // `ready`: whether /readyz says so.
  NativeApi(Coordinator& coordinator, std::function<bool()> ready, Rendering rendering = {});

  void AddRoutes(http::Router& router);

 private:
  using ExchangePtr = std::shared_ptr<http::Exchange>;

  void GetTask(const ExchangePtr& exchange);
  void WaitForTasks(const ExchangePtr& exchange);
  void ListTasks(const ExchangePtr& exchange);
  void ListNodes(const ExchangePtr& exchange);
  void ForgetNode(const ExchangePtr& exchange);
  void DrainNode(const ExchangePtr& exchange, DrainQuery::What what);
  static std::optional<NodeId> NodeOf(const ExchangePtr& exchange);

  Coordinator& coordinator_;
  const std::function<bool()> ready_;
  const Rendering rendering_;
};

}  // namespace quell::native
