#include "coordinator/fan_out/fan_out.h"

#include <atomic>
#include <memory>
#include <utility>

#include "coordinator/fan_out/failures.h"
#include "core/limits.h"

namespace quell {
namespace {

// Shared by the executor and the threads that bring answers. Whoever takes a slot alone writes to
// it; the last one to be done with his hands all of them to the executor.
class Gather : public std::enable_shared_from_this<Gather> {
 public:
  Gather(Executor& executor, NodeAsks& nodes, std::string_view action, MonoTime start,
         MonoTime deadline, std::vector<FanOutSlot>& slots,
         std::function<void(std::vector<Slot>)> done)
      : executor_(executor),
        nodes_(nodes),
        action_(action),
        allowed_(std::chrono::ceil<std::chrono::milliseconds>(deadline - start)),
        done_(std::move(done)),
        slots_(slots.size()),
        standings_(slots.size()),
        asked_(slots.size()),
        open_asks_(slots.size()),
        taken_(std::make_unique<std::atomic<bool>[]>(slots.size())) {
    std::size_t open = 0;
    for (std::size_t i = 0; i < slots.size(); ++i) {
      slots_[i] = std::move(slots[i].slot);
      standings_[i] = slots[i].standing;
      const bool asked = slots[i].request.has_value();
      taken_[i].store(!asked, std::memory_order_relaxed);
      if (asked) ++open;
    }
    open_.store(open, std::memory_order_relaxed);
  }

  // On the executor, before anybody is asked.
  void Arm(MonoTime deadline) {
    if (open_.load(std::memory_order_relaxed) == 0) {
      executor_.Post([self = shared_from_this()] { self->Finish(); });
      return;
    }
    timer_ = executor_.At(deadline, [self = shared_from_this()] { self->Expire(); });
  }

  // On the executor: a place for the question. Null: the slot has failed without one.
  std::shared_ptr<NodeAsks::Open> Begin(std::size_t slot, AskKind kind) {
    const NodeInfo& node = *slots_[slot].node;  // Nobody else's until it is asked.
    const Standing& standing = standings_[slot];
    if (standing.presence == Presence::kStopped) {
      Answer(slot, Error{ErrorCode::kUnavailable,
                         "is away: its daemon was stopped, and has not been started again"});
      return nullptr;
    }
    const MonoTime now = executor_.clock().Now();
    MonoTime since = now;
    open_asks_[slot] =
        nodes_.Begin(node.id, kind, now, standing.presence == Presence::kSilent, &since);
    if (open_asks_[slot] == nullptr) {
      FailUnasked(slot, standing.since.value_or(WallAt(since)));
    } else if (open_asks_[slot]->surplus() && look_ == TimerId::kNone) {
      LookLater();
    }
    return open_asks_[slot];
  }

  // On the executor.
  void Ask(std::size_t slot, NodeRequest request, MonoTime deadline,
           std::shared_ptr<ReplySink> sink) {
    const NodeId node = slots_[slot].node->id;  // Nobody else's until it is asked.
    asked_[slot] = sink;
    nodes_.client().Ask(node, std::move(request), deadline, std::move(sink));
  }

  // On the executor, or not at all.
  void GiveUp() {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (!IsOpen(i)) continue;
      const NodeId node = slots_[i].node->id;  // Before Answer(), which may end it all.
      Answer(i, Error{ErrorCode::kCancelled, "nobody waits for the answer any more"});
      if (const auto sink = asked_[i].lock()) nodes_.client().Withdraw(node, *sink);
    }
  }

  bool IsOpen(std::size_t slot) const { return !taken_[slot].load(std::memory_order_acquire); }
  const Slot& slot(std::size_t slot) const { return slots_[slot]; }

  // Thread-safe.
  void Answer(std::size_t slot, Result<NodeReply> reply, std::vector<TaskFailure> unreadable = {}) {
    if (!TakeSlot(slot)) return;
    Slot& mine = slots_[slot];
    if (reply) {
      mine.reply = std::move(*reply);
      mine.task_failures = std::move(unreadable);
    } else {
      mine.failure =
          FailureOf(*mine.node, standings_[slot], action_, ErrorFor(slot, reply.error()));
      mine.sink.reset();
    }
    CloseSlot();
  }

 private:
  // False: somebody else has it.
  bool TakeSlot(std::size_t slot) {
    return !taken_[slot].exchange(true, std::memory_order_acq_rel);
  }
  void CloseSlot() {
    if (open_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    executor_.Post([self = shared_from_this()] { self->Finish(); });
  }

  void FailUnasked(std::size_t slot, WallTime since) {
    if (!TakeSlot(slot)) return;
    Slot& mine = slots_[slot];
    mine.failure = NotResponding(*mine.node, action_, since);
    mine.sink.reset();
    CloseSlot();
  }

  WallTime WallAt(MonoTime when) const {
    const Clock& clock = executor_.clock();
    return clock.Wall() - std::chrono::duration_cast<WallClock::duration>(clock.Now() - when);
  }

  // A node may turn out not to respond when it has been asked by too many already.
  void LookLater() {
    look_ = executor_.After(limits::kUnansweredAfter, [self = shared_from_this()] {
      self->look_ = TimerId::kNone;
      self->CheckUnanswered();
    });
  }
  void CheckUnanswered() {
    const MonoTime now = executor_.clock().Now();
    bool again = false;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (open_asks_[i] == nullptr || !open_asks_[i]->surplus() || !IsOpen(i)) continue;
      const std::optional<MonoTime> since = open_asks_[i]->HopelessSince(now);
      if (!since) {
        again = true;
        continue;
      }
      const NodeId node = slots_[i].node->id;
      FailUnasked(i, WallAt(*since));
      open_asks_[i]->Close(std::nullopt);
      if (const auto sink = asked_[i].lock()) nodes_.client().Withdraw(node, *sink);
    }
    if (again) LookLater();
  }

  void Expire() {
    timer_ = TimerId::kNone;
    const MonoTime now = executor_.clock().Now();
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (!IsOpen(i)) continue;
      if (open_asks_[i] != nullptr) open_asks_[i]->Close(now);
      Answer(i, Error{ErrorCode::kDeadlineExceeded, {}});
    }
  }

  // Whoever's clock was first, ours or the transport's: a deadline is told in one way.
  Error ErrorFor(std::size_t slot, const Error& error) const {
    if (error.code != ErrorCode::kDeadlineExceeded) return error;
    return {error.code, "request_id [" + std::to_string(slot + 1) + "] timed out after [" +
                            std::to_string(allowed_.count()) + "ms]"};
  }

  void Finish() {
    executor_.Cancel(timer_);
    executor_.Cancel(look_);
    for (const auto& open : open_asks_) {
      if (open != nullptr) open->Close(std::nullopt);
    }
    auto done = std::move(done_);
    done(std::move(slots_));
  }

  Executor& executor_;
  NodeAsks& nodes_;
  const std::string_view action_;
  const std::chrono::milliseconds allowed_;
  std::function<void(std::vector<Slot>)> done_;
  std::vector<Slot> slots_;
  std::vector<Standing> standings_;
  std::vector<std::weak_ptr<ReplySink>> asked_;             // On the executor only.
  std::vector<std::shared_ptr<NodeAsks::Open>> open_asks_;  // As above.
  std::unique_ptr<std::atomic<bool>[]> taken_;
  std::atomic<std::size_t> open_{0};
  TimerId timer_ = TimerId::kNone;  // On the executor only.
  TimerId look_ = TimerId::kNone;   // As above.
};

// How many tasks the answer brought, if it says so.
std::optional<std::uint64_t> CountOf(const NodeReply& reply) {
  if (const auto* list = std::get_if<ListReply>(&reply)) return list->count;
  if (const auto* await = std::get_if<AwaitReply>(&reply)) return await->count;
  return std::nullopt;
}

// What one node's answer passes through, on the thread that received it.
class SlotSink final : public ReplySink {
 public:
  // `after`: only tasks with higher numbers were asked for.
  SlotSink(std::shared_ptr<Gather> gather, std::size_t slot, NodeId node, std::size_t kind,
           std::uint64_t after, std::shared_ptr<TaskSink> sink,
           std::shared_ptr<NodeAsks::Open> open, const Clock& clock)
      : gather_(std::move(gather)),
        slot_(slot),
        node_(node),
        kind_(kind),
        after_(after),
        sink_(std::move(sink)),
        open_(std::move(open)),
        clock_(clock) {}

  void OnTasks(std::span<const TaskView> page) override {
    open_->Spoke(clock_.Now());
    if (!gather_->IsOpen(slot_)) return;
    for (const TaskView& task : page) {
      if (task.id.node != node_) foreign_ = true;
      // A list that does not go on would never end.
      if (task.id.number <= after_ && !IsTerminal(task.state)) stuck_ = true;
    }
    tasks_ += page.size();
    readable_ += page.size();
    // A slot that expires meanwhile loses its sink: what is written here is never read.
    if (!foreign_ && !stuck_ && sink_ != nullptr) sink_->OnTasks(page);
  }

  void OnUnreadable(std::span<const TaskFailure> tasks) override {
    for (const TaskFailure& task : tasks) {
      ++tasks_;
      if (unreadable_.size() < limits::kTaskFailuresMax) unreadable_.push_back(task);
    }
  }

  void OnDone(Result<NodeReply> reply) override {
    if (IsFromNode(reply)) open_->Spoke(clock_.Now());
    open_->Close(std::nullopt);
    if (reply) {
      const std::optional<std::uint64_t> count = CountOf(*reply);
      std::string_view wrong;
      if (reply->index() != kind_) {
        wrong = "it answered another question than the one asked";
      } else if (foreign_) {
        wrong = "it reported tasks of another node";
      } else if (stuck_ || SaysMoreOfNothing(*reply)) {
        wrong = "its list does not go on after the task it was asked to go on after";
      } else if (!unreadable_.empty() && NeedsOne(*reply)) {
        wrong = unreadable_.front().reason;
      } else if ((count && *count != tasks_) ||
                 (std::holds_alternative<GetReply>(*reply) && tasks_ != 1)) {
        wrong = "its answer is incomplete";
      }
      if (!wrong.empty()) reply = Error{ErrorCode::kInternal, std::string(wrong)};
    }
    if (const std::uint64_t named = readable_ + unreadable_.size(); named < tasks_) {
      unreadable_.push_back(
          {node_, 0, "and " + std::to_string(tasks_ - named) + " more that cannot be read"});
    }
    gather_->Answer(slot_, std::move(reply), std::move(unreadable_));
  }

 private:
  // Else the transport may have given up by itself.
  static bool IsFromNode(const Result<NodeReply>& reply) {
    if (reply) return true;
    const ErrorCode code = reply.error().code;
    return code != ErrorCode::kUnavailable && code != ErrorCode::kDeadlineExceeded &&
           code != ErrorCode::kCancelled;
  }
  bool SaysMoreOfNothing(const NodeReply& reply) const {
    const auto* list = std::get_if<ListReply>(&reply);
    return list != nullptr && list->more && tasks_ == 0;
  }
  // Without any task that can be read this is no answer: to the question for one, or for a part of
  // a list, of which nobody would know where the next one begins.
  bool NeedsOne(const NodeReply& reply) const {
    const auto* list = std::get_if<ListReply>(&reply);
    return readable_ == 0 &&
           (std::holds_alternative<GetReply>(reply) || (list != nullptr && list->more));
  }

  const std::shared_ptr<Gather> gather_;
  const std::size_t slot_;
  const NodeId node_;
  const std::size_t kind_;  // The index of request and reply in their variants: they go in pairs.
  const std::uint64_t after_;
  const std::shared_ptr<TaskSink> sink_;
  const std::shared_ptr<NodeAsks::Open> open_;
  const Clock& clock_;
  std::uint64_t tasks_ = 0;     // All of them.
  std::uint64_t readable_ = 0;  // Of these.
  std::vector<TaskFailure> unreadable_;
  bool foreign_ = false;
  bool stuck_ = false;
};

}  // namespace

std::function<void()> FanOut(Executor& executor, NodeAsks& nodes, std::string_view action,
                             std::vector<FanOutSlot> slots, MonoTime deadline,
                             std::function<void(std::vector<Slot>)> done) {
  static_assert(std::variant_size_v<NodeRequest> == std::variant_size_v<NodeReply>);
  auto gather = std::make_shared<Gather>(executor, nodes, action, executor.clock().Now(), deadline,
                                         slots, std::move(done));
  gather->Arm(deadline);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!slots[i].request) continue;
    const bool wait = std::holds_alternative<AwaitRequest>(*slots[i].request);
    auto open = gather->Begin(i, wait ? AskKind::kWait : slots[i].kind);
    if (open == nullptr) continue;
    const Slot& slot = gather->slot(i);
    const auto* list = std::get_if<ListRequest>(&*slots[i].request);
    auto sink = std::make_shared<SlotSink>(gather, i, slot.node->id, slots[i].request->index(),
                                           list != nullptr ? list->after : 0, slot.sink,
                                           std::move(open), executor.clock());
    gather->Ask(i, std::move(*slots[i].request), deadline, std::move(sink));
  }
  return [weak = std::weak_ptr(gather)] {
    if (const auto open = weak.lock()) open->GiveUp();
  };
}

}  // namespace quell
