#include "transport/http/connection.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include <boost/asio/post.hpp>

#include "core/limits.h"
#include "core/turn_watch.h"
#include "transport/http/answer.h"
#include "transport/http/server_exchange.h"

// What a connection decides. How its bytes move is in connection_io.cc.
namespace quell::http {
namespace {

constexpr std::size_t kFirstBody = 8 * 1024;
constexpr std::string_view kTurn = "a request sent ahead";

// Served beyond the limit of connections.
bool IsUrgent(Permission permission) {
  return permission == Permission::kTaskCancel || permission == Permission::kNone;
}

RequestRules RulesOf(const ServerLimits& limits, bool browsers_may_reach) {
  RequestRules rules;
  rules.request_line_max = limits.request_line_max;
  rules.header_bytes_max = limits.header_bytes_max;
  rules.header_fields_max = limits.header_fields_max;
  rules.body_max = limits.body_max;
  rules.browsers_may_reach = browsers_may_reach;
  rules.host_names = limits.host_names;
  return rules;
}

}  // namespace

ServerState::ServerState(boost::asio::io_context& on, const Router& by, ServerLimits within)
    : context(on),
      router(by),
      limits(std::move(within)),
      tcp_rules(RulesOf(limits, true)),
      unix_rules(RulesOf(limits, false)),
      budget(limits.budget ? limits.budget : std::make_shared<ByteBudget>(limits::kHeldMax)) {}

bool ServerState::MakeRoom() {
  const std::size_t before = connections.size();
  constexpr int kTries = 8;
  for (int i = 0; i < kTries && !waiting.empty(); ++i) {
    waiting.front()->ServeOrClose();
    if (connections.size() < before) return true;
  }
  return false;
}

Connection::Connection(std::shared_ptr<ServerState> server, StreamSocket socket,
                       Principal principal, const RequestRules& rules)
    : server_(std::move(server)),
      socket_(std::move(socket)),
      principal_(std::move(principal)),
      rules_(rules),
      scanner_(rules),
      stream_held_(server_->budget),
      timer_(server_->context) {}

void Connection::Start(bool beyond_limit) {
  beyond_limit_ = beyond_limit;
  place_ = server_->connections.insert(server_->connections.end(), shared_from_this());
  BeginToWait();
  Advance();
}

void Connection::BeginToWait() {
  if (std::exchange(waits_, true)) return;
  server_->waiting.splice(server_->waiting.end(), no_wait_, entry_);
}

void Connection::EndToWait() {
  if (!std::exchange(waits_, false)) return;
  no_wait_.splice(no_wait_.end(), server_->waiting, entry_);
}

void Connection::StartRefusing(const Refusal& refusal) {
  place_ = server_->connections.insert(server_->connections.end(), shared_from_this());
  Refuse(refusal);
}

void Connection::CloseIfIdle() {
  if (phase_ == Phase::kHead && in_end_ == 0) Close();
}

void Connection::ServeOrClose() {
  const std::shared_ptr<Connection> self = shared_from_this();
  boost::system::error_code error;
  boost::asio::socket_base::bytes_readable arrived;
  socket_.io_control(arrived, error);
  if (!error && arrived.get() > 0 && !advancing_) OnReadable();
  if (waits_) Close();
}

void Connection::Cut() {
  if (phase_ == Phase::kClosed) return;
  boost::system::error_code ignored;
  socket_.set_option(boost::asio::socket_base::linger(true, 0), ignored);
  Close();
}

void Connection::Discard() {
  on_gone_ = nullptr;
  for (Part& part : out_)
    part.drained = nullptr;
  Cut();
}

// A loop, not a recursion: an answer that is given inside its handler leads to the next request
// that was sent ahead, and there may be many.
void Connection::Advance() {
  if (advancing_ || phase_ == Phase::kClosed) return;
  advancing_ = true;
  while (Step()) {
  }
  advancing_ = false;
  StartRead();
}

// True: there may be more to do without more input.
bool Connection::Step() {
  if (phase_ == Phase::kHead) return StepHead();
  if (phase_ != Phase::kBody) return false;
  if (body_filled_ == body_length_) {
    Dispatch();
    return true;
  }
  return body_filled_ == request_.body.size() && !GrowBody();
}

bool Connection::StepHead() {
  if (in_end_ == 0) {
    if (peer_ended_ || server_->stopping) {
      Close();
    } else {
      SetDeadline(server_->limits.idle_timeout);
    }
    return false;
  }
  const Checked<std::size_t> length = scanner_.Scan(input());
  if (!length) {
    Refuse(length.error());
    return false;
  }
  if (*length == 0) {
    if (peer_ended_) {
      Close();
    } else if (!head_begun_) {
      head_begun_ = true;
      SetDeadline(server_->limits.head_timeout);
    }
    return false;
  }
  Checked<Head> head = ReadHead(input().substr(0, *length), rules_);
  if (!head) {
    Refuse(head.error());
    return false;
  }
  Consume(*length);
  scanner_.Reset();
  request_ = std::move(head->request);
  head_only_ = request_.method == Method::kHead;
  http_1_0_ = head->http_1_0;
  close_ = head->close;
  if (head->content_length > 0) {
    BeginBody(head->content_length, head->expects_continue);
  } else {
    Dispatch();
  }
  return true;
}

void Connection::BeginBody(std::size_t length, bool expects_continue) {
  phase_ = Phase::kBody;
  body_length_ = length;
  body_filled_ = std::min(length, in_end_);
  request_.body.resize(std::min(length, std::max(body_filled_, kFirstBody)));
  input().copy(request_.body.data(), body_filled_);
  Consume(body_filled_);
  if (body_filled_ == length) return;
  if (peer_ended_) {
    Close();
    return;
  }
  SetDeadline(server_->limits.body_timeout);
  if (expects_continue && body_filled_ == 0) Queue({"HTTP/1.1 100 Continue\r\n\r\n"});
}

// Who announces much and sends nothing costs nothing. False: refused.
bool Connection::GrowBody() {
  const std::size_t now = request_.body.size();
  const std::size_t next = std::min(body_length_, now * 2);
  if (!body_held_ && next > limits::kHeldFree) {
    body_held_ = std::make_unique<HeldBytes>(server_->budget);
    body_held_->Force(now);
  }
  if (body_held_) {
    if (const std::optional<HeldRefusal> refused = body_held_->Take(next - now)) {
      request_.body = {};
      const Response answer = RefusalOf(*refused);
      Refuse({answer.status, Describe(*refused, *server_->budget)});
      return false;
    }
  }
  request_.body.resize(next);
  return true;
}

void Connection::Dispatch() {
  phase_ = Phase::kAnswer;
  EndToWait();
  ++call_;
  responded_ = last_part_queued_ = gone_ = head_begun_ = false;
  close_ = close_ || beyond_limit_;
  ClearDeadline();
  Request request = std::exchange(request_, {});
  request.principal = principal_;
  Router::Match match = server_->router.Find(request.method, request.segments);
  if (beyond_limit_ && (match.route == nullptr || !IsUrgent(match.route->permission))) {
    SendError(503,
              "this server has " + std::to_string(server_->limits.connections_max) +
                  " connections with a request under way, which is its limit, and serves cancels "
                  "alone beyond it: come back later",
              {});
    return;
  }
  if (match.route == nullptr) {
    AnswerUnrouted(std::move(request), match.allowed);
    return;
  }
  if (const Status allowed = Authorize(principal_, match.route->permission); !allowed) {
    SendError(403, allowed.error().message, {});
    return;
  }
  request.captures = std::move(match.captures);
  Turn::Name(match.route->pattern);
  Handle(std::move(request), match.route->handler);
}

void Connection::AnswerUnrouted(Request request, const std::vector<Method>& allowed) {
  if (const Router::Unrouted& unrouted = server_->router.unrouted()) {
    Handle(std::move(request),
           [&](std::shared_ptr<Exchange> exchange) { unrouted(std::move(exchange), allowed); });
    return;
  }
  const std::string uri = request.target.substr(0, 256);
  const std::string method(ToString(request.method));
  if (allowed.empty()) {
    SendError(404, "no handler found for uri [" + uri + "] and method [" + method + "]", {});
  } else {
    SendError(405,
              "Incorrect HTTP method for uri [" + uri + "] and method [" + method +
                  "], allowed: [" + JoinNames(allowed, ", ") + "]",
              JoinNames(allowed, ","));
  }
}

void Connection::Handle(Request request, const Handler& handler) {
  const std::uint64_t call = call_;
  try {
    handler(std::make_shared<ServerExchange>(shared_from_this(), call, std::move(request)));
  } catch (...) {  // A handler's bug costs its own request, not the daemon.
    Abandon(call);
  }
}

// The framing of what follows cannot be trusted, so nothing of it is read as a request.
void Connection::Refuse(const Refusal& refusal) {
  phase_ = Phase::kAnswer;
  EndToWait();
  ++call_;
  responded_ = last_part_queued_ = gone_ = head_only_ = false;
  close_ = true;
  ClearDeadline();
  SendError(refusal.status, refusal.reason, refusal.allow);
}

void Connection::SendError(int status, std::string_view reason, std::string allow) {
  Response response;
  response.status = status;
  if (!allow.empty()) response.headers.push_back({"Allow", std::move(allow)});
  if (status == 429 || status == 503) response.headers.push_back({"Retry-After", "1"});
  response.body = server_->router.RenderError(status, ErrorType(status), reason);
  SendWhole(std::move(response));
}

Response Connection::RefusalOf(HeldRefusal refusal) const {
  Response response;
  response.status = refusal == HeldRefusal::kBusy ? 429 : 400;
  if (refusal == HeldRefusal::kBusy) response.headers.push_back({"Retry-After", "1"});
  response.body = server_->router.RenderError(response.status, ErrorType(response.status),
                                              Describe(refusal, *server_->budget));
  return response;
}

void Connection::SendWhole(Response response) {
  responded_ = last_part_queued_ = true;
  const std::function<void()> dropped = std::exchange(on_gone_, nullptr);
  close_ = close_ || server_->stopping;
  if (!HasBody(response.status)) response.body.clear();
  Part part;
  part.head = RenderHead(response, {response.body.size(), false, close_});
  if (!head_only_) part.body = std::move(response.body);
  part.held = std::move(response.held);
  Queue(std::move(part));
}

void Connection::Answer(std::uint64_t call, Response response) {
  if (call != call_) return;
  if (phase_ == Phase::kAnswer && !responded_) {
    SendWhole(std::move(response));
  } else {
    CutStream(call);  // Start() and then Send(): the client must not wait for an end.
  }
}

void Connection::StartStream(std::uint64_t call, Response head) {
  if (call != call_ || phase_ != Phase::kAnswer || responded_) return;
  if (gone_) {
    Close();
    return;
  }
  phase_ = Phase::kStream;
  responded_ = true;
  close_ = close_ || http_1_0_ || server_->stopping;
  const std::string first = std::exchange(head.body, {});
  Part part;
  part.head = RenderHead(head, {std::nullopt, !http_1_0_, close_});
  if (!first.empty() && !head_only_) {
    if (!http_1_0_) part.head += RenderChunkSize(first.size());
    part.body = first;
    if (!http_1_0_) part.tail = "\r\n";
  }
  Queue(std::move(part));
}

void Connection::WriteStream(std::uint64_t call, std::string chunk, std::function<void()> drained) {
  if (call != call_ || phase_ != Phase::kStream || last_part_queued_) {
    TakeQueued(chunk.size());
    return;
  }
  Part part;
  part.booked = chunk.size();
  part.drained = std::move(drained);
  if (!chunk.empty() && !head_only_) {
    if (!http_1_0_) {
      part.head = RenderChunkSize(chunk.size());
      part.tail = "\r\n";
    }
    part.body = std::move(chunk);
  }
  Queue(std::move(part));
}

void Connection::EndStream(std::uint64_t call) {
  if (call != call_ || phase_ != Phase::kStream || last_part_queued_) {
    Abandon(call);
    return;
  }
  last_part_queued_ = true;
  const std::function<void()> dropped = std::exchange(on_gone_, nullptr);
  Part part;
  if (!http_1_0_ && !head_only_) part.tail = "0\r\n\r\n";
  Queue(std::move(part));
}

void Connection::CutStream(std::uint64_t call) {
  if (call == call_ && phase_ == Phase::kStream && !last_part_queued_) Cut();
}

void Connection::OnGone(std::uint64_t call, std::function<void()> gone) {
  if (call != call_) return;
  if (gone_) {
    PostCallback(std::move(gone));
  } else if (in_call()) {
    on_gone_ = std::move(gone);
  }
}

void Connection::Abandon(std::uint64_t call) {
  if (call != call_) return;
  if (phase_ == Phase::kAnswer && !responded_) {
    SendError(500, "the request was not answered: this is a bug of the server", {});
  } else {
    CutStream(call);
  }
}

void Connection::FinishAnswer() {
  if (close_) {
    Linger();
    return;
  }
  phase_ = Phase::kHead;
  body_held_ = nullptr;
  BeginToWait();
  if (advancing_) return;
  if (in_end_ == 0) {
    Advance();
    return;
  }
  // The next request was sent ahead. Its handler must not run inside the call that gave this
  // answer.
  boost::asio::post(server_->context, [self = shared_from_this()] {
    const Turn turn(kTurn);
    self->Advance();
  });
}

// Closing a socket with unread input resets it, and the reset can overtake the answer.
void Connection::Linger() {
  if (peer_ended_) {
    Close();
    return;
  }
  phase_ = Phase::kLinger;
  in_end_ = 0;
  boost::system::error_code ignored;
  socket_.shutdown(boost::asio::socket_base::shutdown_send, ignored);
  SetDeadline(server_->limits.close_timeout);
  StartRead();
}

void Connection::Close() {
  if (phase_ == Phase::kClosed) return;
  if (in_call()) NotifyGone();
  phase_ = Phase::kClosed;
  EndToWait();
  body_held_ = nullptr;
  boost::system::error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
  // What the callbacks hold may call back into this connection as it is destroyed, so it is
  // destroyed last.
  const std::shared_ptr<Connection> self = shared_from_this();
  const std::function<void()> dropped = std::exchange(on_gone_, nullptr);
  const std::deque<Part> unsent = std::exchange(out_, {});
  for (const Part& part : unsent)
    TakeQueued(part.booked);
  server_->connections.erase(place_);
  if (server_->connections.empty() && server_->on_last_end) server_->on_last_end();
}

void Connection::NotifyGone() {
  if (gone_) return;
  gone_ = true;
  if (on_gone_) PostCallback(std::exchange(on_gone_, nullptr));
}

void Connection::PostCallback(std::function<void()> callback) {
  boost::asio::post(server_->context, [callback = std::move(callback)] {
    const Turn turn(callback.target_type());
    try {
      callback();
    } catch (...) {  // As in Dispatch().
    }
  });
}

}  // namespace quell::http
