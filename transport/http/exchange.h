// One request and its answer. The handler keeps the exchange until it has answered, from any
// thread: either Send() once, or Start(), any number of Write(), End().
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "transport/http/message.h"

namespace quell::http {

// Thread-safe; calls take effect in the order they are made. Callbacks never run inside a call. An
// exchange that is destroyed unanswered answers 500 by itself; a stream that is destroyed before
// End() is cut, so that the client sees that it is incomplete. Must not outlive the server's
// io_context.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const Request& request() const = 0;

  // The whole answer.
  virtual void Send(Response response) = 0;

  // A streamed answer (chunked): `head.body` is its first part and may be empty.
  virtual void Start(Response head) = 0;
  // `drained` (may be empty) runs on the server's executor once the bytes are with the kernel; not
  // at all if the client has gone. A writer that waits for it holds one chunk, however slow the
  // reader.
  virtual void Write(std::string chunk, std::function<void()> drained) = 0;
  virtual void End() = 0;

  // `gone` runs once, on the server's executor, if the client closes (or is cut) before Send() or
  // End(). It also runs (posted) if that has happened already. One callback at most; it is
  // destroyed with the answer. A client that pipelines more than one head ahead is not seen to go.
  virtual void OnGone(std::function<void()> gone) = 0;
};

using Handler = std::function<void(std::shared_ptr<Exchange>)>;

}  // namespace quell::http
