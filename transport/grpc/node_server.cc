#include "transport/grpc/node_server.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "core/limits.h"
#include "transport/grpc/served_link.h"

namespace quell {

// permissions.h knows all methods of the service.
static_assert(
    std::is_same_v<v1::Node::AsyncService, v1::Node::WithAsyncMethod_Link<v1::Node::Service>>,
    "a method of Node has no permission yet: see permissions.h");

class GrpcNodeServer::Impl final : public rpc::LinkHost, public std::enable_shared_from_this<Impl> {
 public:
  explicit Impl(CqLoop& loop) : loop_(loop) {}

  void Serve(NodeHandler& handler, const NodeId& self) {
    if (closed_) return;
    handler_ = &handler;
    self_ = self;
    AcceptNext();
  }

  void Close() {
    if (std::exchange(closed_, true)) return;
    handler_ = nullptr;
    const std::vector<std::shared_ptr<rpc::ServedLink>> links = links_;
    for (const auto& link : links)
      link->Close(Stopping());
  }

  NodeHandler* handler() override { return handler_; }
  const NodeId& self() override { return self_; }
  v1::NodeReply& scratch() override { return scratch_; }

  Status Admit(const std::shared_ptr<rpc::ServedLink>& link) override {
    AcceptNext();
    if (closed_) return Stopping();
    if (links_.size() >= limits::kLinksMax) {
      return Error{ErrorCode::kResourceExhausted, "the node serves " +
                                                      std::to_string(limits::kLinksMax) +
                                                      " coordinators already: end one of them"};
    }
    links_.push_back(link);
    return {};
  }

  void Gone(rpc::ServedLink* link) override {
    std::erase_if(links_, [link](const auto& other) { return other.get() == link; });
  }

 private:
  static Error Stopping() { return {ErrorCode::kUnavailable, "the node is stopping"}; }

  void AcceptNext() { std::make_shared<rpc::ServedLink>(loop_, shared_from_this())->Accept(); }

  CqLoop& loop_;
  NodeHandler* handler_ = nullptr;
  NodeId self_;
  bool closed_ = false;
  std::vector<std::shared_ptr<rpc::ServedLink>> links_;
  v1::NodeReply scratch_;  // One message at a time is being built.
};

GrpcNodeServer::GrpcNodeServer(CqLoop& loop) : loop_(loop), impl_(std::make_shared<Impl>(loop)) {}

GrpcNodeServer::~GrpcNodeServer() {
  Close();
}

void GrpcNodeServer::Serve(NodeHandler& handler, const NodeId& self) {
  loop_.Post([impl = impl_, &handler, self] { impl->Serve(handler, self); });
}

void GrpcNodeServer::Close() {
  if (loop_.IsOwnThread()) return impl_->Close();
  loop_.Post([impl = impl_] { impl->Close(); });
}

std::shared_ptr<grpc::Service> GrpcNodeServer::service() {
  return {impl_, &impl_->service};
}

}  // namespace quell
