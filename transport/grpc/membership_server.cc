#include "transport/grpc/membership_server.h"

#include <atomic>
#include <functional>
#include <set>
#include <type_traits>
#include <utility>

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>

#include "core/limits.h"
#include "quell/v1/membership.grpc.pb.h"
#include "transport/grpc/address.h"
#include "transport/grpc/convert.h"
#include "transport/grpc/operation.h"
#include "transport/grpc/permissions.h"
#include "transport/grpc/status.h"

namespace quell {
namespace {

using Service = v1::Membership::AsyncService;

// permissions.h knows all methods of the service.
static_assert(
    std::is_same_v<Service,
                   v1::Membership::WithAsyncMethod_Join<v1::Membership::WithAsyncMethod_Heartbeat<
                       v1::Membership::WithAsyncMethod_Leave<v1::Membership::Service>>>>,
    "a method of Membership has no permission yet: see permissions.h");

Error Stopping() {
  return {ErrorCode::kUnavailable, "the coordinator is stopping"};
}

// What the calls of one server share; for the loop's thread, except for the handler.
class Calls {
 public:
  explicit Calls(CqLoop& event_loop, Executor& coordinator)
      : loop(event_loop), executor(coordinator) {}

  // A call that can be ended from outside.
  class Open {
   public:
    virtual ~Open() = default;
    virtual void Fail(const Error& error) = 0;
  };

  CqLoop& loop;
  Executor& executor;
  Service service;
  std::atomic<MembershipHandler*> handler = nullptr;  // Called on the executor.
  bool closed = false;
  std::set<Open*> open;  // Taken in, and not answered.
};

// One of each of these describes a method: the two messages, how gRPC takes a call in, what of the
// handler it calls.
struct Join {
  static constexpr rpc::Method kMethod = rpc::Method::kMembershipJoin;
  using Request = v1::JoinRequest;
  using Reply = v1::JoinReply;
  using Answer = Result<JoinReply>;
  static constexpr auto kTakeIn = &Service::RequestJoin;
  static constexpr auto kHandle = &MembershipHandler::OnJoin;
};

struct Heartbeat {
  static constexpr rpc::Method kMethod = rpc::Method::kMembershipHeartbeat;
  using Request = v1::HeartbeatRequest;
  using Reply = v1::HeartbeatReply;
  using Answer = Result<HeartbeatReply>;
  static constexpr auto kTakeIn = &Service::RequestHeartbeat;
  static constexpr auto kHandle = &MembershipHandler::OnHeartbeat;
};

struct Leave {
  static constexpr rpc::Method kMethod = rpc::Method::kMembershipLeave;
  using Request = v1::LeaveRequest;
  using Reply = v1::LeaveReply;
  using Answer = Status;
  static constexpr auto kTakeIn = &Service::RequestLeave;
  static constexpr auto kHandle = &MembershipHandler::OnLeave;
};

template <typename Method>
class ServedCall final : public Calls::Open,
                         public std::enable_shared_from_this<ServedCall<Method>> {
 public:
  explicit ServedCall(std::shared_ptr<Calls> calls) : calls_(std::move(calls)) {}

  static void AcceptNext(std::shared_ptr<Calls> calls) {
    CqLoop::Queue& queue = calls->loop.queue();
    if (!queue.Begin()) return;
    const auto call = std::make_shared<ServedCall>(calls);
    (calls->service.*Method::kTakeIn)(&call->context_, &call->request_, &call->responder_,
                                      &queue.completion_queue(), &queue.completion_queue(),
                                      call->accepted_.Tag(call));
  }

  void Fail(const Error& error) override { Answer(error); }

  // Once; more do nothing.
  void Answer(const typename Method::Answer& answer) {
    if (std::exchange(answered_, true)) return;
    calls_->open.erase(this);
    typename Method::Reply reply;
    if constexpr (!std::is_same_v<typename Method::Answer, Status>) {
      if (answer) ToProto(*answer, &reply);
    }
    calls_->loop.queue().Begin();
    const auto self = this->shared_from_this();
    if (answer) {
      responder_.Finish(reply, grpc::Status::OK, finished_.Tag(self));
    } else {
      responder_.FinishWithError(rpc::ToStatus(answer.error()), finished_.Tag(self));
    }
  }

 private:
  // What the handler gets may outlive the call, and the loop's thread never waits for it.
  class ReplyOnce {
   public:
    explicit ReplyOnce(std::shared_ptr<ServedCall> call) : loop_(call->calls_->loop), call_(call) {}
    ~ReplyOnce() { Send(Stopping()); }
    ReplyOnce(const ReplyOnce&) = delete;
    ReplyOnce& operator=(const ReplyOnce&) = delete;

    void Send(typename Method::Answer answer) {
      if (std::exchange(sent_, true) || call_.expired()) return;
      loop_.Post([weak = call_, answer = std::move(answer)] {
        if (const auto call = weak.lock()) call->Answer(answer);
      });
    }

   private:
    CqLoop& loop_;
    const std::weak_ptr<ServedCall> call_;
    bool sent_ = false;
  };

  void OnAccepted(bool ok) {
    if (!ok) return;  // The server shuts down.
    AcceptNext(calls_);
    calls_->open.insert(this);
    const Principal who = rpc::PeerOf(context_.peer());
    if (Status allowed = Authorize(who, rpc::PermissionOf(Method::kMethod)); !allowed) {
      return Answer(allowed.error());
    }
    if (calls_->closed) return Answer(Stopping());
    if (calls_->open.size() > limits::kMembershipCallsMax) {
      return Answer(Error{ErrorCode::kResourceExhausted,
                          "the coordinator has too many joins and heartbeats to answer"});
    }
    auto request = FromProto(request_);
    if (!request) return Answer(Error{ErrorCode::kInvalidArgument, request.error().message});
    keep_ = this->shared_from_this();
    auto reply = std::make_shared<ReplyOnce>(keep_);
    calls_->executor.Post(
        [calls = calls_, request = std::move(*request), who, reply = std::move(reply)]() mutable {
          MembershipHandler* const handler = calls->handler;
          if (!handler) return reply->Send(Stopping());
          (handler->*Method::kHandle)(std::move(request), who,
                                      [reply = std::move(reply)](typename Method::Answer answer) {
                                        reply->Send(std::move(answer));
                                      });
        });
  }

  void OnFinished(bool) { keep_ = nullptr; }

  const std::shared_ptr<Calls> calls_;
  grpc::ServerContext context_;
  typename Method::Request request_;
  grpc::ServerAsyncResponseWriter<typename Method::Reply> responder_{&context_};
  MemberOperation<ServedCall> accepted_{&ServedCall::OnAccepted};
  MemberOperation<ServedCall> finished_{&ServedCall::OnFinished};
  std::shared_ptr<ServedCall> keep_;  // Itself, while the handler is at work.
  bool answered_ = false;
};

}  // namespace

class GrpcMembershipServer::Impl : public Calls {
 public:
  using Calls::Calls;
};

GrpcMembershipServer::GrpcMembershipServer(CqLoop& loop, Executor& executor)
    : loop_(loop), impl_(std::make_shared<Impl>(loop, executor)) {}

GrpcMembershipServer::~GrpcMembershipServer() {
  Close();
}

void GrpcMembershipServer::Serve(MembershipHandler& handler) {
  impl_->handler = &handler;
  loop_.Post([impl = impl_] {
    if (impl->closed) return;
    ServedCall<Join>::AcceptNext(impl);
    ServedCall<Heartbeat>::AcceptNext(impl);
    ServedCall<Leave>::AcceptNext(impl);
  });
}

void GrpcMembershipServer::Close() {
  impl_->handler = nullptr;
  loop_.Post([impl = impl_] {
    impl->closed = true;
    while (!impl->open.empty())
      (*impl->open.begin())->Fail(Stopping());
  });
}

std::shared_ptr<grpc::Service> GrpcMembershipServer::service() {
  return {impl_, &impl_->service};
}

}  // namespace quell
