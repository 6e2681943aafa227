// A program's open stream over HTTP: one line of JSON for each cancel. What a slow reader has not
// taken yet is bounded; a reader that takes nothing is cut, and gets all of it again on its next
// stream.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "core/limits.h"
#include "node/tasks/task_messages.h"
#include "transport/http/exchange.h"

namespace quell {

class CommandStream final : public CommandSink, public std::enable_shared_from_this<CommandStream> {
 public:
  // `cut` runs once, inside a call of OnCancel(), when the reader is cut.
  CommandStream(std::shared_ptr<http::Exchange> exchange, std::function<void()> cut,
                std::size_t lines_max = limits::kCommandsQueuedMax)
      : lines_max_(lines_max), cut_(std::move(cut)), exchange_(std::move(exchange)) {}

  // The answer begins: what was told before, and is told from now on, goes out.
  void Begin();
  // Instead of Begin(): the answer is this one.
  void Refuse(http::Response response);

  // On the node's executor.
  void OnCancel(const CancelCommand& command) override;
  void OnClosed() override;

 private:
  void WriteLocked();
  void OnDrained();

  const std::size_t lines_max_;
  const std::function<void()> cut_;
  std::mutex mutex_;                          // The server's thread says when a part has left.
  std::shared_ptr<http::Exchange> exchange_;  // None: it is over.
  bool begun_ = false;
  bool writing_ = false;  // A part is on its way.
  std::string waiting_;   // Goes with the next one.
  std::size_t lines_ = 0;
};

}  // namespace quell
