// The local door: what programs of this host say and hear, over HTTP and JSON on a unix socket
// (docs/local-door.md). Reads requests on the server's thread, has them decided on the node's
// executor, and answers from there.
#pragma once

#include <memory>

#include "core/executor.h"
#include "node/node.h"
#include "transport/http/router.h"

namespace quell {

class LocalDoor {
 public:
  // `node` lives on `executor`.
  LocalDoor(Node& node, Executor& executor);
  ~LocalDoor();

  void AddRoutes(http::Router& router);

  // No request reaches the node any more once this has run on the executor; what waits is answered
  // 503.
  void Close();

 private:
  struct State;
  const std::shared_ptr<State> state_;
};

}  // namespace quell
