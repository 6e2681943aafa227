#include "transport/grpc/membership_client.h"

#include <algorithm>
#include <deque>
#include <set>
#include <type_traits>
#include <utility>

#include <grpcpp/client_context.h>
#include <grpcpp/support/async_unary_call.h>

#include "core/limits.h"
#include "quell/v1/membership.grpc.pb.h"
#include "transport/grpc/channel.h"
#include "transport/grpc/convert.h"
#include "transport/grpc/heartbeat_parts.h"
#include "transport/grpc/operation.h"
#include "transport/grpc/status.h"

namespace quell {
namespace {

using Stub = v1::Membership::Stub;

// One call. Lives until it has ended.
template <typename Reply>
class Call final : public std::enable_shared_from_this<Call<Reply>> {
 public:
  using Done = std::function<void(grpc::Status, const Reply&)>;
  using Reader = std::unique_ptr<grpc::ClientAsyncResponseReader<Reply>>;

  grpc::ClientContext& context() { return context_; }
  void OnDone(Done done) { done_ = std::move(done); }

  void Start(Reader reader) {
    reader_ = std::move(reader);
    reader_->StartCall();
    reader_->Finish(&reply_, &status_, ended_.Tag(this->shared_from_this()));
  }

 private:
  void OnEnded(bool) { std::exchange(done_, nullptr)(status_, reply_); }

  grpc::ClientContext context_;
  Reader reader_;
  Reply reply_;
  grpc::Status status_;
  Done done_;
  MemberOperation<Call> ended_{&Call::OnEnded};
};

Error Closed() {
  return {ErrorCode::kCancelled, "this node is stopping"};
}

}  // namespace

class GrpcMembershipClient::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(CqLoop& loop, const std::string& coordinator)
      : loop_(loop), address_(rpc::ParseAddress(coordinator)) {}

  void Join(const JoinRequest& request, MonoTime deadline,
            std::function<void(Result<JoinReply>)> done) {
    v1::JoinRequest message;
    ToProto(request, &message);
    Start<JoinReply>(&Stub::PrepareAsyncJoin, message, deadline, std::move(done));
  }

  void Heartbeat(const HeartbeatRequest& request, MonoTime deadline,
                 std::function<void(Result<HeartbeatReply>)> done) {
    SendParts(rpc::HeartbeatParts(request, limits::kPageBytes), deadline, std::move(done));
  }

  void Leave(const LeaveRequest& request, MonoTime deadline, std::function<void(Status)> done) {
    v1::LeaveRequest message;
    ToProto(request, &message);
    Start<void>(&Stub::PrepareAsyncLeave, message, deadline, std::move(done));
  }

  void Close() {
    closed_ = true;
    channel_ = nullptr;
    for (grpc::ClientContext* context : calls_)
      context->TryCancel();
  }

 private:
  void SendParts(std::deque<v1::HeartbeatRequest> parts, MonoTime deadline,
                 std::function<void(Result<HeartbeatReply>)> done) {
    const v1::HeartbeatRequest part = std::move(parts.front());
    parts.pop_front();
    auto next = [self = shared_from_this(), parts = std::move(parts), deadline,
                 done = std::move(done)](Result<HeartbeatReply> reply) mutable {
      if (!reply || reply->rejoin || parts.empty()) return done(std::move(reply));
      self->SendParts(std::move(parts), deadline, std::move(done));
    };
    Start<HeartbeatReply>(&Stub::PrepareAsyncHeartbeat, part, deadline, std::move(next));
  }

  // `prepare` is the stub's member function for the method.
  template <typename T, typename Request, typename Reply, typename Done>
  void Start(std::unique_ptr<grpc::ClientAsyncResponseReader<Reply>> (Stub::*prepare)(
                 grpc::ClientContext*, const Request&, grpc::CompletionQueue*),
             const Request& request, MonoTime deadline, Done done) {
    if (closed_ || !address_) {
      Error error = closed_ ? Closed() : address_.error();
      loop_.Post([done = std::move(done), error = std::move(error)]() mutable { done(error); });
      return;
    }
    if (!loop_.queue().Begin()) return;
    if (!channel_) channel_ = rpc::MakeChannel(*address_);
    const std::shared_ptr<grpc::Channel> channel = channel_;
    auto call = std::make_shared<Call<Reply>>();
    grpc::ClientContext* const context = &call->context();
    call->OnDone([self = shared_from_this(), channel, context, done = std::move(done)](
                     const grpc::Status& status, const Reply& reply) mutable {
      self->calls_.erase(context);
      done(self->template Take<T>(channel, status, reply));
    });
    calls_.insert(context);
    const auto left = std::max(deadline - loop_.clock().Now(), MonoClock::duration::zero());
    context->set_deadline(gpr_time_from_nanos(left.count(), GPR_TIMESPAN));
    Stub stub(channel);
    call->Start((stub.*prepare)(context, request, &loop_.queue().completion_queue()));
  }

  template <typename T, typename Reply>
  Result<T> Take(const std::shared_ptr<grpc::Channel>& channel, const grpc::Status& status,
                 const Reply& reply) {
    if (status.ok()) {
      if constexpr (std::is_void_v<T>) {
        return {};
      } else {
        return FromProto(reply);
      }
    }
    if (closed_) return Closed();
    Error error = rpc::FromStatus(status);
    const bool lost =
        error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kDeadlineExceeded;
    if (lost && channel_ == channel) channel_ = nullptr;
    return error;
  }

  CqLoop& loop_;
  const Result<rpc::Address> address_;
  bool closed_ = false;
  std::shared_ptr<grpc::Channel> channel_;  // Null: the next call makes one.
  std::set<grpc::ClientContext*> calls_;    // In flight.
};

GrpcMembershipClient::GrpcMembershipClient(CqLoop& loop, const std::string& coordinator)
    : loop_(loop), impl_(std::make_shared<Impl>(loop, coordinator)) {}

GrpcMembershipClient::~GrpcMembershipClient() {
  Close();
}

void GrpcMembershipClient::Join(JoinRequest request, MonoTime deadline,
                                std::function<void(Result<JoinReply>)> done) {
  impl_->Join(request, deadline, std::move(done));
}

void GrpcMembershipClient::Heartbeat(HeartbeatRequest request, MonoTime deadline,
                                     std::function<void(Result<HeartbeatReply>)> done) {
  impl_->Heartbeat(request, deadline, std::move(done));
}

void GrpcMembershipClient::Leave(LeaveRequest request, MonoTime deadline,
                                 std::function<void(Status)> done) {
  impl_->Leave(request, deadline, std::move(done));
}

void GrpcMembershipClient::Close() {
  if (loop_.IsOwnThread()) return impl_->Close();
  loop_.Post([impl = impl_] { impl->Close(); });
}

}  // namespace quell
