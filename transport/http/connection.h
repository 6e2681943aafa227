// One connection of a server, from accept to close. Private to this folder.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "core/principal.h"
#include "transport/http/request_reader.h"
#include "transport/http/router.h"
#include "transport/http/server.h"

namespace quell::http {

class Connection;

// What the connections of one server share. On the context's thread only.
struct ServerState {
  ServerState(boost::asio::io_context& context, const Router& router, ServerLimits limits);

  boost::asio::io_context& context;
  const Router& router;
  const ServerLimits limits;
  const RequestRules tcp_rules;
  const RequestRules unix_rules;
  const std::shared_ptr<ByteBudget> budget;
  std::list<std::shared_ptr<Connection>> connections;  // All that are open.
  // Those that wait for a request, or for the rest of one; first the one that waits longest.
  std::list<Connection*> waiting;
  bool stopping = false;              // Answers end their connection.
  std::function<void()> on_last_end;  // May be empty; runs as the list gets empty.

  // Closes the connection that waits longest. False: all have a request under way.
  bool MakeRoom();
};

// TCP and unix sockets alike.
using StreamSocket = boost::asio::generic::stream_protocol::socket;

// A state machine: head, body, answer (whole or streamed), head, ... On the context's thread only,
// except for context(), AddQueued() and TakeQueued().
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // `rules` are one of the server's.
  Connection(std::shared_ptr<ServerState> server, StreamSocket socket, Principal principal,
             const RequestRules& rules);

  // Enters the server's list, which it leaves when it is closed. `beyond_limit`: it ends after one
  // answer, and only what is urgent is served.
  void Start(bool beyond_limit);
  // Instead of Start(): answers and closes.
  void StartRefusing(const Refusal& refusal);
  // Closes it if no request is under way. (With ServerState::stopping, the answer to the one that
  // is under way will be the last.)
  void CloseIfIdle();
  // It waits for a request: reads what has arrived of one, and closes it if that is not all.
  void ServeOrClose();
  // Closes it at once; the client sees a reset.
  void Cut();
  // The same, and drops the callbacks of handlers: nothing of theirs runs any more.
  void Discard();

  // For the exchange of request `call`. All do nothing once that request is over.
  void Answer(std::uint64_t call, Response response);
  void StartStream(std::uint64_t call, Response head);
  void WriteStream(std::uint64_t call, std::string chunk, std::function<void()> drained);
  void EndStream(std::uint64_t call);
  void CutStream(std::uint64_t call);
  void OnGone(std::uint64_t call, std::function<void()> gone);
  // The exchange was destroyed before its answer was complete.
  void Abandon(std::uint64_t call);

  boost::asio::io_context& context() { return server_->context; }
  // Books `bytes` of a streamed answer; false if the queue is full. Thread-safe.
  bool AddQueued(std::size_t bytes);
  void TakeQueued(std::size_t bytes) {
    queued_ -= bytes;
    stream_held_.Give(bytes);
  }
  const std::shared_ptr<ByteBudget>& budget() const { return server_->budget; }
  // In the shape of the server's errors. Thread-safe.
  Response RefusalOf(HeldRefusal refusal) const;

 private:
  using Clock = boost::asio::steady_timer::clock_type;
  enum class Phase : std::uint8_t { kHead, kBody, kAnswer, kStream, kLinger, kClosed };

  // A piece of an answer: three buffers that leave in one gathered write.
  struct Part {
    std::string head = {};
    std::string body = {};
    std::string_view tail = {};
    std::size_t booked = 0;  // With AddQueued().
    std::shared_ptr<const void> held = {};
    std::function<void()> drained = {};  // May be empty.
  };

  void Advance();
  bool Step();
  bool StepHead();
  void BeginBody(std::size_t length, bool expects_continue);
  bool GrowBody();
  void BeginToWait();
  void EndToWait();
  void Dispatch();
  void AnswerUnrouted(Request request, const std::vector<Method>& allowed);
  void Handle(Request request, const Handler& handler);
  void Refuse(const Refusal& refusal);
  void SendError(int status, std::string_view reason, std::string allow);
  void SendWhole(Response response);
  void FinishAnswer();
  void Linger();
  void Close();

  void StartRead();
  void OnReadable();
  void OnPeerEnd(bool clean);
  boost::asio::mutable_buffer ReadTarget();
  void Queue(Part part);
  void Flush();
  bool WriteFront();
  void WaitForRoom();
  void NotifyGone();
  void PostCallback(std::function<void()> callback);

  void SetDeadline(std::chrono::milliseconds from_now);
  void ClearDeadline() { deadline_ = Clock::time_point::max(); }
  void ArmTimer();
  void OnDeadline();

  std::string_view input() const { return std::string_view(in_).substr(0, in_end_); }
  void Consume(std::size_t bytes);
  // A request is with its handler and its answer is not complete.
  bool in_call() const {
    return (phase_ == Phase::kAnswer && !responded_) ||
           (phase_ == Phase::kStream && !last_part_queued_);
  }

  const std::shared_ptr<ServerState> server_;
  StreamSocket socket_;
  const Principal principal_;
  const RequestRules& rules_;
  std::list<std::shared_ptr<Connection>>::iterator place_;  // In the server's list.
  std::list<Connection*> no_wait_{this};  // Holds its entry when the server's `waiting` does not.
  const std::list<Connection*>::iterator entry_ = no_wait_.begin();
  bool waits_ = false;
  bool beyond_limit_ = false;
  Phase phase_ = Phase::kHead;
  bool advancing_ = false;   // Advance() is on the stack.
  bool reading_ = false;     // A wait for input is pending.
  bool writing_ = false;     // A wait for room is pending.
  bool peer_ended_ = false;  // No more input will come.

  // Input: bytes [0, in_end_) of in_ are the head that is arriving, or what was sent ahead.
  std::string in_;
  std::size_t in_end_ = 0;
  HeadScanner scanner_;
  bool head_begun_ = false;      // Its deadline is set.
  std::size_t body_length_ = 0;  // As announced; the body grows as it arrives.
  std::size_t body_filled_ = 0;
  std::unique_ptr<HeldBytes> body_held_;  // Null while it is small.
  std::size_t lingered_ = 0;              // Bytes thrown away.

  // The request under way.
  std::uint64_t call_ = 0;
  Request request_;
  bool head_only_ = false;  // HEAD: the answer has no body.
  bool http_1_0_ = false;
  bool close_ = false;             // The answer ends the connection.
  bool responded_ = false;         // Answer() or StartStream() was called.
  bool last_part_queued_ = false;  // The answer is complete.
  bool gone_ = false;
  std::function<void()> on_gone_;

  // Output.
  std::deque<Part> out_;
  std::size_t out_offset_ = 0;           // Bytes of the first part that are with the kernel.
  bool out_deadline_set_ = false;        // For the first part.
  std::size_t out_deadline_offset_ = 0;  // Its out_offset_ at that time.
  std::atomic<std::size_t> queued_{0};
  HeldBytes stream_held_;  // What is queued.

  boost::asio::steady_timer timer_;
  Clock::time_point deadline_ = Clock::time_point::max();
  // When the timer goes off. A later deadline leaves it alone: it looks again then. So a request
  // that is served at once costs no timer operation.
  Clock::time_point armed_ = Clock::time_point::max();
};

}  // namespace quell::http
