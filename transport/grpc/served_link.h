// One coordinator's open stream at a node. Private to this folder.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/byte_buffer.h>

#include "quell/v1/node.grpc.pb.h"
#include "transport/grpc/operation.h"
#include "transport/node_handler.h"

namespace quell::rpc {

class LinkWriter;
class ServedLink;

// What the links of one server share. All of it belongs to the loop's thread.
class LinkHost {
 public:
  virtual ~LinkHost() = default;
  virtual NodeHandler* handler() = 0;  // Null: there is none (any more).
  virtual const NodeId& self() = 0;
  // The link has been taken by a coordinator. Error: why it must not stay.
  virtual Status Admit(const std::shared_ptr<ServedLink>& link) = 0;
  virtual void Gone(ServedLink* link) = 0;
  virtual v1::NodeReply& scratch() = 0;

  using Service = v1::Node::WithRawMethod_Link<v1::Node::Service>;
  Service service;
};

// Lives as long as an operation of its stream is in flight, all on the loop's thread.
class ServedLink final : public std::enable_shared_from_this<ServedLink> {
 public:
  ServedLink(CqLoop& loop, std::shared_ptr<LinkHost> host);
  ~ServedLink();

  // Waits for a coordinator.
  void Accept();
  // Forgets what was asked, and ends the stream with `error`.
  void Close(const Error& error);

  // For LinkWriter.
  void WriteTasks(LinkWriter& writer, std::span<const TaskView> page);
  void WriteEnd(LinkWriter& writer, const Result<NodeReply>& reply);
  void Forget(LinkWriter& writer);
  CqLoop& loop() { return loop_; }

 private:
  struct Outgoing {
    grpc::ByteBuffer bytes;
    std::weak_ptr<LinkWriter> writer;  // Whose page it is.
  };

  void OnAccepted(bool ok);
  void OnRead(bool ok);
  void OnWritten(bool ok);
  void OnFinished(bool ok);
  void OnDone(bool ok);

  Status CheckCaller();
  Status TakeRequest(const v1::NodeRequest& request);
  void Refuse(std::uint64_t id, const Error& error);
  void ReadNext();
  void Enqueue(grpc::ByteBuffer bytes, const std::shared_ptr<LinkWriter>& writer);
  void WriteNext();
  // Ends the call if nothing is left to be said.
  void MaybeFinish();
  void ForgetAll();
  void WriteAcks(std::uint64_t id, const ApplyReply& reply);
  grpc::ByteBuffer Serialized(const v1::NodeReply& reply);

  CqLoop& loop_;
  const std::shared_ptr<LinkHost> host_;
  grpc::ServerContext context_;
  grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer> stream_{&context_};
  MemberOperation<ServedLink> accepted_{&ServedLink::OnAccepted};
  MemberOperation<ServedLink> read_{&ServedLink::OnRead};
  MemberOperation<ServedLink> written_{&ServedLink::OnWritten};
  MemberOperation<ServedLink> finished_{&ServedLink::OnFinished};
  MemberOperation<ServedLink> done_{&ServedLink::OnDone};

  Principal who_;
  grpc::ByteBuffer request_bytes_;
  v1::NodeRequest request_;
  std::map<std::uint64_t, LinkWriter*> writers_;  // Of the requests that are not answered.
  std::deque<Outgoing> outgoing_;  // The first is being written, if written_ says so.
  std::size_t outgoing_bytes_ = 0;
  bool nothing_more_ = false;            // The coordinator will ask nothing more.
  bool gone_ = false;                    // It has gone away.
  std::optional<grpc::Status> verdict_;  // Why we end the stream.
  bool finishing_ = false;
};

// The answer to one request.
class LinkWriter final : public ReplyWriter, public std::enable_shared_from_this<LinkWriter> {
 public:
  LinkWriter(std::shared_ptr<ServedLink> link, std::uint64_t id) : link_(link), id_(id) {}
  ~LinkWriter() override;

  void Tasks(std::span<const TaskView> page, std::function<void()> then) override;
  void Finish(Result<NodeReply> reply) override;
  void OnGone(std::function<void()> gone) override;

 private:
  friend class ServedLink;
  std::shared_ptr<ServedLink> Wanted() { return wanted_ ? link_.lock() : nullptr; }
  void Unwanted();
  // One of its pages is with gRPC.
  void PageSent();

  const std::weak_ptr<ServedLink> link_;
  const std::uint64_t id_;
  bool wanted_ = true;             // Somebody waits, and Finish() has not been called.
  std::vector<grpc::Slice> held_;  // The last page, until it is known what follows it.
  std::size_t held_bytes_ = 0;
  std::size_t pages_sending_ = 0;
  std::function<void()> then_;
  std::function<void()> gone_;
};

}  // namespace quell::rpc
