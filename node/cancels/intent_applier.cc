#include "node/cancels/intent_applier.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/limits.h"

namespace quell {

// One intent on its way. Works in turns: look for the tasks it hits, mark what is below them,
// journal, tell the programs.
struct IntentApplier::Job {
  enum class Phase { kScan, kCascade };

  Intent intent;
  Arrival arrival;
  bool here = false;  // As IntentOrder::WasHere().
  bool marks = true;  // False: it is known, and only looks.
  bool cascades = true;
  Phase phase = Phase::kScan;
  std::uint64_t cursor = 0;  // The last task that was looked at.
  std::size_t root = 0;      // Below which the cascade is.
  std::size_t looks = 0;     // Left in this turn.
  std::size_t changes = 0;   // As above.
  std::vector<std::uint64_t> hits;
  std::vector<std::uint64_t> written;  // Whose tombstones are in `record`.
  std::vector<std::uint64_t> changed;  // Whose programs are to be told.
  // Marked before, and the journal did not have it when this job found it: in `record` too, and
  // its program is to be told unless that has been done meanwhile.
  std::set<std::uint64_t> held;
  std::vector<TaskId> doubtful;
  AppliedIntent record;
  Done done;
  std::vector<std::function<void(const Status&)>> waiters;

  bool TurnIsOver() const { return looks == 0 || changes == 0; }
};

IntentApplier::IntentApplier(const NodeContext& context, Journal& journal, Registry& registry,
                             const TaskIdAllocator& numbers, Tombstones& tombstones,
                             const IntentOrder& order, TaskLifecycle& lifecycle, Spared spared,
                             const JournalState& recovered)
    : TaskObserver(lifecycle.events()),
      context_(context),
      journal_(journal),
      registry_(registry),
      numbers_(numbers),
      tombstones_(tombstones),
      order_(order),
      lifecycle_(lifecycle),
      spared_(std::move(spared)),
      filters_(recovered.filters.begin(), recovered.filters.end()) {
  for (const IntentId& id : recovered.applied)
    known_[id].durable = true;
  for (const Tombstone& tombstone : recovered.tombstones)
    known_[tombstone.mark.intent].marked.insert(tombstone.number);
  for (const IntentId& id : recovered.applied)
    LetGo(id, known_[id]);
}

IntentApplier::~IntentApplier() = default;

void IntentApplier::OnTaskEnded(const LiveTask& live) {
  tombstones_.SetEnded(live.task.id.number);
}

void IntentApplier::Apply(Intent intent, Way way, Done done) {
  const auto known = known_.find(intent.id);
  if (known != known_.end() && known->second.job) {
    known->second.job->waiters.push_back(
        [this, intent = std::move(intent), way, done = std::move(done)](const Status& status) {
          if (!status) return done(status.error());
          Apply(intent, way, done);
        });
    return;
  }
  const bool settled = known != known_.end() && known->second.durable && !IsStronger(intent);
  if (settled && way == Way::kHandedOver) return done(Applied{AckOf(intent.id), {}});
  const auto job = std::make_shared<Job>();
  const AppliedFilter* filter = FindFilter(intent.id);
  job->arrival = filter != nullptr ? filter->arrival : order_.ArrivalOf(intent);
  job->here = order_.WasHere(intent, way);
  job->marks = !settled;
  if (job->marks && order_.MustWait(intent, job->arrival, job->here)) {
    return done(Error{ErrorCode::kUnavailable,
                      "the node has just started and has not compared its clock with the "
                      "coordinator's yet: it takes the cancel as soon as it has joined"});
  }
  job->intent = std::move(intent);
  job->done = std::move(done);
  Begin(job);
}

void IntentApplier::ApplyOwn(Intent intent, bool handoff, Done done) {
  const auto job = std::make_shared<Job>();
  job->record.handoff = handoff;
  job->arrival = order_.ArrivalOf(intent);
  job->intent = std::move(intent);
  job->done = std::move(done);
  Begin(job);
}

void IntentApplier::Begin(const std::shared_ptr<Job>& job) {
  job->record.intent = job->intent;
  job->record.arrival = job->arrival;
  job->cascades = job->intent.cascade;
  if (job->marks) {
    known_[job->intent.id].job = job;
    BeginMarking(*job);
  }
  Continue(job);
}

// What has been applied is kept in the tombstones themselves: cascade and grace only grow. A live
// target without one that lasts was spared: asked for again, it may be hit.
bool IntentApplier::IsStronger(const Intent& intent) const {
  const TaskId* target = intent.task();
  if (target == nullptr) return false;
  const std::uint64_t own = context_.OwnNumber(*target);
  const Tombstone* tombstone = tombstones_.Find(own);
  if (tombstone == nullptr || !tombstones_.IsDurable(own)) {
    return registry_.Find(own) != nullptr;
  }
  return ((intent.cascade && !tombstone->cascade) || intent.grace < tombstone->mark.grace);
}

void IntentApplier::ContinueSoon(const std::shared_ptr<Job>& job) {
  context_.executor.Post(context_.lifetime.Guard([this, job] { Continue(job); }));
}

void IntentApplier::Continue(const std::shared_ptr<Job>& job) {
  const TaskFilter* filter = job->intent.filter();
  job->looks = filter != nullptr ? filter->LooksPerTurn() : limits::kLooksPerTurn;
  job->changes = limits::kChangesPerTurn;
  if (job->phase == Job::Phase::kScan) {
    if (!Scan(*job)) return ContinueSoon(job);
    job->phase = Job::Phase::kCascade;
    job->cursor = 0;
  }
  if (!job->marks) return End(job, {});
  if (!Cascade(*job)) return ContinueSoon(job);
  Record(job);
}

// Before the first look: whatever registers from now on is checked against it.
void IntentApplier::BeginMarking(const Job& job) {
  if (job.intent.filter() == nullptr || FindFilter(job.intent.id) != nullptr) return;
  filters_.push_back({job.intent, job.arrival});
  if (filters_.size() > limits::kFiltersKept) filters_.pop_front();
}

// Finds what the intent hits itself. False: the turn is over before the end.
bool IntentApplier::Scan(Job& job) {
  if (const TaskId* target = job.intent.task()) {
    ScanTarget(job, *target);
    return true;
  }
  const auto look = [&](LiveTask& live) { return Visit(job, live); };
  const std::optional<TaskId>& parent = job.intent.filter()->parent;
  return parent ? registry_.ScanBelow(*parent, job.cursor, look) : registry_.Scan(job.cursor, look);
}

void IntentApplier::ScanTarget(Job& job, const TaskId& target) {
  const std::uint64_t number = context_.OwnNumber(target);
  if (number == 0) return;
  // A number that was never given out: whoever gets it one day begins after the intent.
  if (number >= numbers_.next()) {
    job.cascades = false;
    return;
  }
  if (LiveTask* live = registry_.Find(number)) {
    // What is marked already was hit by an intent that was sure of it.
    const Order order = live->task.cancel
                            ? Order::kBefore
                            : order_.OfTarget(*live, job.intent, job.arrival, job.here);
    if (order == Order::kDoubtful && live->task.cancellable) job.doubtful.push_back(target);
    if (order == Order::kBefore && Hit(job, *live)) {
      job.hits.push_back(number);
    } else {
      job.cascades = false;  // It was spared, or cannot be cancelled.
    }
  } else if (job.marks && order_.MayMeanAnother(number, job.intent)) {
    job.doubtful.push_back(target);
    job.cascades = false;
  } else if (job.marks) {
    Mark(job, number, nullptr, false);
  } else if (const EndedTask* ended = registry_.FindEnded(number)) {
    const std::optional<CancelMark>& mark = ended->task.cancel;
    if (mark && mark->intent == job.intent.id) job.hits.push_back(number);
  }
}

// Returns whether there is time for another.
bool IntentApplier::Visit(Job& job, LiveTask& live) {
  job.cursor = live.task.id.number;
  --job.looks;
  if (job.intent.filter()->Matches(live.task)) {
    switch (order_.Of(live, job.intent, job.arrival, job.here)) {
      case Order::kBefore:
        // A cascade may have marked what no filter can hit.
        if (live.task.cancellable && Hit(job, live)) job.hits.push_back(live.task.id.number);
        break;
      case Order::kDoubtful:
        if (live.task.cancellable && !live.task.cancel) job.doubtful.push_back(live.task.id);
        break;
      case Order::kAfter:
        break;
    }
  }
  return !job.TurnIsOver();
}

bool IntentApplier::Hit(Job& job, LiveTask& live) {
  if (!live.task.cancel && !live.task.cancellable) return false;
  if (job.marks) Mark(job, live.task.id.number, &live, false);
  return live.task.cancel.has_value();
}

// Everything below what was hit. False: the turn is over before the end.
bool IntentApplier::Cascade(Job& job) {
  if (!job.cascades) return true;
  const auto mark = [&](LiveTask& live) {
    job.cursor = live.task.id.number;
    --job.looks;
    Mark(job, live.task.id.number, &live, true);
    return !job.TurnIsOver();
  };
  if (const TaskId* target = job.intent.task()) {
    return registry_.ScanBelow(*target, job.cursor, mark);
  }
  while (job.root < job.hits.size()) {
    if (job.TurnIsOver()) return false;
    if (!registry_.ScanBelow(context_.IdOf(job.hits[job.root]), job.cursor, mark)) return false;
    --job.looks;
    job.cursor = 0;
    ++job.root;
  }
  return true;
}

void IntentApplier::Mark(Job& job, std::uint64_t number, LiveTask* live, bool inherited) {
  const Intent& intent = job.intent;
  Tombstone tombstone;
  tombstone.number = number;
  tombstone.mark = {intent.id, context_.wall(), intent.by, intent.reason, intent.grace, inherited};
  tombstone.cascade = inherited || intent.cascade;
  const Tombstones::Change change = tombstones_.Add(tombstone, live != nullptr);
  // Another intent's mark that the journal does not have may be lost: whatever is acknowledged
  // writes the tombstones of all that it hits.
  const bool lacking = change.kept.mark.intent != intent.id && !tombstones_.IsDurable(number) &&
                       job.held.insert(number).second;
  if (!change.fresh && !change.cascade && !change.grace && !lacking) return;
  --job.changes;
  if (live != nullptr) {
    if (change.fresh) lifecycle_.Mark(*live, change.kept);
    live->task.cancel->grace = change.kept.mark.grace;
    const bool is_held = !live->may_tell && job.held.contains(number);
    if (change.fresh || (change.grace && !is_held)) job.changed.push_back(number);
  }
  Write(job, change.kept);
}

void IntentApplier::Write(Job& job, const Tombstone& tombstone) {
  job.written.push_back(tombstone.number);
  job.record.tombstones.push_back(tombstone);
  if (tombstone.mark.intent == job.intent.id) {
    job.record.receipts.push_back(lifecycle_.ReceiptOf(tombstone));
  }
}

void IntentApplier::Record(const std::shared_ptr<Job>& job) {
  for (const std::uint64_t number : std::exchange(known_[job->intent.id].unwritten, {})) {
    const Tombstone* tombstone = tombstones_.Find(number);
    if (tombstone == nullptr) continue;  // Forgotten meanwhile.
    if (!job->held.insert(number).second) continue;
    Write(*job, *tombstone);
  }
  // Now: once it is durable a crash could come first, and nobody would look at them again.
  NameSpared(*job);
  journal_.RecordApplied(
      std::move(job->record),
      context_.lifetime.Guard([this, job](const Status& status) { OnRecorded(job, status); }));
}

void IntentApplier::OnRecorded(const std::shared_ptr<Job>& job, const Status& status) {
  if (status) {
    SetDurable(job->intent.id, job->written);
  } else {
    Known& known = known_[job->intent.id];
    known.durable = false;
    known.unwritten.insert(known.unwritten.end(), job->written.begin(), job->written.end());
  }
  for (const std::uint64_t number : job->held) {
    const LiveTask* live = registry_.Find(number);
    if (live != nullptr && live->task.cancel && !live->may_tell) job->changed.push_back(number);
  }
  job->cursor = 0;
  Release(job, status);
}

void IntentApplier::Release(const std::shared_ptr<Job>& job, const Status& status) {
  const std::size_t end =
      std::min<std::size_t>(job->changed.size(), job->cursor + limits::kChangesPerTurn);
  for (; job->cursor < end; ++job->cursor)
    ReleaseOne(job->changed[job->cursor], job->intent, status.has_value());
  if (end == job->changed.size()) return End(job, status);
  context_.executor.Post(context_.lifetime.Guard([this, job, status] { Release(job, status); }));
}

// The store has the intent, so programs are told even if the journal could not take it: after a
// crash the intent comes again and finds the same tasks. Only what is below the hit of a filter
// would not be found again, if the hit has ended by then: it waits until the journal has an
// ancestor's tombstone.
void IntentApplier::ReleaseOne(std::uint64_t number, const Intent& intent, bool durable) {
  LiveTask* live = registry_.Find(number);
  if (live == nullptr) return;
  const auto is_found_again = [this](const TaskId& ancestor) {
    const std::uint64_t own = context_.OwnNumber(ancestor);
    return tombstones_.IsDurable(own) && tombstones_.Find(own)->cascade;
  };
  const std::vector<TaskId>& chain = live->task.ancestors;
  if (durable || intent.task() != nullptr || !live->task.cancel->inherited ||
      std::any_of(chain.begin(), chain.end(), is_found_again)) {
    lifecycle_.Release(*live);
  }
}

void IntentApplier::End(const std::shared_ptr<Job>& job, const Status& status) {
  const auto known = known_.find(job->intent.id);
  if (known != known_.end() && known->second.job == job) known->second.job.reset();
  const auto waiters = std::exchange(job->waiters, {});
  if (status) {
    Applied applied{AckOf(job->intent.id), std::move(job->hits)};
    applied.ack.doubtful = std::move(job->doubtful);
    job->done(std::move(applied));
  } else {
    job->done(status.error());
  }
  for (const auto& waiter : waiters)
    waiter(status);
}

void IntentApplier::NameSpared(const Job& job) const {
  if (!job.doubtful.empty()) spared_(job.intent, job.doubtful);
}

IntentAck IntentApplier::AckOf(const IntentId& id) const {
  IntentAck ack;
  ack.intent = id;
  const auto known = known_.find(id);
  if (known == known_.end()) return ack;
  ack.receipts.reserve(std::min(known->second.marked.size(), limits::kReceiptsPerAck));
  for (const std::uint64_t number : known->second.marked) {
    if (ack.receipts.size() == limits::kReceiptsPerAck) break;
    ack.receipts.push_back(lifecycle_.ReceiptOf(*tombstones_.Find(number)));
  }
  return ack;
}

void IntentApplier::SetDurable(const IntentId& id, const std::vector<std::uint64_t>& written) {
  Known& known = known_[id];
  known.durable = true;
  for (const std::uint64_t number : written) {
    const Tombstone* tombstone = tombstones_.Find(number);
    if (tombstone == nullptr) continue;  // Forgotten meanwhile.
    tombstones_.SetDurable(number);
    if (tombstone->mark.intent == id) known.marked.insert(number);
  }
  LetGo(id, known);
  ForgetTombstones();
}

// It is kept as long as its tombstones, and then until too many are known. To apply it once more
// would do no harm: what it has hit has ended, and it hits nothing that began later.
void IntentApplier::LetGo(const IntentId& id, Known& known) {
  if (!known.durable || !known.marked.empty() || known.may_go) return;
  known.may_go = true;
  known_order_.push_back(id);
  if (known_order_.size() <= limits::kAppliedKept) return;
  const auto oldest = known_.find(known_order_.front());
  known_order_.pop_front();
  oldest->second.may_go = false;
  if (oldest->second.marked.empty() && !oldest->second.job) known_.erase(oldest);
}

// The tasks that ended first.
void IntentApplier::ForgetTombstones() {
  if (forgetting_) return;
  std::vector<std::uint64_t> numbers;
  while (numbers.size() < limits::kChangesPerTurn) {
    const std::optional<Tombstone> gone = tombstones_.ForgetFirst();
    if (!gone) break;
    numbers.push_back(gone->number);
    lifecycle_.ForgetReceipt(gone->number);
    const auto known = known_.find(gone->mark.intent);
    if (known == known_.end()) continue;
    Known& intent = known->second;
    intent.marked.erase(gone->number);
    const bool idle = intent.marked.empty() && intent.unwritten.empty() && !intent.job;
    if (idle && !intent.durable) {
      known_.erase(known);
    } else {
      LetGo(known->first, intent);
    }
  }
  if (numbers.empty()) return;
  forgetting_ = true;
  journal_.ForgetTombstones(std::move(numbers));
  context_.executor.Post(context_.lifetime.Guard([this] {
    forgetting_ = false;
    ForgetTombstones();
  }));
}

// ---- Registrations.

std::size_t IntentApplier::CostOfRegistering(bool earlier) const {
  return 1 + (earlier ? filters_.size() / 20 : 0);
}

void IntentApplier::OnRegistered(LiveTask& live, bool earlier, Births& births) {
  if (const Tombstone* own = tombstones_.Find(live.task.id.number)) {
    tombstones_.SetLives(own->number);
    lifecycle_.Mark(live, *own);
    live.may_tell = true;
    return;
  }
  for (const TaskId& ancestor : live.task.ancestors) {
    const Tombstone* tombstone = tombstones_.Find(context_.OwnNumber(ancestor));
    if (tombstone == nullptr || !tombstone->cascade) continue;
    Tombstone born{live.task.id.number, tombstone->mark, true};
    born.mark.inherited = true;
    return MarkBorn(live, std::move(born), IntentOf(*tombstone), births);
  }
  if (!earlier || filters_.empty() || CatchByFilter(live, births)) return;
  live.unchecked = true;
  unchecked_.push_back(live.task.id.number);
  if (unchecked_.size() > 2 * registry_.size() + limits::kChangesPerTurn) {
    std::erase_if(unchecked_, [this](std::uint64_t n) { return !registry_.Find(n); });
  }
}

// Did it begin before an intent that has been applied already? Its program was away then.
bool IntentApplier::CatchByFilter(LiveTask& live, Births& births) {
  if (!live.task.cancellable) return true;
  std::vector<const Intent*> doubtful;
  for (const AppliedFilter& filter : filters_) {
    if (!filter.intent.filter()->Matches(live.task)) continue;
    const Order order = order_.Of(live, filter.intent, filter.arrival, false);
    if (order == Order::kBefore) {
      HitBorn(live, filter.intent, births);
      return true;
    }
    if (order == Order::kDoubtful) doubtful.push_back(&filter.intent);
  }
  if (std::any_of(doubtful.begin(), doubtful.end(),
                  [this](const Intent* intent) { return order_.MayTellSoon(*intent); })) {
    return false;
  }
  for (const Intent* intent : doubtful)
    spared_(*intent, {live.task.id});
  return true;
}

void IntentApplier::HitBorn(LiveTask& live, const Intent& intent, Births& births) {
  Tombstone tombstone;
  tombstone.number = live.task.id.number;
  tombstone.mark = {intent.id, {}, intent.by, intent.reason, intent.grace, false};
  tombstone.cascade = intent.cascade;
  MarkBorn(live, tombstone, intent, births);
  if (!intent.cascade) return;
  tombstone.mark.inherited = true;
  registry_.ScanBelow(live.task.id, 0, [&](LiveTask& below) {
    tombstone.number = below.task.id.number;
    if (!below.task.cancel) MarkBorn(below, tombstone, intent, births);
    return true;
  });
}

void IntentApplier::MarkBorn(LiveTask& live, Tombstone tombstone, const Intent& intent,
                             Births& births) {
  tombstone.mark.at = context_.wall();
  lifecycle_.Mark(live, tombstone);
  tombstones_.Add(tombstone, true);
  AppliedIntent& record = births[intent.id];
  record.intent = intent;
  record.receipts.push_back(*live.receipt);
  record.tombstones.push_back(std::move(tombstone));
}

void IntentApplier::RecordBirths(Births births, std::function<void()> done) {
  if (births.empty()) return done();
  const auto left = std::make_shared<std::size_t>(births.size());
  for (auto& [id, record] : births) {
    RecordBirth(id, std::move(record), [left, done] {
      if (--*left == 0) done();
    });
  }
}

// Never before the intent itself is journaled: a journal that knows the intent and not its target
// would acknowledge what it does not enforce.
void IntentApplier::RecordBirth(const IntentId& id, AppliedIntent record,
                                std::function<void()> done) {
  Known& known = known_[id];
  if (known.job) {
    known.job->waiters.push_back([this, id, record = std::move(record), done = std::move(done)](
                                     const Status&) { RecordBirth(id, record, done); });
    return;
  }
  std::vector<std::uint64_t> numbers;
  for (const Tombstone& tombstone : record.tombstones)
    numbers.push_back(tombstone.number);
  if (!known.durable) {
    known.unwritten.insert(known.unwritten.end(), numbers.begin(), numbers.end());
    for (const std::uint64_t number : numbers)
      ReleaseOne(number, record.intent, false);
    return done();
  }
  auto recorded = [this, id, intent = record.intent, numbers = std::move(numbers),
                   done = std::move(done)](const Status& status) {
    // A failure costs nothing but the mark's time: what made it will make it again.
    if (status) SetDurable(id, numbers);
    for (const std::uint64_t number : numbers)
      ReleaseOne(number, intent, true);
    done();
  };
  journal_.RecordApplied(std::move(record), context_.lifetime.Guard(std::move(recorded)));
}

void IntentApplier::OnClockReady() {
  Births births;
  std::size_t left = limits::kChangesPerTurn;
  while (!unchecked_.empty() && left > 0) {
    LiveTask* live = registry_.Find(unchecked_.front());
    unchecked_.pop_front();
    left -= std::min(left, CostOfRegistering(true));
    if (live == nullptr) continue;
    live->unchecked = false;
    if (!live->task.cancel) CatchByFilter(*live, births);
  }
  RecordBirths(std::move(births), [] {});
  if (unchecked_.empty()) return;
  context_.executor.Post(context_.lifetime.Guard([this] { OnClockReady(); }));
}

// After a restart only the tombstone is left of an intent on a task.
Intent IntentApplier::IntentOf(const Tombstone& tombstone) const {
  if (const AppliedFilter* filter = FindFilter(tombstone.mark.intent)) return filter->intent;
  Intent intent;
  intent.id = tombstone.mark.intent;
  intent.target = context_.IdOf(tombstone.number);
  intent.requested_at = tombstone.mark.at;
  intent.by = tombstone.mark.by;
  intent.reason = tombstone.mark.reason;
  intent.grace = tombstone.mark.grace;
  return intent;
}

const AppliedFilter* IntentApplier::FindFilter(const IntentId& id) const {
  const auto found =
      std::find_if(filters_.begin(), filters_.end(),
                   [&id](const AppliedFilter& filter) { return filter.intent.id == id; });
  return found == filters_.end() ? nullptr : &*found;
}

}  // namespace quell
