// One node, as long as it is known at one address: its channel, and the stream that is open on it.
// Private to this folder.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include "transport/grpc/convert.h"
#include "transport/grpc/operation.h"
#include "transport/node_client.h"

namespace quell::rpc {

// One ask and what has come of its answer. Belongs to the loop's thread once it is pending.
struct PendingAsk {
  PendingAsk(const NodeRequest& request, MonoTime ends, std::shared_ptr<ReplySink> told)
      : kind(request.index()), deadline(ends), sink(std::move(told)) {}

  const std::size_t kind;  // Index of NodeRequest, and of NodeReply.
  const MonoTime deadline;
  const std::shared_ptr<ReplySink> sink;
  std::uint64_t tasks = 0;                              // In the pages so far.
  std::pair<bool, std::uint64_t> last_place{false, 0};  // Of a list: has it ended, its number.
  std::vector<IntentAck> acks;                          // Of an apply, so far.
};

// Memory for one answer at a time; used by all links on the loop's thread.
struct ReplyReader {
  v1::NodeReply reply;
  TaskPage page;
};

class NodeLink;

// One call of Node.Link. A mutex, the link's, guards all of it but the operations' results: gRPC
// may be told to write on any thread. Sinks are called on the loop's thread only, without the
// mutex. Whoever takes an ask out of pending_ tells its sink the end.
class LinkStream final : public std::enable_shared_from_this<LinkStream> {
 public:
  LinkStream(CqLoop& loop, const NodeId& node, std::shared_ptr<std::mutex> mutex,
             std::shared_ptr<ReplyReader> reader, const std::shared_ptr<grpc::Channel>& channel);

  // With the mutex held:
  bool broken() const { return broken_; }
  bool idle() const { return pending_.empty(); }
  bool full() const;
  void Add(std::shared_ptr<PendingAsk> ask, v1::NodeRequest message);
  // Takes the ask of `sink` out and tells the node; null: there is none. The caller must tell its
  // end on the loop.
  std::shared_ptr<PendingAsk> Withdraw(const ReplySink& sink);
  // Ends the call. Returns the asks, whose ends the caller must tell on the loop.
  std::vector<std::shared_ptr<PendingAsk>> Break();

 private:
  using Pending = std::map<std::uint64_t, std::shared_ptr<PendingAsk>>;
  using Ended = std::vector<std::pair<std::shared_ptr<ReplySink>, Result<NodeReply>>>;

  void OnWritten(bool ok);
  void OnRead(bool ok);
  void OnFinished(bool ok);
  void OnDeadline(MonoTime when);

  // With the mutex held.
  void Write(v1::NodeRequest message, MonoTime deadline);
  void WriteNext();
  void ReadIfWaiting();
  void Read();
  void FinishIfBroken();
  void ArmDeadline(MonoTime when);
  std::shared_ptr<PendingAsk> TakeOut(std::uint64_t id);

  // On the loop's thread, without the mutex. False: the bytes are no answer at all.
  bool TakeReply();
  void TakePart(std::uint64_t id, PendingAsk& ask, const v1::NodeReply& reply);
  Status TakeTasks(PendingAsk& ask, const v1::NodeReply& reply);
  void End(std::uint64_t id, Result<NodeReply> reply, bool withdraw);
  void EndAll(const Error& error);

  CqLoop& loop_;
  const NodeId node_;
  const std::shared_ptr<std::mutex> mutex_;
  const std::shared_ptr<ReplyReader> reader_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  MemberOperation<LinkStream> written_op_{&LinkStream::OnWritten};
  MemberOperation<LinkStream> read_op_{&LinkStream::OnRead};
  MemberOperation<LinkStream> finished_op_{&LinkStream::OnFinished};
  grpc::ByteBuffer reply_bytes_;
  grpc::Status status_;

  std::uint64_t last_id_ = 0;
  Pending pending_;
  std::deque<std::pair<std::uint64_t, v1::NodeRequest>> unsent_;
  std::deque<std::uint64_t> withdrawn_;  // The node is still to be told.
  TimerId timer_ = TimerId::kNone;
  MonoTime armed_for_ = MonoTime::max();
  bool writing_ = false;
  bool reading_ = false;
  bool broken_ = false;  // No more asks; it is being ended.
  bool read_to_end_ = false;
  bool finishing_ = false;
};

class NodeLink final : public std::enable_shared_from_this<NodeLink> {
 public:
  // `address` may be one that nobody can connect to; then all asks end as kUnavailable.
  NodeLink(CqLoop& loop, std::shared_ptr<ReplyReader> reader, const NodeId& node,
           const std::string& address);

  // Begins to connect. Once.
  void Open();
  void Ask(NodeRequest request, MonoTime deadline, std::shared_ptr<ReplySink> sink);
  void Withdraw(const ReplySink& sink);
  // Everything that waits, and all that is asked later, ends as kUnavailable.
  void Close(const std::string& why);

 private:
  void OnStateChange(bool ok);
  void Watch();  // With the mutex held.
  Status AddAsk(const NodeRequest& request, MonoTime deadline, std::shared_ptr<ReplySink> sink);

  CqLoop& loop_;
  const std::shared_ptr<ReplyReader> reader_;
  const NodeId node_;
  const std::string address_;
  MemberOperation<NodeLink> state_changed_{&NodeLink::OnStateChange};
  const std::shared_ptr<std::mutex> mutex_ = std::make_shared<std::mutex>();

  std::string closed_;  // Why, if it is.
  std::shared_ptr<grpc::Channel> channel_;
  std::shared_ptr<LinkStream> stream_;
  grpc_connectivity_state state_ = GRPC_CHANNEL_IDLE;  // As last seen.
};

}  // namespace quell::rpc
