// The node's end of Membership.
#pragma once

#include <memory>
#include <string>

#include "transport/membership.h"

namespace quell {

class CqLoop;

// Calls and callbacks on the loop's thread: the loop is the node's executor. After a call that
// ended as kUnavailable or kDeadlineExceeded the next one gets a new connection, so that a
// coordinator that is back is reached at once. A heartbeat whose acks are too large for one message
// travels as several, one after the other; the last one's reply counts.
class GrpcMembershipClient final : public MembershipClient {
 public:
  // `coordinator` is a numeric "127.0.0.1:9400"; with anything else all calls end as
  // kInvalidArgument. `loop` must outlive the client.
  GrpcMembershipClient(CqLoop& loop, const std::string& coordinator);
  // Closes it.
  ~GrpcMembershipClient() override;
  GrpcMembershipClient(const GrpcMembershipClient&) = delete;
  GrpcMembershipClient& operator=(const GrpcMembershipClient&) = delete;

  void Join(JoinRequest request, MonoTime deadline,
            std::function<void(Result<JoinReply>)> done) override;
  void Heartbeat(HeartbeatRequest request, MonoTime deadline,
                 std::function<void(Result<HeartbeatReply>)> done) override;
  void Leave(LeaveRequest request, MonoTime deadline, std::function<void(Status)> done) override;

  // What is in flight, or called later, ends as kCancelled. From another thread than the loop's it
  // takes effect soon after.
  void Close();

 private:
  class Impl;
  CqLoop& loop_;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace quell
