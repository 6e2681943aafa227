#include "transport/grpc/node_client.h"

#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "transport/grpc/node_link.h"

namespace quell {

class GrpcNodeClient::Impl {
 public:
  explicit Impl(CqLoop& loop) : loop_(loop) {}

  void Connect(const NodeInfo& node) {
    const auto link = std::make_shared<rpc::NodeLink>(loop_, reader_, node.id, node.address);
    link->Open();
    std::shared_ptr<rpc::NodeLink> old = link;
    {
      const std::lock_guard lock(mutex_);
      if (!closed_) old = std::exchange(links_[node.id], link);
    }
    if (old) old->Close("the node joined anew: this connection was to its former life");
  }

  void Disconnect(const NodeId& node) {
    std::shared_ptr<rpc::NodeLink> old;
    {
      const std::lock_guard lock(mutex_);
      const auto found = links_.find(node);
      if (found == links_.end()) return;
      old = std::move(found->second);
      links_.erase(found);
    }
    old->Close("disconnected from the node");
  }

  void Ask(const NodeId& node, NodeRequest request, MonoTime deadline,
           std::shared_ptr<ReplySink> sink) {
    const std::shared_ptr<rpc::NodeLink> link = LinkTo(node);
    if (link) return link->Ask(std::move(request), deadline, std::move(sink));
    loop_.Post([sink = std::move(sink)] {
      sink->OnDone(Error{ErrorCode::kUnavailable, "not connected to the node"});
    });
  }

  void Withdraw(const NodeId& node, const ReplySink& sink) {
    if (const std::shared_ptr<rpc::NodeLink> link = LinkTo(node)) link->Withdraw(sink);
  }

  void Close() {
    std::map<NodeId, std::shared_ptr<rpc::NodeLink>> links;
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      links.swap(links_);
    }
    for (const auto& [id, link] : links)
      link->Close("this coordinator is stopping");
  }

 private:
  std::shared_ptr<rpc::NodeLink> LinkTo(const NodeId& node) {
    const std::lock_guard lock(mutex_);
    const auto found = links_.find(node);
    return found == links_.end() ? nullptr : found->second;
  }

  CqLoop& loop_;
  const std::shared_ptr<rpc::ReplyReader> reader_ = std::make_shared<rpc::ReplyReader>();

  std::mutex mutex_;  // Guards what follows.
  bool closed_ = false;
  std::map<NodeId, std::shared_ptr<rpc::NodeLink>> links_;
};

GrpcNodeClient::GrpcNodeClient(CqLoop& loop) : impl_(std::make_shared<Impl>(loop)) {}
GrpcNodeClient::~GrpcNodeClient() {
  Close();
}
void GrpcNodeClient::Connect(const NodeInfo& node) {
  impl_->Connect(node);
}
void GrpcNodeClient::Disconnect(const NodeId& node) {
  impl_->Disconnect(node);
}
void GrpcNodeClient::Ask(const NodeId& node, NodeRequest request, MonoTime deadline,
                         std::shared_ptr<ReplySink> sink) {
  impl_->Ask(node, std::move(request), deadline, std::move(sink));
}
void GrpcNodeClient::Withdraw(const NodeId& node, const ReplySink& sink) {
  impl_->Withdraw(node, sink);
}
void GrpcNodeClient::Close() {
  impl_->Close();
}

}  // namespace quell
