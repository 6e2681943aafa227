// The way from a coordinator to its nodes. Does not tell whether a call is unary or travels on an
// open stream.
#pragma once

#include <memory>
#include <span>

#include "core/clock.h"
#include "core/failure.h"
#include "core/node_info.h"
#include "core/result.h"
#include "core/task.h"
#include "transport/messages.h"

namespace quell {

// Takes one node's answer to one ask. Called on the thread that received it, never inside Ask(),
// and never by two threads at once.
class ReplySink {
 public:
  virtual ~ReplySink() = default;
  // Any number of times, before OnDone. The views die with the call.
  virtual void OnTasks(std::span<const TaskView> page) = 0;
  // As above: tasks that came in a form that cannot be read. They cost nobody else's place.
  virtual void OnUnreadable(std::span<const TaskFailure> tasks) { (void)tasks; }
  // Exactly once, last. Errors: kUnavailable (the node was not reached, or the connection broke;
  // what was asked may have happened), kDeadlineExceeded, kResourceExhausted (too much is waiting
  // for this node), kInternal (the answer was garbage), or the node's own.
  virtual void OnDone(Result<NodeReply> reply) = 0;
};

// Thread-safe.
class NodeClient {
 public:
  virtual ~NodeClient() = default;

  // The node (in this life) is to be found at node.address. Replaces what was known of node.id,
  // with a new connection: what is still in flight on the old one ends as kUnavailable.
  virtual void Connect(const NodeInfo& node) = 0;
  virtual void Disconnect(const NodeId& node) = 0;

  // Asks; never blocks. A late answer is dropped.
  virtual void Ask(const NodeId& node, NodeRequest request, MonoTime deadline,
                   std::shared_ptr<ReplySink> sink) = 0;

  // Nobody needs the answer that `sink` waits for: the node is told so, and the sink hears
  // kCancelled. Nothing happens if the sink has had its end, or has it on its way.
  virtual void Withdraw(const NodeId& node, const ReplySink& sink) = 0;
};

}  // namespace quell
