#include <algorithm>
#include <cassert>

#include <grpcpp/impl/codegen/proto_utils.h>

#include "core/limits.h"
#include "transport/grpc/fields.h"
#include "transport/grpc/link_metadata.h"
#include "transport/grpc/node_link.h"
#include "transport/grpc/status.h"

namespace quell::rpc {
namespace {

using RequestTraits = grpc::SerializationTraits<v1::NodeRequest>;
using ReplyTraits = grpc::SerializationTraits<v1::NodeReply>;

constexpr std::size_t kListKind = 0;
constexpr std::size_t kGetKind = 1;
constexpr std::size_t kApplyKind = 2;
constexpr std::size_t kProbeKind = 3;
constexpr std::size_t kAwaitKind = 4;
constexpr std::size_t kDrainKind = 5;
static_assert(std::is_same_v<std::variant_alternative_t<kListKind, NodeRequest>, ListRequest> &&
              std::is_same_v<std::variant_alternative_t<kListKind, NodeReply>, ListReply>);
static_assert(std::is_same_v<std::variant_alternative_t<kGetKind, NodeRequest>, GetRequest> &&
              std::is_same_v<std::variant_alternative_t<kGetKind, NodeReply>, GetReply>);
static_assert(std::is_same_v<std::variant_alternative_t<kApplyKind, NodeRequest>, ApplyRequest> &&
              std::is_same_v<std::variant_alternative_t<kApplyKind, NodeReply>, ApplyReply>);
static_assert(std::is_same_v<std::variant_alternative_t<kProbeKind, NodeRequest>, ProbeRequest> &&
              std::is_same_v<std::variant_alternative_t<kProbeKind, NodeReply>, ProbeReply>);
static_assert(std::is_same_v<std::variant_alternative_t<kAwaitKind, NodeRequest>, AwaitRequest> &&
              std::is_same_v<std::variant_alternative_t<kAwaitKind, NodeReply>, AwaitReply>);
static_assert(std::is_same_v<std::variant_alternative_t<kDrainKind, NodeRequest>, DrainRequest> &&
              std::is_same_v<std::variant_alternative_t<kDrainKind, NodeReply>, DrainReply>);

std::uint64_t TasksMax(std::size_t kind) {
  if (kind == kGetKind) return 1;
  if (kind == kProbeKind) return 0;
  if (kind == kDrainKind) return limits::kDrainShown;
  return limits::kTasksPerNodeMax + limits::kEndedKept;
}

// Tasks in ascending order, and the end says how many.
bool IsCounted(std::size_t kind) {
  return kind == kListKind || kind == kAwaitKind;
}

std::uint64_t CountOf(const NodeReply& end) {
  if (const auto* list = std::get_if<ListReply>(&end)) return list->count;
  return std::get<AwaitReply>(end).count;
}

// What a broken stream means for those who wait: the node was not reached, unless it said itself
// why it does not want to talk.
Error WhyBroken(const grpc::Status& status) {
  if (status.ok()) return {ErrorCode::kUnavailable, "the node ended the connection"};
  Error error = FromStatus(status);
  switch (error.code) {
    case ErrorCode::kInvalidArgument:  // It did not understand us.
      error.code = ErrorCode::kInternal;
      break;
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kUnauthenticated:
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kInternal:
      break;
    case ErrorCode::kNotFound:
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kFailedPrecondition:
    case ErrorCode::kUnavailable:
    case ErrorCode::kDraining:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kCancelled:
    case ErrorCode::kOutcomeUnknown:
      error.code = ErrorCode::kUnavailable;
      break;
  }
  return error;
}

Error TooLate() {
  return {ErrorCode::kDeadlineExceeded, "the node did not answer in time"};
}

}  // namespace

LinkStream::LinkStream(CqLoop& loop, const NodeId& node, std::shared_ptr<std::mutex> mutex,
                       std::shared_ptr<ReplyReader> reader,
                       const std::shared_ptr<grpc::Channel>& channel)
    : loop_(loop),
      node_(node),
      mutex_(std::move(mutex)),
      reader_(std::move(reader)),
      stub_(channel) {
  context_.AddMetadata(kWantedNode, node.ToString());
  // The head of the call waits for the first message and travels with it.
  context_.set_initial_metadata_corked(true);
  stream_ = stub_.PrepareCall(&context_, kLinkMethod, &loop.queue().completion_queue());
  stream_->StartCall(nullptr);
}

bool LinkStream::full() const {
  return pending_.size() >= limits::kAsksPerNodeMax;
}

void LinkStream::Add(std::shared_ptr<PendingAsk> ask, v1::NodeRequest message) {
  const std::uint64_t id = ++last_id_;
  const MonoTime deadline = ask->deadline;
  message.set_id(id);
  pending_.emplace(id, std::move(ask));
  ArmDeadline(deadline);
  if (writing_) {
    unsent_.emplace_back(id, std::move(message));
  } else {
    Write(std::move(message), deadline);
  }
  ReadIfWaiting();
}

void LinkStream::Write(v1::NodeRequest message, MonoTime deadline) {
  const auto left = std::chrono::ceil<std::chrono::microseconds>(deadline - loop_.clock().Now());
  message.set_timeout_micros(static_cast<std::uint64_t>(std::max<std::int64_t>(left.count(), 1)));
  grpc::ByteBuffer bytes;
  bool own = false;
  const grpc::Status serialized = RequestTraits::Serialize(message, &bytes, &own);
  assert(serialized.ok());
  static_cast<void>(serialized);
  if (!loop_.queue().Begin()) return;
  writing_ = true;
  stream_->Write(bytes, written_op_.Tag(shared_from_this()));
}

// A read is posted with the write that it waits for: gRPC then needs one packet less.
void LinkStream::ReadIfWaiting() {
  if (!reading_ && !broken_ && !pending_.empty()) Read();
}

void LinkStream::Read() {
  if (!loop_.queue().Begin()) return;
  reading_ = true;
  stream_->Read(&reply_bytes_, read_op_.Tag(shared_from_this()));
}

void LinkStream::OnWritten(bool ok) {
  const std::lock_guard lock(*mutex_);
  writing_ = false;
  if (!ok) broken_ = true;
  WriteNext();
  FinishIfBroken();
}

void LinkStream::WriteNext() {
  if (writing_ || broken_) return;
  while (!unsent_.empty()) {
    const auto [id, message] = std::move(unsent_.front());
    unsent_.pop_front();
    const auto ask = pending_.find(id);
    if (ask == pending_.end()) continue;  // Its time ran out.
    return Write(message, ask->second->deadline);
  }
  if (withdrawn_.empty()) return;
  v1::NodeRequest message;
  message.mutable_withdraw()->set_id(withdrawn_.front());
  withdrawn_.pop_front();
  Write(std::move(message), MonoTime());
}

void LinkStream::OnRead(bool ok) {
  if (ok && !TakeReply()) {
    ok = false;
    {
      const std::lock_guard lock(*mutex_);
      broken_ = true;  // Sinks that ask again get a new stream.
    }
    context_.TryCancel();
    EndAll({ErrorCode::kInternal, "garbage on the wire: no message of the protocol"});
  }
  const std::lock_guard lock(*mutex_);
  reading_ = false;
  if (!ok) broken_ = read_to_end_ = true;
  ReadIfWaiting();
  FinishIfBroken();
}

bool LinkStream::TakeReply() {
  v1::NodeReply& reply = reader_->reply;
  reply.Clear();
  if (!ReplyTraits::Deserialize(&reply_bytes_, &reply).ok()) return false;
  std::shared_ptr<PendingAsk> ask;
  {
    const std::lock_guard lock(*mutex_);
    const auto found = pending_.find(reply.id());
    if (found != pending_.end()) ask = found->second;
  }
  if (ask) TakePart(reply.id(), *ask, reply);  // Else it is late.
  return true;
}

void LinkStream::TakePart(std::uint64_t id, PendingAsk& ask, const v1::NodeReply& reply) {
  if (Status taken = TakeTasks(ask, reply); !taken) return End(id, taken.error(), true);
  if (reply.acks_size() > 0) {
    Status appended = fields::Garbage("acks", "answer no apply");
    if (ask.kind == kApplyKind) appended = AppendAcks(reply.acks(), &ask.acks);
    if (!appended) return End(id, appended.error(), true);
  }
  if (reply.end_case() == v1::NodeReply::END_NOT_SET) return;
  Result<NodeReply> end = FromProto(reply, std::move(ask.acks));
  if (end && end->index() != ask.kind)
    end = fields::Garbage("the answer", "is to another question");
  if (end && IsCounted(ask.kind) && CountOf(*end) != ask.tasks) {
    end = fields::Garbage("the list", "is not as long as the node says");
  }
  End(id, std::move(end), false);
}

Status LinkStream::TakeTasks(PendingAsk& ask, const v1::NodeReply& reply) {
  if (reply.tasks_size() == 0) return {};
  const Result<std::span<const TaskView>> page = reader_->page.Read(node_, reply.tasks());
  if (!page) return page.error();
  ask.tasks += static_cast<std::uint64_t>(reply.tasks_size());
  if (ask.tasks > TasksMax(ask.kind)) return fields::Garbage("the answer", "has too many tasks");
  if (IsCounted(ask.kind)) {
    for (const TaskView& task : *page) {
      // Of a list first those that live, then those that have ended.
      const bool ended = ask.kind == kListKind && IsTerminal(task.state);
      const std::pair place(ended, task.id.number);
      if (place <= ask.last_place) return fields::Garbage("the list", "is out of order");
      ask.last_place = place;
    }
  }
  if (!page->empty()) ask.sink->OnTasks(*page);
  const std::span<const TaskFailure> unreadable = reader_->page.unreadable();
  if (!unreadable.empty()) ask.sink->OnUnreadable(unreadable);
  return {};
}

std::shared_ptr<PendingAsk> LinkStream::TakeOut(std::uint64_t id) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return nullptr;
  std::shared_ptr<PendingAsk> ask = std::move(found->second);
  pending_.erase(found);
  return ask;
}

void LinkStream::End(std::uint64_t id, Result<NodeReply> reply, bool withdraw) {
  std::shared_ptr<PendingAsk> ask;
  {
    const std::lock_guard lock(*mutex_);
    ask = TakeOut(id);
    if (ask && withdraw && withdrawn_.size() < limits::kAsksPerNodeMax) {
      withdrawn_.push_back(id);
      WriteNext();
    }
  }
  if (ask) ask->sink->OnDone(std::move(reply));
}

void LinkStream::EndAll(const Error& error) {
  Pending ended;
  {
    const std::lock_guard lock(*mutex_);
    ended.swap(pending_);
    unsent_.clear();
    withdrawn_.clear();
  }
  for (const auto& [id, ask] : ended)
    ask->sink->OnDone(error);
}

// The timer is left alone when its ask is answered: it fires, finds nothing, and is gone, which is
// cheaper than to cancel one with each answer.
void LinkStream::ArmDeadline(MonoTime when) {
  if (when >= armed_for_) return;
  loop_.Cancel(timer_);
  armed_for_ = when;
  timer_ = loop_.At(when, [weak = weak_from_this(), when] {
    if (const auto stream = weak.lock()) stream->OnDeadline(when);
  });
}

void LinkStream::OnDeadline(MonoTime when) {
  std::vector<std::shared_ptr<PendingAsk>> late;
  {
    const std::lock_guard lock(*mutex_);
    if (armed_for_ == when) armed_for_ = MonoTime::max();
    const MonoTime now = loop_.clock().Now();
    MonoTime next = MonoTime::max();
    for (auto at = pending_.begin(); at != pending_.end();) {
      if (at->second->deadline > now) {
        next = std::min(next, at->second->deadline);
        ++at;
        continue;
      }
      const bool sent = std::none_of(unsent_.begin(), unsent_.end(),
                                     [&](const auto& entry) { return entry.first == at->first; });
      if (sent && withdrawn_.size() < limits::kAsksPerNodeMax) withdrawn_.push_back(at->first);
      late.push_back(std::move(at->second));
      at = pending_.erase(at);
    }
    if (!late.empty()) {
      std::erase_if(unsent_, [&](const auto& entry) { return pending_.count(entry.first) == 0; });
    }
    if (next != MonoTime::max()) ArmDeadline(next);
    WriteNext();
  }
  for (const auto& ask : late)
    ask->sink->OnDone(TooLate());
}

std::shared_ptr<PendingAsk> LinkStream::Withdraw(const ReplySink& sink) {
  const auto found = std::find_if(pending_.begin(), pending_.end(), [&](const auto& entry) {
    return entry.second->sink.get() == &sink;
  });
  if (found == pending_.end()) return nullptr;
  const std::uint64_t id = found->first;
  std::shared_ptr<PendingAsk> ask = TakeOut(id);
  const std::size_t unsent =
      std::erase_if(unsent_, [id](const auto& entry) { return entry.first == id; });
  if (unsent == 0 && withdrawn_.size() < limits::kAsksPerNodeMax) {
    withdrawn_.push_back(id);
    WriteNext();
  }
  return ask;
}

std::vector<std::shared_ptr<PendingAsk>> LinkStream::Break() {
  broken_ = true;
  std::vector<std::shared_ptr<PendingAsk>> asks;
  for (auto& [id, ask] : pending_)
    asks.push_back(std::move(ask));
  pending_.clear();
  unsent_.clear();
  withdrawn_.clear();
  context_.TryCancel();
  FinishIfBroken();
  return asks;
}

// gRPC tells how a call has ended only when all that it received has been read, late answers that
// nobody waits for included.
void LinkStream::FinishIfBroken() {
  if (!broken_ || finishing_ || writing_ || reading_) return;
  if (!read_to_end_) return Read();
  if (!loop_.queue().Begin()) return;
  finishing_ = true;
  stream_->Finish(&status_, finished_op_.Tag(shared_from_this()));
}

void LinkStream::OnFinished(bool) {
  EndAll(WhyBroken(status_));
}

}  // namespace quell::rpc
