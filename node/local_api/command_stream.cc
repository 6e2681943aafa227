#include "node/local_api/command_stream.h"

#include <utility>

#include "node/local_api/local_messages.h"

namespace quell {

void CommandStream::Begin() {
  const std::lock_guard lock(mutex_);
  if (exchange_ == nullptr) return;
  http::Response head;
  head.content_type = "application/x-ndjson";
  head.headers.push_back({"Cache-Control", "no-store"});
  begun_ = true;
  exchange_->Start(std::move(head));
  WriteLocked();
}

void CommandStream::Refuse(http::Response response) {
  const std::lock_guard lock(mutex_);
  if (auto exchange = std::exchange(exchange_, nullptr)) exchange->Send(std::move(response));
}

void CommandStream::OnCancel(const CancelCommand& command) {
  std::string line = RenderCommandLine(command);
  {
    const std::lock_guard lock(mutex_);
    if (exchange_ == nullptr) return;
    if (lines_ < lines_max_) {
      ++lines_;
      waiting_ += line;
      return WriteLocked();
    }
    exchange_.reset();  // Unfinished: the client sees that its stream broke.
    waiting_.clear();
  }
  cut_();
}

void CommandStream::OnClosed() {
  const std::lock_guard lock(mutex_);
  auto exchange = std::exchange(exchange_, nullptr);
  if (exchange == nullptr || !begun_) return;
  if (!waiting_.empty()) exchange->Write(std::exchange(waiting_, {}), {});
  exchange->End();
}

// One part at a time: so many commands at once share it, and the server holds no more than two.
void CommandStream::WriteLocked() {
  if (!begun_ || writing_ || waiting_.empty()) return;
  writing_ = true;
  lines_ = 0;
  exchange_->Write(std::exchange(waiting_, {}), [weak = weak_from_this()] {
    if (const auto stream = weak.lock()) stream->OnDrained();
  });
}

void CommandStream::OnDrained() {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  if (exchange_ != nullptr) WriteLocked();
}

}  // namespace quell
