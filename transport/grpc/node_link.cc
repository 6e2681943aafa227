#include "transport/grpc/node_link.h"

#include "transport/grpc/channel.h"

namespace quell::rpc {
namespace {

Error Unavailable(std::string why) {
  return {ErrorCode::kUnavailable, std::move(why)};
}

}  // namespace

NodeLink::NodeLink(CqLoop& loop, std::shared_ptr<ReplyReader> reader, const NodeId& node,
                   const std::string& address)
    : loop_(loop), reader_(std::move(reader)), node_(node), address_(address) {}

void NodeLink::Open() {
  const Result<Address> address = ParseAddress(address_);
  const std::lock_guard lock(*mutex_);
  if (!address) {
    closed_ = address.error().message;
    return;
  }
  channel_ = MakeChannel(*address);
  Watch();
}

// Asks for the connection, and to be told when it is lost. A stream whose read is not posted, since
// nobody waits for an answer, would not notice.
void NodeLink::Watch() {
  state_ = channel_->GetState(true);
  if (!loop_.queue().Begin()) return;
  channel_->NotifyOnStateChange(state_, gpr_inf_future(GPR_CLOCK_MONOTONIC),
                                &loop_.queue().completion_queue(),
                                state_changed_.Tag(shared_from_this()));
}

void NodeLink::OnStateChange(bool) {
  const std::lock_guard lock(*mutex_);
  if (!closed_.empty()) return;
  if (state_ == GRPC_CHANNEL_READY && stream_ && stream_->idle()) {
    stream_->Break();
    stream_ = nullptr;
  }
  Watch();
}

void NodeLink::Ask(NodeRequest request, MonoTime deadline, std::shared_ptr<ReplySink> sink) {
  Status added = AddAsk(request, deadline, sink);
  if (added) return;
  loop_.Post([sink = std::move(sink), error = std::move(added).error()] { sink->OnDone(error); });
}

Status NodeLink::AddAsk(const NodeRequest& request, MonoTime deadline,
                        std::shared_ptr<ReplySink> sink) {
  v1::NodeRequest message;
  ToProto(request, &message);
  auto ask = std::make_shared<PendingAsk>(request, deadline, std::move(sink));
  const std::lock_guard lock(*mutex_);
  if (!closed_.empty()) return Unavailable(closed_);
  if (!stream_ || stream_->broken()) {
    stream_ = std::make_shared<LinkStream>(loop_, node_, mutex_, reader_, channel_);
  }
  if (stream_->full()) {
    return Error{ErrorCode::kResourceExhausted, "too much is waiting for the node at " + address_};
  }
  stream_->Add(std::move(ask), std::move(message));
  return {};
}

void NodeLink::Withdraw(const ReplySink& sink) {
  std::shared_ptr<PendingAsk> ask;
  {
    const std::lock_guard lock(*mutex_);
    if (stream_) ask = stream_->Withdraw(sink);
  }
  if (!ask) return;
  loop_.Post([ask = std::move(ask)] {
    ask->sink->OnDone(Error{ErrorCode::kCancelled, "nobody waits for the answer any more"});
  });
}

void NodeLink::Close(const std::string& why) {
  std::vector<std::shared_ptr<PendingAsk>> asks;
  {
    const std::lock_guard lock(*mutex_);
    if (!closed_.empty()) return;
    closed_ = why;
    if (stream_) asks = stream_->Break();
    stream_ = nullptr;
    channel_ = nullptr;  // With its last user the watch ends too.
  }
  if (asks.empty()) return;
  loop_.Post([asks = std::move(asks), why] {
    for (const auto& ask : asks)
      ask->sink->OnDone(Unavailable(why));
  });
}

}  // namespace quell::rpc
