#include "transport/grpc/served_link.h"

#include <algorithm>
#include <cassert>

#include <grpcpp/impl/codegen/proto_utils.h>

#include "core/limits.h"
#include "transport/grpc/ack_parts.h"
#include "transport/grpc/address.h"
#include "transport/grpc/convert.h"
#include "transport/grpc/link_metadata.h"
#include "transport/grpc/permissions.h"
#include "transport/grpc/status.h"

namespace quell::rpc {
namespace {

using RequestTraits = grpc::SerializationTraits<v1::NodeRequest>;
using ReplyTraits = grpc::SerializationTraits<v1::NodeReply>;

// About what a task takes on the wire; exact enough to cut pages by.
std::size_t BytesOf(const TaskView& task) {
  std::size_t bytes = 128 + task.type.size() + task.action.size() + task.description.size() +
                      task.status_json.size() + task.cancelled_by.size() +
                      task.cancel_reason.size();
  for (const Header& header : task.headers)
    bytes += header.name.size() + header.value.size() + 8;
  return bytes;
}

std::chrono::microseconds TimeLeft(const v1::NodeRequest& request) {
  if (request.timeout_micros() == 0) return limits::kNodeDeadline;
  // Compared before it becomes a duration, which it may overflow.
  const std::chrono::microseconds longest =
      request.has_await() ? std::chrono::microseconds(limits::kWaitMax + limits::kWaitMargin)
                          : std::chrono::microseconds(limits::kNodeDeadlineMax);
  return std::chrono::microseconds(
      std::min(request.timeout_micros(), static_cast<std::uint64_t>(longest.count())));
}

}  // namespace

ServedLink::ServedLink(CqLoop& loop, std::shared_ptr<LinkHost> host)
    : loop_(loop), host_(std::move(host)) {}

ServedLink::~ServedLink() = default;

void ServedLink::Accept() {
  CqLoop::Queue& queue = loop_.queue();
  if (!queue.Begin()) return;
  // Its end is counted from OnAccepted() on: it does not come for a call that never begins.
  context_.AsyncNotifyWhenDone(done_.RawTag());
  host_->service.RequestLink(&context_, &stream_, &queue.completion_queue(),
                             &queue.completion_queue(), accepted_.Tag(shared_from_this()));
}

void ServedLink::OnAccepted(bool ok) {
  if (!ok) return;  // The server shuts down.
  loop_.queue().Begin();
  done_.Tag(shared_from_this());
  Status admitted = host_->Admit(shared_from_this());
  if (admitted) admitted = CheckCaller();
  if (!admitted) return Close(admitted.error());
  ReadNext();
}

Status ServedLink::CheckCaller() {
  who_ = PeerOf(context_.peer());
  if (Status allowed = Authorize(who_, PermissionOf(Method::kNodeLink)); !allowed) return allowed;
  const auto wanted = context_.client_metadata().find(kWantedNode);
  if (wanted == context_.client_metadata().end()) return {};  // A person with a tool.
  if (std::string_view(wanted->second.data(), wanted->second.size()) == host_->self().view()) {
    return {};
  }
  return Error{ErrorCode::kFailedPrecondition,
               "another node lives at this address now: " + host_->self().ToString()};
}

void ServedLink::ReadNext() {
  if (finishing_ || verdict_ || gone_ || nothing_more_ || read_.in_flight()) return;
  // A coordinator that asks without reading the answers has to wait.
  if (outgoing_.size() >= limits::kAsksPerNodeMax) return;
  loop_.queue().Begin();
  stream_.Read(&request_bytes_, read_.Tag(shared_from_this()));
}

void ServedLink::OnRead(bool ok) {
  if (!ok) {
    nothing_more_ = true;
    return MaybeFinish();
  }
  if (verdict_ || gone_) return MaybeFinish();
  request_.Clear();
  Status taken = Error{ErrorCode::kInvalidArgument, "a request that is no NodeRequest"};
  if (RequestTraits::Deserialize(&request_bytes_, &request_).ok()) taken = TakeRequest(request_);
  request_bytes_.Clear();
  if (!taken) return Close(taken.error());
  ReadNext();
}

// An error ends the whole stream: the two ends do not understand each other.
Status ServedLink::TakeRequest(const v1::NodeRequest& request) {
  if (request.has_withdraw()) {
    const auto found = writers_.find(request.withdraw().id());
    if (found != writers_.end()) found->second->Unwanted();
    return {};
  }
  const std::uint64_t id = request.id();
  if (id == 0 || writers_.count(id) > 0) {
    return Error{ErrorCode::kInvalidArgument, "request id " + std::to_string(id) + " is in use"};
  }
  // Large answers that wait must not keep a cancel out.
  const bool for_cancels = request.has_apply() || request.has_get() || request.has_probe();
  const std::size_t room =
      limits::kLinkBytesMax + (for_cancels ? limits::kLinkBytesForCancels : std::size_t{0});
  if (writers_.size() >= limits::kAsksPerNodeMax || outgoing_bytes_ >= room) {
    Refuse(id, {ErrorCode::kResourceExhausted, "the node has too much to answer: ask again"});
    return {};
  }
  Result<NodeRequest> asked = FromProto(request);
  if (!asked) {
    Refuse(id, {ErrorCode::kInvalidArgument, asked.error().message});
    return {};
  }
  const auto writer = std::make_shared<LinkWriter>(shared_from_this(), id);
  writers_.emplace(id, writer.get());
  NodeHandler* const handler = host_->handler();
  if (!handler) {
    writer->Finish(Error{ErrorCode::kUnavailable, "the node is stopping"});
    return {};
  }
  handler->OnRequest(std::move(*asked), who_, loop_.clock().Now() + TimeLeft(request), writer);
  return {};
}

void ServedLink::Refuse(std::uint64_t id, const Error& error) {
  v1::NodeReply& reply = host_->scratch();
  reply.Clear();
  reply.set_id(id);
  ToProto(error, reply.mutable_error());
  Enqueue(Serialized(reply), nullptr);
}

grpc::ByteBuffer ServedLink::Serialized(const v1::NodeReply& reply) {
  grpc::ByteBuffer bytes;
  bool own = false;
  const grpc::Status status = ReplyTraits::Serialize(reply, &bytes, &own);
  assert(status.ok());
  static_cast<void>(status);
  return bytes;
}

void ServedLink::WriteTasks(LinkWriter& writer, std::span<const TaskView> page) {
  v1::NodeReply& reply = host_->scratch();
  std::size_t bytes = 0;
  const auto begin = [&] {
    reply.Clear();
    reply.set_id(writer.id_);
    bytes = 0;
  };
  const auto hold = [&] {
    if (writer.held_bytes_ > 0) {
      ++writer.pages_sending_;
      Enqueue(grpc::ByteBuffer(writer.held_.data(), writer.held_.size()),
              writer.shared_from_this());
    }
    const grpc::ByteBuffer serialized = Serialized(reply);
    writer.held_bytes_ = serialized.Length();
    serialized.Dump(&writer.held_);
  };
  begin();
  for (const TaskView& task : page) {
    const std::size_t size = BytesOf(task);
    if (reply.tasks_size() > 0 && bytes + size > limits::kPageBytes) {
      hold();
      begin();
    }
    bytes += size;
    ToProto(task, reply.add_tasks());
  }
  if (reply.tasks_size() > 0) hold();
}

void ServedLink::WriteEnd(LinkWriter& writer, const Result<NodeReply>& reply) {
  std::vector<grpc::Slice> slices = std::move(writer.held_);
  writer.held_bytes_ = 0;
  const ApplyReply* applied = reply ? std::get_if<ApplyReply>(&*reply) : nullptr;
  const bool large = applied && BytesOf(applied->acks) > limits::kPageBytes;
  if (large) {
    if (!slices.empty()) Enqueue(grpc::ByteBuffer(slices.data(), slices.size()), nullptr);
    slices.clear();
    WriteAcks(writer.id_, *applied);
  }
  v1::NodeReply& end = host_->scratch();
  end.Clear();
  end.set_id(writer.id_);
  if (!reply) {
    ToProto(reply.error(), end.mutable_error());
  } else if (large) {
    end.mutable_apply();  // All has been said.
  } else {
    ToProto(*reply, &end);
  }
  std::vector<grpc::Slice> last;
  Serialized(end).Dump(&last);
  // Two messages of protobuf, one after the other, are one message with the fields of both.
  slices.insert(slices.end(), last.begin(), last.end());
  Enqueue(grpc::ByteBuffer(slices.data(), slices.size()), nullptr);
}

void ServedLink::WriteAcks(std::uint64_t id, const ApplyReply& reply) {
  v1::NodeReply& part = host_->scratch();
  part.Clear();
  part.set_id(id);
  const auto next = [&] {
    Enqueue(Serialized(part), nullptr);
    part.Clear();
    part.set_id(id);
  };
  SpreadAcks(
      reply.acks, limits::kPageBytes, [&] { return part.add_acks(); }, next);
  next();
}

void ServedLink::Forget(LinkWriter& writer) {
  writers_.erase(writer.id_);
  MaybeFinish();
}

void ServedLink::ForgetAll() {
  // Unwanted() takes the writer out.
  while (!writers_.empty())
    writers_.begin()->second->Unwanted();
}

void ServedLink::Enqueue(grpc::ByteBuffer bytes, const std::shared_ptr<LinkWriter>& writer) {
  if (gone_ || verdict_) return;
  outgoing_bytes_ += bytes.Length();
  outgoing_.push_back({std::move(bytes), writer});
  WriteNext();
}

void ServedLink::WriteNext() {
  if (outgoing_.empty() || written_.in_flight() || finishing_ || gone_) return;
  loop_.queue().Begin();
  stream_.Write(outgoing_.front().bytes, written_.Tag(shared_from_this()));
}

void ServedLink::OnWritten(bool ok) {
  if (!ok) gone_ = true;
  if (gone_ || verdict_) {
    outgoing_.clear();
    outgoing_bytes_ = 0;
    if (gone_) ForgetAll();
    return MaybeFinish();
  }
  const std::shared_ptr<LinkWriter> writer = outgoing_.front().writer.lock();
  outgoing_bytes_ -= outgoing_.front().bytes.Length();
  outgoing_.pop_front();
  WriteNext();
  if (writer) writer->PageSent();
  ReadNext();
  MaybeFinish();
}

void ServedLink::Close(const Error& error) {
  if (verdict_ || gone_ || finishing_) return;
  verdict_ = ToStatus(error);
  ForgetAll();
  MaybeFinish();
}

void ServedLink::MaybeFinish() {
  if (finishing_ || gone_ || written_.in_flight()) return;
  if (!verdict_) {
    if (!nothing_more_ || !writers_.empty() || !outgoing_.empty()) return;
    verdict_ = grpc::Status::OK;
  }
  finishing_ = true;
  outgoing_.clear();
  loop_.queue().Begin();
  stream_.Finish(*verdict_, finished_.Tag(shared_from_this()));
}

void ServedLink::OnFinished(bool) {}  // OnDone() comes too.

void ServedLink::OnDone(bool) {
  gone_ = true;
  ForgetAll();
  host_->Gone(this);
}

LinkWriter::~LinkWriter() {
  // A handler that drops a request without an answer.
  if (wanted_) Finish(Error{ErrorCode::kInternal, "the node dropped the request; see its log"});
}

void LinkWriter::Tasks(std::span<const TaskView> page, std::function<void()> then) {
  assert(!then_);  // The page before it has been sent.
  const std::shared_ptr<ServedLink> link = Wanted();
  if (!link) return;
  link->WriteTasks(*this, page);
  then_ = std::move(then);
  if (pages_sending_ > 0) return;  // PageSent() goes on.
  link->loop().Post([weak = weak_from_this()] {
    if (const auto writer = weak.lock(); writer && writer->pages_sending_ == 0) writer->PageSent();
  });
}

void LinkWriter::PageSent() {
  if (pages_sending_ > 0) --pages_sending_;
  if (pages_sending_ > 0 || !wanted_) return;
  if (const std::function<void()> then = std::exchange(then_, nullptr)) then();
}

void LinkWriter::Finish(Result<NodeReply> reply) {
  const std::shared_ptr<ServedLink> link = Wanted();
  if (!link) return;
  wanted_ = false;
  then_ = nullptr;
  gone_ = nullptr;
  link->WriteEnd(*this, reply);
  link->Forget(*this);
}

void LinkWriter::Unwanted() {
  if (!wanted_) return;
  wanted_ = false;
  held_.clear();
  held_bytes_ = 0;
  // They may own the last reference to this writer.
  const std::function<void()> dropped = std::exchange(then_, nullptr);
  const std::shared_ptr<LinkWriter> self = weak_from_this().lock();
  if (const auto link = link_.lock()) {
    if (gone_) link->loop().Post(std::exchange(gone_, nullptr));
    link->Forget(*this);
  }
}

void LinkWriter::OnGone(std::function<void()> gone) {
  if (wanted_) gone_ = std::move(gone);
}

}  // namespace quell::rpc
