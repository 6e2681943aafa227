// The way from a node to its coordinator: both ends.
#pragma once

#include <functional>

#include "core/clock.h"
#include "core/principal.h"
#include "core/result.h"
#include "transport/messages.h"

namespace quell {

// The node's end. Callbacks run on the node's executor, exactly once each, never inside the call.
// Errors: kUnavailable, kDeadlineExceeded, and the coordinator's own: kAlreadyExists (a living
// daemon has this node id), kFailedPrecondition, kPermissionDenied, kResourceExhausted.
class MembershipClient {
 public:
  virtual ~MembershipClient() = default;
  virtual void Join(JoinRequest request, MonoTime deadline,
                    std::function<void(Result<JoinReply>)> done) = 0;
  virtual void Heartbeat(HeartbeatRequest request, MonoTime deadline,
                         std::function<void(Result<HeartbeatReply>)> done) = 0;
  virtual void Leave(LeaveRequest request, MonoTime deadline, std::function<void(Status)> done) = 0;
};

// The coordinator's end, called on the coordinator's executor. `reply` may be called from that
// executor at any later time, exactly once.
class MembershipHandler {
 public:
  virtual ~MembershipHandler() = default;
  virtual void OnJoin(JoinRequest request, const Principal& who,
                      std::function<void(Result<JoinReply>)> reply) = 0;
  virtual void OnHeartbeat(HeartbeatRequest request, const Principal& who,
                           std::function<void(Result<HeartbeatReply>)> reply) = 0;
  virtual void OnLeave(LeaveRequest request, const Principal& who,
                       std::function<void(Status)> reply) = 0;
};

}  // namespace quell
