#include "coordinator/membership/membership_service.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "coordinator/fan_out/fan_out.h"
#include "core/limits.h"

namespace quell {
namespace {

Error Busy(const NodeId& node) {
  return {ErrorCode::kUnavailable,
          "another change of node " + node.ToString() + " is under way: repeat"};
}

}  // namespace

MembershipService::MembershipService(const CoordinatorServices& services, NodeAsks& asks,
                                     MemberTable& members, PendingIntents& pending,
                                     CancelService& cancels,
                                     std::function<void(const NodeInfo&)> restored)
    : restored_(std::move(restored)),
      handoff_(services, members, pending),
      services_(services),
      asks_(asks),
      members_(members),
      pending_(pending),
      cancels_(cancels) {
  for (const Member* member : members_.present()) {
    // One that has stopped will say where it is when it is back.
    if (!member->is_self && !member->stopped) Connect(member->info);
  }
}

void MembershipService::Connect(const NodeInfo& node) {
  asks_.Renew(node.id);
  services_.nodes.Connect(node);
}

void MembershipService::Disconnect(const NodeId& node) {
  asks_.Renew(node);
  services_.nodes.Disconnect(node);
}

void MembershipService::OnJoin(JoinRequest request, JoinDone reply) {
  if (changing_.contains(request.node.id)) return reply(Busy(request.node.id));
  Result<JoinVerdict> verdict = members_.DecideJoin(request.node, services_.executor.clock().Now());
  if (!verdict) return reply(verdict.error());
  switch (*verdict) {
    case JoinVerdict::kNew:
      return AdmitOnceDurable(std::move(request), std::move(reply));
    case JoinVerdict::kReplace:
    case JoinVerdict::kSame:
      return AdmitNow(request, reply);
    case JoinVerdict::kProbeFirst:
      return AdmitUnlessKnownLives(std::move(request), std::move(reply));
  }
}

const Member& MembershipService::Admit(const JoinRequest& request) {
  left_unsure_.erase(request.node.id);
  if (restored_ && members_.IsRestored(request)) restored_(request.node);
  return members_.Admit(request, services_.executor.clock().Now());
}

void MembershipService::AdmitOnceDurable(JoinRequest request, JoinDone reply) {
  const NodeId id = request.node.id;
  KnownNode known{request.node, members_.FirstNumberFor(request), request.next_number, false};
  changing_.insert(id);
  services_.store.PutNode(std::move(known), lifetime_.Guard([this, id, request = std::move(request),
                                                             reply](Status stored) {
    changing_.erase(id);
    if (!stored) return reply(stored.error());
    Admit(request);
    Connect(request.node);
    SendJoinReply(id, reply);
  }));
}

void MembershipService::AdmitUnlessKnownLives(JoinRequest request, JoinDone reply) {
  const NodeId id = request.node.id;
  const Member* known = members_.Find(id);
  std::vector<FanOutSlot> probe(1);
  probe[0].slot.node = known->info;
  probe[0].request = ProbeRequest{};
  changing_.insert(id);
  FanOut(services_.executor, asks_, "probe", std::move(probe),
         services_.executor.clock().Now() + limits::kProbeDeadline,
         lifetime_.Guard([this, id, request = std::move(request), reply](std::vector<Slot> slots) {
           changing_.erase(id);
           const Slot& slot = slots[0];
           const ProbeReply* answer = slot.reply ? std::get_if<ProbeReply>(&*slot.reply) : nullptr;
           if (answer != nullptr && MemberTable::Holds(*answer, *slot.node, request.node)) {
             return reply(MemberTable::Duplicate(request.node,
                                                 slot.node->name + " at " + slot.node->address));
           }
           AdmitNow(request, reply);
         }));
}

// The store has the node already, so what it has is good enough to find it again: the write need
// not be waited for, and a full disk keeps no known node out.
void MembershipService::AdmitNow(const JoinRequest& request, const JoinDone& reply) {
  const NodeId id = request.node.id;
  const Member* before = members_.Find(id);
  const bool moved = before == nullptr || before->stopped ||
                     before->info.address != request.node.address ||
                     before->info.incarnation != request.node.incarnation;
  const bool changed = before == nullptr || before->stopped || before->info != request.node ||
                       before->stored_number < request.next_number;
  const Member& member = Admit(request);
  if (changed) services_.store.PutNode(ToKnown(member), [](Status) {});
  if (moved) Connect(request.node);
  SendJoinReply(id, reply);
}

void MembershipService::SendJoinReply(const NodeId& node, const JoinDone& reply) {
  JoinReply welcome;
  welcome.coordinator = members_.self().id;
  welcome.coordinator_name = members_.self().name;
  welcome.next_number = members_.Find(node)->next_number;
  welcome.pending = pending_.HandOver(node, limits::kIntentsPerReply);
  welcome.clock = {members_.self().boot_id, services_.executor.clock().Boot()};
  welcome.wall = services_.executor.clock().Wall();
  reply(std::move(welcome));
}

void MembershipService::OnHeartbeat(HeartbeatRequest request,
                                    std::function<void(Result<HeartbeatReply>)> reply) {
  HeartbeatReply answer;
  if (members_.RecordHeartbeat(request, services_.executor.clock().Now())) {
    cancels_.TakeAcks(request.node, request.acks);
    answer.settled = handoff_.Take(request.node, std::move(request.handoff));
    if (members_.TakeNumbersToStore(request.node)) {
      services_.store.PutNode(ToKnown(*members_.Find(request.node)), [](Status) {});
    }
    answer.pending = pending_.HandOver(request.node, limits::kIntentsPerReply);
  } else {
    answer.rejoin = true;
  }
  answer.clock = {members_.self().boot_id, services_.executor.clock().Boot()};
  answer.wall = services_.executor.clock().Wall();
  reply(std::move(answer));
}

void MembershipService::OnLeave(LeaveRequest request, std::function<void(Status)> reply) {
  const Member* member = members_.Find(request.node);
  // A goodbye that was delayed or doubled is true already, or says nothing of the present life.
  if (member == nullptr || member->is_self || member->info.incarnation != request.incarnation ||
      (member->left && !left_unsure_.contains(request.node))) {
    return reply(Status{});
  }
  if (!request.for_good) {
    if (!member->stopped) Stopped(*member);
    return reply(Status{});
  }
  if (changing_.contains(request.node)) return reply(Busy(request.node));
  KnownNode known = ToKnown(*member);
  known.left = true;
  known.stopped.reset();
  changing_.insert(request.node);
  services_.store.PutNode(std::move(known),
                          lifetime_.Guard([this, node = request.node, reply](Status stored) {
                            changing_.erase(node);
                            // If the store may have it as left, only a join that is durable may
                            // bring it back: or a restart would leave out a node that has joined.
                            // What is pending for it is dropped only with what the store has.
                            if (stored) {
                              left_unsure_.erase(node);
                              pending_.Drop(node);
                              Left(node);
                            } else if (stored.error().code == ErrorCode::kOutcomeUnknown) {
                              left_unsure_.insert(node);
                              Left(node);
                            }
                            reply(std::move(stored));
                          }));
}

// Who is a member does not change, nor what is pending. That it is stored is a comfort to those who
// ask after a restart of this coordinator, and need not be waited for.
void MembershipService::Stopped(const Member& member) {
  const NodeId id = member.info.id;
  members_.MarkStopped(id, services_.executor.clock().Wall());
  services_.store.PutNode(ToKnown(member), [](Status) {});
  Disconnect(id);
}

void MembershipService::Left(const NodeId& node) {
  members_.MarkLeft(node);
  Disconnect(node);
  const auto waiting = await_left_.extract(node);
  if (waiting.empty()) return;
  for (const WaiterPtr& waiter : waiting.mapped()) {
    services_.executor.Cancel(waiter->timer);
    waiter->done(true);
  }
}

void MembershipService::AwaitLeft(const NodeId& node, MonoTime deadline,
                                  std::function<void(bool)> done) {
  const Member* member = members_.Find(node);
  if (member == nullptr || member->left) {
    return services_.executor.Post([done = std::move(done)] { done(true); });
  }
  const auto waiter = std::make_shared<Waiter>();
  waiter->done = std::move(done);
  waiter->timer = services_.executor.At(deadline, lifetime_.Guard([this, node, waiter] {
    const auto waiting = await_left_.find(node);
    std::erase(waiting->second, waiter);
    if (waiting->second.empty()) await_left_.erase(waiting);
    waiter->done(false);
  }));
  await_left_[node].push_back(waiter);
}

void MembershipService::Forget(const NodeId& node, std::function<void(Result<Forgotten>)> done) {
  auto refuse = [&](ErrorCode code, std::string message) {
    services_.executor.Post([done, error = Error{code, std::move(message)}] { done(error); });
  };
  const Member* member = members_.Find(node);
  if (member == nullptr) {
    return refuse(ErrorCode::kNotFound, "no node [" + node.ToString() + "] is known");
  }
  if (member->is_self) {
    return refuse(ErrorCode::kFailedPrecondition, "this coordinator cannot forget itself");
  }
  if (members_.IsAlive(*member, services_.executor.clock().Now())) {
    return refuse(ErrorCode::kFailedPrecondition, "node " + member->info.name + " [" +
                                                      node.ToString() +
                                                      "] is alive: let it leave, or stop it first");
  }
  if (changing_.contains(node)) {
    Error busy = Busy(node);
    return refuse(busy.code, std::move(busy.message));
  }
  changing_.insert(node);
  services_.store.ForgetNode(node, lifetime_.Guard([this, node, done](const Status& stored) {
    changing_.erase(node);
    if (!stored) return done(stored.error());
    const Member* gone = members_.Find(node);
    Forgotten forgotten{gone->info, pending_.CountFor(node), gone->live_tasks};
    left_unsure_.erase(node);
    members_.Forget(node);
    pending_.Drop(node);
    Disconnect(node);
    done(std::move(forgotten));
  }));
}

}  // namespace quell
