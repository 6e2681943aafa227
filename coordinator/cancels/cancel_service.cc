#include "coordinator/cancels/cancel_service.h"

#include <algorithm>
#include <map>
#include <utility>

#include "coordinator/fan_out/failures.h"
#include "coordinator/fan_out/fan_out.h"
#include "coordinator/fan_out/waiting.h"
#include "coordinator/members/selection.h"
#include "core/limits.h"
#include "core/validity.h"

namespace quell {
namespace {

// What the check of one task needs to know of it. Written on the thread that received it, read on
// the executor after the slot was gathered.
class CheckSink final : public TaskSink {
 public:
  explicit CheckSink(const TaskFilter& filter) : filter_(filter) {}

  void OnTasks(std::span<const TaskView> page) override {
    for (const TaskView& view : page) {
      cancellable_ = view.cancellable;
      state_ = view.state;
      Task task;
      task.action = view.action;
      if (view.parent) task.ancestors.push_back(*view.parent);
      matches_ = filter_.Matches(task);
    }
  }

  bool cancellable() const { return cancellable_; }
  TaskState state() const { return state_; }
  bool matches() const { return matches_; }

 private:
  const TaskFilter filter_;
  bool cancellable_ = false;
  TaskState state_ = TaskState::kRunning;
  bool matches_ = false;
};

// Which tasks pass through.
class CountingSink final : public TaskSink {
 public:
  explicit CountingSink(std::shared_ptr<TaskSink> inner) : inner_(std::move(inner)) {}

  void OnTasks(std::span<const TaskView> page) override {
    for (const TaskView& task : page)
      numbers_.push_back(task.id.number);
    if (inner_ != nullptr) inner_->OnTasks(page);
  }

  const std::vector<std::uint64_t>& numbers() const { return numbers_; }
  const std::shared_ptr<TaskSink>& inner() const { return inner_; }

 private:
  const std::shared_ptr<TaskSink> inner_;
  std::vector<std::uint64_t> numbers_;
};

// What a push has gone through; the slot may get another sink.
std::shared_ptr<const CountingSink> Pushed(const Slot& slot) {
  return {slot.sink, &SinkAs<CountingSink>(*slot.sink)};
}

Status Validate(const CancelQuery& query) {
  if (Status fine = CheckReason(query.reason); !fine) return fine;
  if (Status fine = CheckGrace(query.grace); !fine) return fine;
  return Check(query.filter);
}

}  // namespace

struct CancelService::Operation {
  CancelQuery query;
  TaskSinkFactory sinks;
  std::function<void(Result<Gathered>)> done;
  std::shared_ptr<Places::Held> place;
  Intent intent;
  MonoTime start;
  MonoTime deadline;              // Of all but the wait.
  MonoTime wait_end;              // No earlier than the deadline.
  std::vector<FanOutSlot> slots;  // Those with `asked` get the push.
  std::vector<bool> asked;
  std::map<NodeId, Horizon> horizons;
  TimerId timer = TimerId::kNone;  // While the store has not answered.
  PendingIntents::Revision revision = PendingIntents::Revision::kNone;
  std::optional<IntentId> committed;
  std::vector<TaskId> doubtful;
  bool known = false;  // The store had it already.

  std::string task() const { return std::get<TaskIdText>(query.where).ToString(); }
  NodeFailure Ended(const NodeInfo& node, std::optional<TaskState> state) const {
    return query.tell_ended ? TaskEnded(node, task(), state) : TaskNotFound(node, task());
  }
  bool by_id() const { return std::holds_alternative<TaskIdText>(query.where); }
  // For what the push shows.
  std::shared_ptr<TaskSink> PushSink(const NodeInfo& node) const {
    return query.wait || by_id() ? std::make_shared<CountingSink>(sinks(node)) : sinks(node);
  }
};

CancelService::CancelService(const CoordinatorServices& services, NodeAsks& asks,
                             const MemberTable& members, PendingIntents& pending,
                             const RequestTasks& requests, Places& places,
                             std::function<void(const NodeId&, const IntentAck&)> spared)
    : services_(services),
      asks_(asks),
      members_(members),
      pending_(pending),
      requests_(requests),
      places_(places),
      spared_(std::move(spared)) {}

void CancelService::Cancel(CancelQuery query, std::shared_ptr<Places::Held> place,
                           const Principal& who, MonoClock::duration timeout, TaskSinkFactory sinks,
                           std::function<void(Result<Gathered>)> done) {
  auto op = std::make_shared<Operation>();
  op->query = std::move(query);
  op->place = std::move(place);
  op->sinks = std::move(sinks);
  op->done = std::move(done);
  op->start = services_.executor.clock().Now();
  op->wait_end = op->start + timeout;
  // A node that is silent must not take the time in which the others are waited for.
  op->deadline = op->query.wait
                     ? op->start + std::min<MonoClock::duration>(timeout / 2, limits::kNodeDeadline)
                     : op->wait_end;
  if (Status valid = Validate(op->query); !valid) return Answer(op, valid.error());

  op->intent.id = IntentId::Make(services_.random);
  op->intent.requested_at = services_.executor.clock().Wall();
  op->intent.by = who.name();
  op->intent.reason = op->query.reason;
  op->intent.grace =
      op->query.grace > std::chrono::milliseconds(0) ? op->query.grace : limits::kGraceDefault;
  if (const auto* id = std::get_if<TaskIdText>(&op->query.where)) {
    CancelTask(op, *id);
  } else {
    CancelMatching(op, std::get<NodeSelection>(op->query.where));
  }
}

void CancelService::CancelTask(const Op& op, const TaskIdText& id) {
  if (id.unset) return Answer(op, Error{ErrorCode::kInvalidArgument, "the task id is unset"});
  op->slots.resize(1);
  op->asked.assign(1, false);
  FanOutSlot& slot = op->slots.front();
  const Member* member = members_.FindPresent(id.node);
  if (member == nullptr) {
    slot.slot.failure = NoSuchNode(id.node);
    return Push(op, {});
  }
  slot.slot.node = member->info;
  slot.standing = members_.StandingOf(*member, services_.executor.clock());
  slot.kind = AskKind::kCancel;
  std::optional<TaskId> target = id.Resolve();
  if (member->is_self || !target) {
    const bool runs = target && requests_.Find(target->number) != nullptr;
    slot.slot.failure = runs ? NotCancellable(member->info, id.ToString())
                             : TaskNotFound(member->info, id.ToString());
    return Push(op, {});
  }
  op->intent.target = *target;

  // Half of the time for the check: a node that is silent must leave the other half to the commit.
  FanOutSlot check = slot;
  check.slot.sink = std::make_shared<CheckSink>(op->query.filter);
  check.request = GetRequest{target->number};
  std::vector<FanOutSlot> checks;
  checks.push_back(std::move(check));
  FanOut(services_.executor, asks_, kCancelAction, std::move(checks),
         op->start + (op->deadline - op->start) / 2,
         lifetime_.Guard([this, op](std::vector<Slot> slots) { Decide(op, std::move(slots[0])); }));
}

void CancelService::Decide(const Op& op, Slot checked) {
  Slot& slot = op->slots.front().slot;
  if (checked.failure) {
    if (checked.failure->cause == FailureCause::kTaskNotFound) {
      slot.failure = TaskNotFound(*slot.node, op->task());
      return Push(op, {});
    }
    slot.failure = std::move(checked.failure);
    // Whether a filter matches, a silent node does not tell: then nothing may be promised.
    if (op->query.filter != TaskFilter{}) return Push(op, {});
    return Commit(op, {PendingAtTarget(op)});
  }
  const auto& check = SinkAs<CheckSink>(*checked.sink);
  const LifeId checked_life = std::get<GetReply>(*checked.reply).life;
  if (std::get<GetReply>(*checked.reply).ended) {
    slot.failure = op->Ended(*slot.node, check.state());
  } else if (!check.cancellable()) {
    slot.failure = NotCancellable(*slot.node, op->task());
  } else if (!check.matches()) {
    slot.failure = FilterMismatch(*slot.node, op->task());
  } else {
    op->asked.front() = true;
    slot.sink = op->PushSink(*slot.node);
    // It was there a moment ago, in that life, which may not have joined yet.
    PendingAt pending = PendingAtTarget(op);
    const std::uint64_t next = op->intent.task()->number + 1;
    if (checked_life != pending.horizon.life) {
      if (!checked_life.is_null()) pending.horizon = {checked_life, next};
    } else if (!checked_life.is_null()) {
      pending.horizon.next_number = std::max(pending.horizon.next_number, next);
    }
    return Commit(op, {std::move(pending)});
  }
  Push(op, {});
}

// The node may have been forgotten since it was asked.
PendingAt CancelService::PendingAtTarget(const Op& op) const {
  const NodeId& node = op->slots.front().slot.node->id;
  const Member* member = members_.Find(node);
  return member != nullptr ? PendingOf(*member) : PendingAt{node, {}};
}

void CancelService::CancelMatching(const Op& op, const NodeSelection& where) {
  Result<std::vector<Selected>> selected = SelectNodes(where, members_);
  if (!selected) return Answer(op, selected.error());
  std::vector<PendingAt> pending;
  for (const Selected& one : *selected) {
    FanOutSlot& slot = op->slots.emplace_back();
    op->asked.push_back(false);
    if (one.member == nullptr) {
      slot.slot.failure = NoSuchNode(one.token);
      continue;
    }
    slot.slot.node = one.member->info;
    slot.standing = members_.StandingOf(*one.member, services_.executor.clock());
    slot.kind = AskKind::kCancel;
    slot.slot.sink = op->PushSink(one.member->info);
    if (one.member->is_self) {
      slot.slot.reply = ApplyReply{};
    } else {
      op->asked.back() = true;
      pending.push_back(PendingOf(*one.member));
    }
  }
  op->intent.target = op->query.filter;
  if (pending.empty()) return Push(op, {});
  Commit(op, std::move(pending));
}

void CancelService::Commit(const Op& op, std::vector<PendingAt> pending) {
  op->intent.moment = {members_.self().boot_id, services_.executor.clock().Boot()};
  for (const PendingAt& at : pending)
    op->horizons.emplace(at.node, at.horizon);
  op->timer = services_.executor.At(op->deadline, lifetime_.Guard([this, op] {
    op->timer = TimerId::kNone;
    Answer(op, Error{ErrorCode::kOutcomeUnknown,
                     "the store has not confirmed the cancel in time: it may be carried out or "
                     "not; repeat it, a second cancel does no harm"});
  }));
  services_.store.CommitIntent(op->intent, std::move(pending),
                               lifetime_.Guard([this, op](Result<StoredIntent> stored) {
                                 services_.executor.Cancel(op->timer);
                                 if (!stored) return Answer(op, stored.error());
                                 Push(op, std::move(*stored));
                               }));
}

// With nothing stored there is nothing to push: then all slots are settled already.
void CancelService::Push(const Op& op, StoredIntent stored) {
  if (!stored.intent.id.is_null()) {
    op->committed = stored.intent.id;
    op->known = stored.intent.id != op->intent.id;
    op->revision = pending_.Add(stored);
    if (!op->done) return;  // The caller was told that the outcome is unknown; the nodes pull it.
    for (std::size_t i = 0; i < op->slots.size(); ++i) {
      if (!op->asked[i]) continue;
      Intent intent = stored.intent;
      intent.horizon = op->horizons.at(op->slots[i].slot.node->id);
      op->slots[i].request = ApplyRequest{{std::move(intent)}};
    }
  }
  FanOut(services_.executor, asks_, kCancelAction, std::move(op->slots), op->deadline,
         lifetime_.Guard([this, op](std::vector<Slot> slots) { Finish(op, std::move(slots)); }));
}

void CancelService::Finish(const Op& op, std::vector<Slot> slots) {
  for (std::size_t i = 0; i < slots.size(); ++i) {
    Slot& slot = slots[i];
    if (!op->asked[i] || !slot.reply) continue;
    for (IntentAck& ack : std::get<ApplyReply>(*slot.reply).acks) {
      for (const TaskId& task : ack.doubtful) {
        if (op->doubtful.size() < limits::kReceiptsPerAck) op->doubtful.push_back(task);
      }
      TakeAck(slot.node->id, ack, &op->revision);
    }
    if (!op->by_id()) continue;
    const auto counted = Pushed(slot);
    if (!op->query.wait) slot.sink = counted->inner();
    if (counted->numbers().empty() &&
        op->doubtful.empty()) {  // It ended between the check and the push.
      slot.failure = op->Ended(*slot.node, std::nullopt);
      slot.reply.reset();
      slot.sink.reset();
    }
  }
  if (op->query.wait) return Await(op, std::move(slots));
  Conclude(op, std::move(slots));
}

// The tasks that the push hit, on each node by itself; the others keep what they have.
void CancelService::Await(const Op& op, std::vector<Slot> slots) {
  op->place->GiveBack();
  op->place = places_.Take(Places::Sort::kWait);
  if (op->place == nullptr) return DoNotAwait(op, std::move(slots));
  const MonoClock::duration left = op->wait_end - services_.executor.clock().Now();
  std::vector<FanOutSlot> waits(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    waits[i].slot = std::move(slots[i]);
    Slot& slot = waits[i].slot;
    if (!slot.reply) continue;
    const auto pushed = Pushed(slot);
    slot.sink = op->sinks(*slot.node);
    if (pushed->numbers().empty()) continue;
    slot.reply.reset();
    waits[i].request =
        AwaitRequest{pushed->numbers(), true, true, WaitWithin(left), op->query.as_task};
  }
  GiveUpWith(op->query.context,
             FanOut(services_.executor, asks_, kCancelAction, std::move(waits), op->wait_end,
                    lifetime_.Guard([this, op](std::vector<Slot> waited) {
                      Conclude(op, std::move(waited));
                    })));
}

// As if the wait were over at once.
void CancelService::DoNotAwait(const Op& op, std::vector<Slot> slots) {
  for (Slot& slot : slots) {
    if (!slot.reply || slot.sink == nullptr) continue;
    const auto pushed = Pushed(slot);
    slot.sink = pushed->inner();
    const std::size_t hit = pushed->numbers().size();
    if (hit > 0) slot.reply = AwaitReply{hit, hit};
  }
  Conclude(op, std::move(slots));
}

void CancelService::Conclude(const Op& op, std::vector<Slot> slots) {
  Gathered gathered;
  gathered.running = StillRunning(slots);
  gathered.slots = std::move(slots);
  gathered.intent = op->committed;
  gathered.doubtful = std::move(op->doubtful);
  gathered.known = op->known;
  auto done = std::exchange(op->done, nullptr);
  if (op->place != nullptr) op->place->GiveBack();
  done(std::move(gathered));
}

// For answers without a fan-out.
void CancelService::Answer(const Op& op, Result<Gathered> answer) {
  if (!op->done) return;
  op->place->GiveBack();
  auto done = std::exchange(op->done, nullptr);
  services_.executor.Post(
      [done = std::move(done), answer = std::make_shared<Result<Gathered>>(std::move(answer))] {
        done(std::move(*answer));
      });
}

void CancelService::TakeAcks(const NodeId& node, const std::vector<IntentAck>& acks) {
  for (const IntentAck& ack : acks)
    TakeAck(node, ack, nullptr);
}

void CancelService::TakeAck(const NodeId& node, IntentAck ack,
                            const PendingIntents::Revision* sent) {
  const bool was_pending = sent != nullptr ? pending_.Acknowledge(node, ack.intent, *sent)
                                           : pending_.Acknowledge(node, ack.intent);
  if (spared_ && !ack.doubtful.empty()) spared_(node, ack);
  if (!was_pending) return;
  // A node says nothing of tasks that it does not host.
  std::erase_if(ack.receipts, [&](const Receipt& r) { return r.task.node != node; });
  services_.store.Acknowledge(node, ack.intent, ack.receipts);
}

}  // namespace quell
