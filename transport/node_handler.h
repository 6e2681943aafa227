// The node's end of transport/node_client.h.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "core/clock.h"
#include "core/principal.h"
#include "core/result.h"
#include "core/task.h"
#include "transport/messages.h"

namespace quell {

// Answers one request. To be used on the node's executor only.
class ReplyWriter {
 public:
  virtual ~ReplyWriter() = default;
  // A page of at most limits::kPageTasks, copied or sent before it returns. `then` runs on the
  // executor, never inside the call, when the next page may be written; not at all if the caller
  // went away (then nothing more needs to be written).
  virtual void Tasks(std::span<const TaskView> page, std::function<void()> then) = 0;
  // Exactly once, last.
  virtual void Finish(Result<NodeReply> reply) = 0;
  // `gone` runs on the executor, never inside a call, if the caller goes away before Finish(): then
  // Finish() need not be called. To be called before OnRequest() returns, once at most.
  virtual void OnGone(std::function<void()> gone) = 0;
};

class NodeHandler {
 public:
  virtual ~NodeHandler() = default;
  // Called on the node's executor. `writer` may be kept until it is finished; after `deadline`
  // nobody listens any more.
  virtual void OnRequest(NodeRequest request, const Principal& who, MonoTime deadline,
                         std::shared_ptr<ReplyWriter> writer) = 0;
};

}  // namespace quell
