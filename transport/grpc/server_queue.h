// gRPC lets only the maker of a server make a queue that can serve. A loop's queue is made by one,
// long before it is known whether and where the loop will serve. Private to this folder.
#pragma once

#include <memory>

#include <grpcpp/completion_queue.h>

namespace quell {

struct ServerQueue {
  std::shared_ptr<void> maker;  // For the one server that can have the queue; server.cc knows it.
  std::unique_ptr<grpc::ServerCompletionQueue> queue;
  // Once there is one, until the queue is drained: gRPC has events of its own in the queue, which
  // touch the server.
  std::shared_ptr<void> server;
};

ServerQueue MakeServerQueue();

}  // namespace quell
