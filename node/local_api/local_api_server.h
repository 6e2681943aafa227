// The local API: how programs of this host speak to their node, HTTP and JSON on a unix socket.
// docs/local-api.md describes it for them.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/executor.h"
#include "node/node.h"
#include "transport/http/router.h"

namespace quell {

// Requests are parsed on the server's thread, decided on the node's executor, and answered from
// there. All that it hands out shares what it needs, so that it may be destroyed at any time.
class LocalApiServer {
 public:
  // Both must live until Close(), or be used no more.
  LocalApiServer(Node& node, Executor& executor);

  void AddRoutes(http::Router& router) const;
  // On the node's executor, before the node goes: what comes from now on is answered with 503.
  void Close();

 private:
  struct Shared;
  const std::shared_ptr<Shared> shared_;
};

// The one table from codes to statuses.
int StatusOf(const Error& error);

}  // namespace quell
