#include "coordinator/membership/drain_service.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "coordinator/fan_out/failures.h"
#include "coordinator/fan_out/fan_out.h"
#include "coordinator/fan_out/waiting.h"
#include "core/limits.h"

namespace quell {
namespace {

constexpr std::string_view kDrainAction = "quell:node/drain";

}  // namespace

struct DrainService::Operation {
  DrainQuery query;
  TaskSinkFactory sinks;
  std::function<void(Result<DrainAnswer>)> done;
  MonoTime deadline;
  DrainAnswer last;  // What the node said.
  bool heard = false;

  bool leaves() const { return query.what == DrainQuery::What::kLeave; }
  void Answer(Result<DrainAnswer> answer) {
    if (auto told = std::exchange(done, nullptr)) told(std::move(answer));
  }
};

const Member* DrainService::Find(const Op& op) const {
  const Member* member = members_.Find(op->query.node);
  return member == nullptr || member->left ? nullptr : member;
}

void DrainService::Drain(DrainQuery query, MonoClock::duration timeout, TaskSinkFactory sinks,
                         std::function<void(Result<DrainAnswer>)> done) {
  const auto op = std::make_shared<Operation>();
  op->query = std::move(query);
  op->sinks = std::move(sinks);
  op->done = std::move(done);
  op->deadline = services_.executor.clock().Now() + timeout;
  const Member* member = Find(op);
  const std::string id = op->query.node.ToString();
  std::optional<Error> wrong;
  if (member == nullptr) wrong = Error{ErrorCode::kNotFound, "no node [" + id + "] is known"};
  if (member != nullptr && member->is_self) {
    wrong = Error{ErrorCode::kFailedPrecondition,
                  "[" + id + "] is this coordinator, which hosts no tasks of programs"};
  }
  if (wrong) {
    return services_.executor.Post([op, wrong = std::move(*wrong)] { op->Answer(wrong); });
  }
  op->last.node = member->info;
  Ask(op);
}

void DrainService::Ask(const Op& op) {
  const Member* member = Find(op);
  if (member == nullptr) {
    op->last.left = true;
    return op->Answer(op->last);
  }
  std::vector<FanOutSlot> slots(1);
  slots[0].slot.node = member->info;
  slots[0].slot.sink = op->sinks(member->info);
  slots[0].standing = members_.StandingOf(*member, services_.executor.clock());
  slots[0].kind = AskKind::kCancel;  // Reads must not keep it out either.
  slots[0].request = DrainRequest{op->query.what == DrainQuery::What::kTakeAgain, op->leaves()};
  const MonoTime by = services_.executor.clock().Now() + limits::kNodeDeadline;
  FanOut(services_.executor, asks_, kDrainAction, std::move(slots), std::min(by, op->deadline),
         lifetime_.Guard([this, op](std::vector<Slot> said) { Take(op, std::move(said[0])); }));
}

void DrainService::Take(const Op& op, Slot slot) {
  if (slot.failure) return Fail(op, *slot.failure);
  const DrainReply& reply = std::get<DrainReply>(*slot.reply);
  op->heard = true;
  op->last.node = std::move(*slot.node);
  op->last.draining = reply.draining;
  op->last.live = reply.live;
  op->last.sink = std::move(slot.sink);
  if (reply.leaving) {
    return membership_.AwaitLeft(op->query.node, op->deadline, lifetime_.Guard([op](bool left) {
      op->last.left = left;
      if (left) return op->Answer(op->last);
      op->Answer(Error{ErrorCode::kOutcomeUnknown,
                       "node " + op->last.node.name +
                           " is about to leave, and has not said goodbye in time: look at "
                           "the nodes (quell node ls) in a moment"});
    }));
  }
  const bool over = reply.live == 0 || !op->query.wait ||
                    services_.executor.clock().Now() + limits::kJoinBackoffMin >= op->deadline;
  if (over) return op->Answer(op->last);
  Await(op);
}

void DrainService::Fail(const Op& op, const NodeFailure& failure) {
  const bool late = failure.code == ErrorCode::kDeadlineExceeded;
  // The time is over: what is known is what it said last.
  if (late && op->heard && !op->leaves()) return op->Answer(op->last);
  if (late && op->leaves() && failure.cause != FailureCause::kNotResponding) {
    return op->Answer(Error{ErrorCode::kOutcomeUnknown,
                            "node " + op->last.node.name +
                                " did not answer: it may leave, or not; look at the nodes "
                                "(quell node ls), and repeat"});
  }
  op->Answer(ErrorOf(failure));
}

// Those that live now; what is being registered, and what they start, the next question finds.
void DrainService::Await(const Op& op) {
  const MonoTime now = services_.executor.clock().Now();
  const Member* member = Find(op);
  if (member == nullptr) return Ask(op);
  std::vector<FanOutSlot> slots(1);
  slots[0].slot.node = member->info;
  slots[0].standing = members_.StandingOf(*member, services_.executor.clock());
  AwaitRequest await;
  await.which = TaskFilter{};
  await.limit = WaitWithin(op->deadline - now);
  slots[0].request = std::move(await);
  GiveUpWith(op->query.context,
             FanOut(services_.executor, asks_, kDrainAction, std::move(slots), op->deadline,
                    lifetime_.Guard([this, op, now](const std::vector<Slot>& over) {
                      if (over[0].failure) return Fail(op, *over[0].failure);
                      // Nothing may have been there to wait for: then not at once again.
                      const MonoTime next =
                          std::max(now + limits::kJoinBackoffMin, services_.executor.clock().Now());
                      services_.executor.At(next, lifetime_.Guard([this, op] { Ask(op); }));
                    })));
}

}  // namespace quell
