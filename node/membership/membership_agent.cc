#include "node/membership/membership_agent.h"

#include <algorithm>
#include <utility>

#include "core/limits.h"

namespace quell {

MembershipAgent::MembershipAgent(const NodeInfo& info, Executor& executor, Random& random,
                                 MembershipClient& coordinator, Hooks hooks)
    : info_(info),
      executor_(executor),
      random_(random),
      coordinator_(coordinator),
      hooks_(std::move(hooks)) {}

void MembershipAgent::Start() {
  Join();
}

void MembershipAgent::Acknowledge(IntentAck ack) {
  const IntentId id = ack.intent;
  acks_.insert_or_assign(id, std::move(ack));
}

void MembershipAgent::Schedule(MonoClock::duration delay, void (MembershipAgent::*step)()) {
  timer_ = executor_.After(delay, lifetime_.Guard([this, step] {
    timer_ = TimerId::kNone;
    (this->*step)();
  }));
}

// The pause doubles, and varies, so that a thousand nodes do not come back at one moment.
void MembershipAgent::Retry(const Error& error, void (MembershipAgent::*step)()) {
  if (backoff_ == MonoClock::duration::zero()) {
    backoff_ = limits::kJoinBackoffMin;
    if (hooks_.on_error) hooks_.on_error(error);
  } else {
    backoff_ = std::min<MonoClock::duration>(backoff_ * 2, limits::kJoinBackoffMax);
  }
  const auto half = static_cast<std::uint64_t>(backoff_.count() / 2);
  Schedule(MonoClock::duration(static_cast<std::int64_t>(half + random_.Below(half + 1))), step);
}

void MembershipAgent::Join() {
  asked_to_join_ = true;
  const BootTime sent = executor_.clock().Boot();
  coordinator_.Join(JoinRequest{info_, hooks_.next_number(), hooks_.former_lives()},
                    executor_.clock().Now() + limits::kHeartbeatDeadline,
                    lifetime_.Guard([this, sent](const Result<JoinReply>& reply) {
                      if (!stopped_) OnJoined(reply, sent);
                    }));
}

void MembershipAgent::OnJoined(const Result<JoinReply>& reply, BootTime sent) {
  if (!reply && reply.error().code == ErrorCode::kAlreadyExists) {
    stopped_ = true;
    asked_to_join_ = false;  // There is nothing of ours to leave.
    return hooks_.refused(reply.error());
  }
  if (!reply) return Retry(reply.error(), &MembershipAgent::Join);
  backoff_ = {};
  const bool more = reply->pending.size() >= limits::kIntentsPerReply;
  Schedule(more ? limits::kJoinBackoffMin : limits::kHeartbeatInterval,
           &MembershipAgent::Heartbeat);
  hooks_.joined(*reply, sent);
}

std::vector<IntentAck> MembershipAgent::NextAcks() const {
  std::vector<IntentAck> acks;
  std::size_t receipts = 0;
  for (const auto& [id, ack] : acks_) {
    receipts += ack.receipts.size();
    if (!acks.empty() && receipts > limits::kReceiptsPerAck) break;
    acks.push_back(ack);
  }
  return acks;
}

void MembershipAgent::Heartbeat() {
  HeartbeatRequest request{info_.id,
                           info_.incarnation,
                           hooks_.next_number(),
                           NextAcks(),
                           hooks_.cancelled_running(),
                           hooks_.handoff(),
                           hooks_.host_load(),
                           info_.life,
                           hooks_.live_tasks(),
                           hooks_.draining()};
  std::vector<IntentId> told;
  for (const IntentAck& ack : request.acks)
    told.push_back(ack.intent);
  const BootTime sent = executor_.clock().Boot();
  coordinator_.Heartbeat(
      std::move(request), executor_.clock().Now() + limits::kHeartbeatDeadline,
      lifetime_.Guard([this, sent, told = std::move(told)](const Result<HeartbeatReply>& reply) {
        if (!stopped_) OnHeard(reply, sent, told);
      }));
}

void MembershipAgent::OnHeard(const Result<HeartbeatReply>& reply, BootTime sent,
                              const std::vector<IntentId>& told) {
  if (!reply) return Retry(reply.error(), &MembershipAgent::Heartbeat);
  backoff_ = {};
  if (reply->rejoin) return Join();
  for (const IntentId& id : told)
    acks_.erase(id);
  const bool more = !acks_.empty() || !reply->settled.empty() ||
                    reply->pending.size() >= limits::kIntentsPerReply;
  Schedule(more ? limits::kJoinBackoffMin : limits::kHeartbeatInterval,
           &MembershipAgent::Heartbeat);
  hooks_.heard(*reply, sent);
}

void MembershipAgent::Stop(std::function<void()> done) {
  stopped_ = true;
  executor_.Cancel(timer_);
  left_ = nullptr;
  if (!asked_to_join_) {
    executor_.Post(lifetime_.Guard(std::move(done)));
    return;
  }
  coordinator_.Leave(LeaveRequest{info_.id, info_.incarnation},
                     executor_.clock().Now() + limits::kHeartbeatDeadline,
                     lifetime_.Guard([done = std::move(done)](const Status&) { done(); }));
}

void MembershipAgent::Leave(std::function<void()> done) {
  if (stopped_) return;
  stopped_ = true;
  executor_.Cancel(timer_);
  backoff_ = {};
  left_ = std::move(done);
  SayGoodbye();
}

void MembershipAgent::SayGoodbye() {
  coordinator_.Leave(LeaveRequest{info_.id, info_.incarnation, true},
                     executor_.clock().Now() + limits::kHeartbeatDeadline,
                     lifetime_.Guard([this](const Status& heard) {
                       if (!left_) return;  // The daemon stops meanwhile.
                       if (!heard) return Retry(heard.error(), &MembershipAgent::SayGoodbye);
                       asked_to_join_ = false;  // Nobody knows it any more.
                       std::exchange(left_, nullptr)();
                     }));
}

}  // namespace quell
