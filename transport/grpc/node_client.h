// The coordinator's end of Node.Link: one open stream for each node, on a connection of its own.
#pragma once

#include <memory>

#include "transport/node_client.h"

namespace quell {

class CqLoop;

// Everything that a sink is told it is told on the loop's thread. Ask() writes from the thread that
// calls it, unless a write to that node is under way.
//
// A node that refuses the connection fails the ask within milliseconds; one that swallows packets,
// at the deadline. At most limits::kAsksPerNodeMax asks wait for one node; more end as
// kResourceExhausted. An answer that cannot be understood ends its ask as kInternal; bytes that are
// no answer at all end all asks of that connection so. A connection that was lost while nobody
// asked is made anew, unnoticed; gRPC's back-off while a node is away ends with the next Connect().
// If another node has taken over the address, asks end as kUnavailable.
class GrpcNodeClient final : public NodeClient {
 public:
  // `loop` must outlive the client.
  explicit GrpcNodeClient(CqLoop& loop);
  // Closes it.
  ~GrpcNodeClient() override;
  GrpcNodeClient(const GrpcNodeClient&) = delete;
  GrpcNodeClient& operator=(const GrpcNodeClient&) = delete;

  void Connect(const NodeInfo& node) override;
  void Disconnect(const NodeId& node) override;
  void Ask(const NodeId& node, NodeRequest request, MonoTime deadline,
           std::shared_ptr<ReplySink> sink) override;
  void Withdraw(const NodeId& node, const ReplySink& sink) override;

  // Disconnects all: what is in flight, or asked later, ends as kUnavailable. Sinks are told as
  // long as the loop runs; CqLoop::Stop() tells the last of them. Thread-safe.
  void Close();

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace quell
