// The coordinator's end of Membership: takes calls on the loop's thread, hands them to the
// coordinator's executor.
#pragma once

#include <memory>

#include "core/executor.h"
#include "transport/grpc/server.h"
#include "transport/membership.h"

namespace quell {

// At most limits::kMembershipCallsMax calls at a time; more end as kResourceExhausted. A reply that
// is dropped unused ends its call as kUnavailable.
class GrpcMembershipServer final : public GrpcService {
 public:
  // Both must outlive the server object.
  GrpcMembershipServer(CqLoop& loop, Executor& executor);
  // Closes it. To be destroyed after the GrpcServer.
  ~GrpcMembershipServer() override;
  GrpcMembershipServer(const GrpcMembershipServer&) = delete;
  GrpcMembershipServer& operator=(const GrpcMembershipServer&) = delete;

  // From now on `handler` gets the calls, on the executor. Once, after GrpcServer::Listen().
  // Thread-safe.
  void Serve(MembershipHandler& handler);

  // On the executor's thread, or when nobody runs it: the handler is not called any more. Replies
  // that come later do nothing.
  void Close() override;

  std::shared_ptr<grpc::Service> service() override;

 private:
  class Impl;
  CqLoop& loop_;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace quell
