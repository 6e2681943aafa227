// What the coordinator and its parts get from outside: they make nothing of it by themselves.
#pragma once

#include "coordinator/store/store.h"
#include "core/executor.h"
#include "core/random.h"
#include "transport/node_client.h"

namespace quell {

struct CoordinatorServices {
  Executor& executor;
  Random& random;
  Store& store;
  NodeClient& nodes;
};

}  // namespace quell
