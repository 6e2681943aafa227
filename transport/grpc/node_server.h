// The node's end of Node.Link: hands what coordinators ask to a NodeHandler, on the loop's thread.
#pragma once

#include <memory>

#include "core/ids.h"
#include "transport/grpc/server.h"
#include "transport/node_handler.h"

namespace quell {

// At most limits::kLinksMax coordinators at a time, each with limits::kAsksPerNodeMax requests in
// flight and limits::kLinkBytesMax of answers that it has not read; what is more is refused as
// kResourceExhausted. A page is held back for a moment, so that the end of a short answer travels
// with it. A coordinator that looks for another node than `self` is refused: a port may have a new
// owner.
class GrpcNodeServer final : public GrpcService {
 public:
  explicit GrpcNodeServer(CqLoop& loop);
  // Closes it. To be destroyed after the GrpcServer.
  ~GrpcNodeServer() override;
  GrpcNodeServer(const GrpcNodeServer&) = delete;
  GrpcNodeServer& operator=(const GrpcNodeServer&) = delete;

  // From now on `handler` gets the requests. Once, after GrpcServer::Listen(). Thread-safe.
  void Serve(NodeHandler& handler, const NodeId& self);

  // The handler is not called any more once this has returned on the loop's thread; from another
  // thread it takes effect soon after. Coordinators are told kUnavailable; writers that are still
  // kept do nothing.
  void Close() override;

  std::shared_ptr<grpc::Service> service() override;

 private:
  class Impl;
  CqLoop& loop_;
  std::shared_ptr<Impl> impl_;  // Shared with the open streams, which may outlive us.
};

}  // namespace quell
