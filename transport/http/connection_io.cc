#include <algorithm>
#include <array>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include "core/limits.h"
#include "core/turn_watch.h"
#include "transport/http/connection.h"

// How the bytes of a connection move: waits for readiness, then one non-blocking call. A pending
// wait owns no buffer, so the input can be taken apart while the next byte (or the end) is awaited.
namespace quell::http {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kFirstBuffer = 2048;
constexpr std::size_t kLingerBytesMax = 1024 * 1024;

}  // namespace

void Connection::StartRead() {
  if (reading_ || peer_ended_ || phase_ == Phase::kClosed) return;
  if (ReadTarget().size() == 0) return;  // Enough was sent ahead; Advance() comes back here.
  reading_ = true;
  socket_.async_wait(asio::socket_base::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       const Turn turn("input of a connection");
                       self->reading_ = false;
                       if (!error) self->OnReadable();
                     });
}

void Connection::OnReadable() {
  if (phase_ == Phase::kClosed) return;
  boost::system::error_code error;
  const std::size_t bytes = socket_.read_some(ReadTarget(), error);
  if (error == asio::error::would_block || error == asio::error::interrupted) {
    StartRead();
    return;
  }
  if (error) {
    OnPeerEnd(error == asio::error::eof);
    return;
  }
  if (phase_ == Phase::kLinger) {
    lingered_ += bytes;
    if (lingered_ > kLingerBytesMax) {
      Close();
    } else {
      StartRead();
    }
    return;
  }
  (phase_ == Phase::kBody ? body_filled_ : in_end_) += bytes;
  Advance();
}

// Never empty when OnReadable() asks: what StartRead() saw can only have grown.
asio::mutable_buffer Connection::ReadTarget() {
  if (phase_ == Phase::kBody) {
    return asio::buffer(request_.body.data() + body_filled_, request_.body.size() - body_filled_);
  }
  if (in_end_ == in_.size()) {
    in_.resize(std::min(std::max(kFirstBuffer, in_.size() * 2), rules_.head_max()));
  }
  return asio::buffer(in_.data() + in_end_, in_.size() - in_end_);
}

void Connection::OnPeerEnd(bool clean) {
  peer_ended_ = true;
  // A client that has closed its sending side only can still take the answer, so it is tried; a
  // stream would never end.
  const bool may_take_answer =
      clean && (phase_ == Phase::kAnswer || (phase_ == Phase::kStream && last_part_queued_));
  if (!may_take_answer) {
    Close();
  } else if (in_call()) {
    NotifyGone();
  }
}

void Connection::Consume(std::size_t bytes) {
  std::copy(in_.data() + bytes, in_.data() + in_end_, in_.data());
  in_end_ -= bytes;
}

void Connection::Queue(Part part) {
  out_.push_back(std::move(part));
  Flush();
}

void Connection::Flush() {
  while (!writing_ && !out_.empty()) {
    if (!WriteFront()) return;
  }
  const bool answering = phase_ == Phase::kAnswer || phase_ == Phase::kStream;
  if (answering && out_.empty() && last_part_queued_) FinishAnswer();
}

// True: the first part is with the kernel, and gone from the queue.
bool Connection::WriteFront() {
  Part& part = out_.front();
  const std::array<std::string_view, 3> pieces = {part.head, part.body, part.tail};
  const std::size_t total = part.head.size() + part.body.size() + part.tail.size();
  while (out_offset_ < total) {
    std::array<asio::const_buffer, 3> buffers;
    std::size_t skip = out_offset_;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const std::size_t skipped = std::min(skip, pieces[i].size());
      buffers[i] = asio::buffer(pieces[i].data() + skipped, pieces[i].size() - skipped);
      skip -= skipped;
    }
    boost::system::error_code error;
    out_offset_ += socket_.write_some(buffers, error);
    if (error == asio::error::would_block) {
      WaitForRoom();
      return false;
    }
    if (error && error != asio::error::interrupted) {
      Close();
      return false;
    }
  }
  TakeQueued(part.booked);
  if (part.drained) PostCallback(std::move(part.drained));
  out_.pop_front();
  out_offset_ = out_deadline_offset_ = 0;
  if (std::exchange(out_deadline_set_, false)) ClearDeadline();
  return true;
}

void Connection::WaitForRoom() {
  writing_ = true;
  const bool moved = out_offset_ >= out_deadline_offset_ + limits::kWriteSlice;
  // A body has a deadline of its own.
  if ((!out_deadline_set_ || moved) && phase_ != Phase::kBody) {
    out_deadline_set_ = true;
    out_deadline_offset_ = out_offset_;
    SetDeadline(server_->limits.write_timeout);
  }
  socket_.async_wait(asio::socket_base::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       const Turn turn("output of a connection");
                       self->writing_ = false;
                       if (!error && self->phase_ != Phase::kClosed) self->Flush();
                     });
}

bool Connection::AddQueued(std::size_t bytes) {
  std::size_t before = queued_;
  do {
    if (before != 0 && before + bytes > server_->limits.stream_queue_max) return false;
  } while (!queued_.compare_exchange_weak(before, before + bytes));
  // The one chunk that is always taken was held by its writer until now.
  if (before == 0) {
    stream_held_.Force(bytes);
  } else if (stream_held_.Take(bytes)) {
    queued_ -= bytes;
    return false;
  }
  return true;
}

void Connection::SetDeadline(std::chrono::milliseconds from_now) {
  deadline_ = Clock::now() + from_now;
  if (deadline_ < armed_) ArmTimer();
}

void Connection::ArmTimer() {
  armed_ = deadline_;
  timer_.expires_at(armed_);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (error || self->phase_ == Phase::kClosed) return;
    self->armed_ = Clock::time_point::max();
    if (self->deadline_ == Clock::time_point::max()) return;
    if (Clock::now() < self->deadline_) {
      self->ArmTimer();
    } else {
      self->OnDeadline();
    }
  });
}

void Connection::OnDeadline() {
  ClearDeadline();
  switch (phase_) {
    case Phase::kHead:
      if (in_end_ == 0) {
        Close();
      } else {
        Refuse({408, "the request's head did not arrive in time"});
      }
      return;
    case Phase::kBody:
      Refuse({408, "the request's body did not arrive in time"});
      return;
    case Phase::kAnswer:
    case Phase::kStream:
      Cut();
      return;
    case Phase::kLinger:
      Close();
      return;
    case Phase::kClosed:
      return;
  }
}

}  // namespace quell::http
