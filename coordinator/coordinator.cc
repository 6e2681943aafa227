#include "coordinator/coordinator.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "coordinator/cancels/cancel_service.h"
#include "coordinator/cancels/pending_intents.h"
#include "coordinator/fan_out/awaiter.h"
#include "coordinator/fan_out/failures.h"
#include "coordinator/fan_out/fan_out.h"
#include "coordinator/fan_out/node_asks.h"
#include "coordinator/fan_out/places.h"
#include "coordinator/fan_out/waiting.h"
#include "coordinator/members/member_table.h"
#include "coordinator/members/selection.h"
#include "coordinator/membership/drain_service.h"
#include "coordinator/membership/membership_service.h"
#include "core/lifetime.h"
#include "core/limits.h"

namespace quell {

namespace {

std::uint64_t ShareOf(const ListShare& share, std::size_t nodes) {
  if (share.total == 0) return share.each;
  const std::size_t even =
      std::max(share.total / std::max<std::size_t>(nodes, 1), limits::kListShareMin);
  return share.each == 0 ? even : std::min(even, share.each);
}

// The number after which each selected node lists; empty: `after` is of none of them.
std::vector<std::uint64_t> StartsAfter(const std::optional<TaskId>& after,
                                       const std::vector<Selected>& selected) {
  std::vector<std::uint64_t> starts(selected.size(), 0);
  if (!after) return starts;
  const auto found = std::find_if(selected.begin(), selected.end(), [&](const Selected& one) {
    return one.member != nullptr && one.member->info.id == after->node;
  });
  if (found == selected.end()) return {};
  const auto index = static_cast<std::size_t>(found - selected.begin());
  std::fill_n(starts.begin(), index, std::numeric_limits<std::uint64_t>::max());
  starts[index] = after->number;
  return starts;
}

Error Busy(Places::Sort sort) {
  std::string_view what;
  switch (sort) {
    case Places::Sort::kRead:
      what = " requests are waiting for nodes already";
      break;
    case Places::Sort::kWait:
      what = " requests are waiting for tasks to end already";
      break;
    case Places::Sort::kCancel:
      what = " cancels are under way already";
      break;
    case Places::Sort::kDrain:
      what = " nodes are being drained already";
      break;
  }
  return {ErrorCode::kResourceExhausted,
          std::to_string(Places::MostOf(sort)) + std::string(what) + ": come back later"};
}

}  // namespace

class Coordinator::Impl {
 public:
  Impl(CoordinatorOptions options, const CoordinatorServices& services, StoreState recovered)
      : services_(services),
        life_(IntentId::Make(services.random)),
        numbers_([&store = services.store](
                     std::uint64_t end, auto done) { store.ReserveNumbers(end, std::move(done)); },
                 recovered.next_number),
        host_load_(std::move(options.host_load)),
        asks_(services.nodes),
        members_(std::move(options.self), std::move(recovered.nodes),
                 services.executor.clock().Wall()),
        pending_(std::move(recovered.intents)),
        cancels_(services, asks_, members_, pending_, requests_, places_,
                 std::move(options.spared)),
        awaiter_(services, asks_, members_),
        membership_(services, asks_, members_, pending_, cancels_, std::move(options.restored)),
        drains_(services, asks_, members_, membership_) {}

  void List(ListQuery query, MonoClock::duration timeout, const TaskSinkFactory& sinks,
            std::function<void(Result<Gathered>)> done) {
    const Held own = Begin(query.as_task, kListRequest);
    done = Admit(SortOf(query.wait), own, std::move(done));
    if (!done) return;
    timeout = Bounded(timeout, query.wait);
    Result<std::vector<Selected>> selected = SelectNodes(query.nodes, members_);
    if (!selected) return Refuse(done, selected.error());
    const std::vector<std::uint64_t> starts = StartsAfter(query.after, *selected);
    if (starts.size() < selected->size()) {
      return Refuse(done, {ErrorCode::kInvalidArgument,
                           "[after] is a task of the node [" + query.after->node.ToString() +
                               "], which is not among those that are asked: begin anew without "
                               "[after]"});
    }
    const std::uint64_t share = ShareOf(query.share, selected->size());
    const std::optional<RequestTask> part = PartOf(own, kListAction);
    Held own_part;
    std::vector<FanOutSlot> slots;
    slots.reserve(selected->size());
    for (const Selected& one : *selected) {
      FanOutSlot& slot = slots.emplace_back();
      if (one.member == nullptr) {
        slot.slot.failure = NoSuchNode(one.token);
        continue;
      }
      slot.slot.node = one.member->info;
      slot.slot.sink = sinks(one.member->info);
      slot.standing = StandingOf(*one.member);
      if (one.member->is_self) {
        slot.slot.reply = ListReply{};
        own_part = BeginOwnPart(part);
      } else if (query.wait) {
        slot.request = AwaitRequest{query.filter, false, query.detailed, WaitWithin(timeout), part};
      } else {
        slot.request = ListRequest{query.filter, query.detailed,    starts[slots.size() - 1],
                                   share,        EndedSince(query), part};
      }
    }
    GiveUpWith(query.context,
               FanOut(services_.executor, asks_, kListAction, std::move(slots), DeadlineIn(timeout),
                      lifetime_.Guard([this, done, own, own_part, began = Now(),
                                       filter = query.filter](std::vector<Slot> gathered) {
                        NoteBroken(began, gathered);
                        if (own != nullptr) ShowRequests(filter, gathered);
                        const std::uint64_t running = StillRunning(gathered);
                        done(Gathered{std::move(gathered), {}, {}, running});
                      })));
  }

  // Never before 1970, which is as early as a message can say.
  std::optional<WallTime> EndedSince(const ListQuery& query) const {
    if (!query.ended_within) return std::nullopt;
    const WallTime now = services_.executor.clock().Wall();
    const auto first = WallTime(std::chrono::microseconds(1));
    return now - first < *query.ended_within ? first : now - *query.ended_within;
  }

  void Get(GetQuery query, MonoClock::duration timeout, const TaskSinkFactory& sinks,
           std::function<void(Result<GetAnswer>)> done) {
    const Held own = Begin(query.as_task, kGetRequest);
    done = Admit(SortOf(query.wait), own, std::move(done));
    if (!done) return;
    const TaskIdText& id = query.id;
    const std::string text = id.ToString();
    if (id.unset) return Refuse(done, {ErrorCode::kInvalidArgument, "task id is required"});
    const Member* member = members_.FindPresent(id.node);
    if (member == nullptr) {
      return Refuse(done, {ErrorCode::kNotFound,
                           "task [" + text + "] belongs to the node [" + id.node +
                               "] which isn't part of the cluster and there is no record of the "
                               "task"});
    }
    const Error missing{ErrorCode::kNotFound,
                        "task [" + text + "] isn't running and hasn't stored its results"};
    std::optional<TaskId> task = id.Resolve();
    if (!task) return Refuse(done, missing);
    if (member->is_self) return GetRequestTask(*task, query.wait, missing, sinks, done);
    FanOutSlot get;
    get.slot.node = member->info;
    get.slot.sink = sinks(member->info);
    get.standing = StandingOf(*member);
    get.request = GetRequest{task->number};
    timeout = Bounded(timeout, query.wait);
    const MonoTime deadline = DeadlineIn(timeout);
    if (!query.wait) return GetOne(std::move(get), deadline, missing, done);

    // Once it has ended, or the wait is over, it is asked for like any other.
    FanOutSlot await = get;
    await.slot.sink = nullptr;
    await.request = AwaitRequest{std::vector{task->number}, false, false, WaitWithin(timeout),
                                 PartOf(own, kGetAction)};
    const auto then = lifetime_.Guard([this, get, deadline, missing, done](std::vector<Slot> over) {
      if (over[0].failure) return done(ErrorOf(*over[0].failure));
      GetOne(get, deadline, missing, done);
    });
    GiveUpWith(query.context, AskOne(std::move(await), deadline, then));
  }

  void Cancel(CancelQuery query, const Principal& who, MonoClock::duration timeout,
              TaskSinkFactory sinks, std::function<void(Result<Gathered>)> done) {
    const Held own = Begin(query.as_task, kCancelRequest);
    std::shared_ptr<Places::Held> place = places_.Take(Places::Sort::kCancel);
    if (place == nullptr) return Refuse(done, Busy(Places::Sort::kCancel));
    query.as_task = PartOf(own, kCancelAction);
    timeout = Bounded(timeout, query.wait);
    const auto note = [this, own, began = Now(), done](Result<Gathered> gathered) {
      if (gathered) NoteBroken(began, gathered->slots);
      done(std::move(gathered));
    };
    cancels_.Cancel(std::move(query), std::move(place), who, timeout, std::move(sinks),
                    lifetime_.Guard(note));
  }

  void Drain(DrainQuery query, MonoClock::duration timeout, TaskSinkFactory sinks,
             std::function<void(Result<DrainAnswer>)> done) {
    done = Admit(Places::Sort::kDrain, nullptr, std::move(done));
    if (!done) return;
    timeout = Bounded(timeout, query.wait);
    drains_.Drain(std::move(query), timeout, std::move(sinks), std::move(done));
  }

  void Await(AwaitQuery query, TaskSinkFactory sinks,
             std::function<void(Result<std::vector<AwaitedTask>>)> done) {
    query.wait =
        std::clamp<MonoClock::duration>(query.wait, MonoClock::duration::zero(), limits::kWaitMax);
    done = Admit(SortOf(query.wait > MonoClock::duration::zero()), nullptr, std::move(done));
    if (!done) return;
    if (query.ids.empty() || query.ids.size() > limits::kAwaitIdsMax) {
      return Refuse(done, {ErrorCode::kInvalidArgument, "name at least one task and at most " +
                                                            std::to_string(limits::kAwaitIdsMax)});
    }
    awaiter_.Await(std::move(query), std::move(sinks), std::move(done));
  }

  std::vector<MemberStatus> Members() const {
    std::vector<MemberStatus> all;
    all.reserve(members_.present().size());
    for (const Member* member : members_.present())
      all.push_back(StatusOf(*member));
    return all;
  }

  Result<std::vector<MemberStatus>> Members(const NodeSelection& selection) const {
    Result<std::vector<Selected>> selected = SelectNodes(selection, members_);
    if (!selected) return selected.error();
    std::vector<MemberStatus> chosen;
    for (const Selected& one : *selected) {
      if (one.member != nullptr) chosen.push_back(StatusOf(*one.member));
    }
    return chosen;
  }

  MembersVersion members_version() const {
    return {members_.version(), life_.ToString() + "." + std::to_string(members_.version())};
  }

  bool Knows(std::string_view node) const { return members_.FindPresent(node) != nullptr; }
  const NodeInfo& self() const { return members_.self(); }
  Executor& executor() { return services_.executor; }
  bool AtCapacity(bool wait) const { return places_.full(SortOf(wait)); }
  bool CancelsAtCapacity() const { return places_.full(Places::Sort::kCancel); }
  MembershipService& membership() { return membership_; }

 private:
  using Held = RequestTasks::Held;

  // The request as a task of this coordinator; null: it is not shown.
  Held Begin(std::optional<RequestTask>& request, std::string_view action) {
    if (!request) return nullptr;
    request->action = action;
    return requests_.Begin(self().id, numbers_, std::move(*request), services_.executor.clock());
  }

  // What a node shows of the request `own`; none if that is not shown.
  static std::optional<RequestTask> PartOf(const Held& own, std::string_view action) {
    if (own == nullptr) return std::nullopt;
    RequestTask part{std::string(action), {}, own->id, own->headers};
    std::erase_if(part.headers, [](const Header& header) {
      return header.value.size() > limits::kHeaderValueMax;
    });
    return part;
  }

  Held BeginOwnPart(std::optional<RequestTask> part) {
    if (!part) return nullptr;
    part->type = "direct";
    return requests_.Begin(self().id, numbers_, std::move(*part), services_.executor.clock());
  }

  // Into the coordinator's own slot.
  void ShowRequests(const TaskFilter& filter, std::vector<Slot>& slots) const {
    const MonoTime now = Now();
    for (Slot& slot : slots) {
      if (!slot.node || slot.node->id != self().id) continue;
      std::vector<TaskView> views;
      requests_.Scan(0, TaskId::kNumberMax + 1, [&](const Task& request) {
        if (filter.Matches(request)) views.push_back(View(request, now));
        return true;
      });
      slot.sink->OnTasks(views);
      slot.reply = ListReply{views.size(), false};
    }
  }

  void GetRequestTask(const TaskId& id, bool wait, const Error& missing,
                      const TaskSinkFactory& sinks,
                      const std::function<void(Result<GetAnswer>)>& done) {
    const Task* request = requests_.Find(id.number);
    if (request == nullptr) return Refuse(done, missing);
    if (wait) {
      return Refuse(done, {ErrorCode::kFailedPrecondition,
                           "task [" + id.ToString() +
                               "] is a request to this coordinator, which is not waited for: ask "
                               "without [wait_for_completion]"});
    }
    const std::shared_ptr<TaskSink> sink = sinks(self());
    const TaskView view = View(*request, Now());
    sink->OnTasks({&view, 1});
    services_.executor.Post([done, answer = GetAnswer{self(), false, {}, sink}] { done(answer); });
  }

  MemberStatus StatusOf(const Member& member) const {
    const MonoTime now = Now();
    return {member.info,
            member.is_self,
            member.restored,
            members_.IsAlive(member, now),
            StandingOf(member),
            member.heard,
            pending_.CountFor(member.info.id),
            member.cancelled_running,
            member.is_self && host_load_ ? host_load_() : member.host_load,
            member.live_tasks,
            member.draining};
  }
  Standing StandingOf(const Member& member) const {
    return members_.StandingOf(member, services_.executor.clock());
  }
  static Places::Sort SortOf(bool wait) { return wait ? Places::Sort::kWait : Places::Sort::kRead; }

  // Takes a place among those in flight and gives it back with the answer. Empty: there is none,
  // and the caller is told.
  template <typename T>
  std::function<void(Result<T>)> Admit(Places::Sort sort, Held own,
                                       std::function<void(Result<T>)> done) {
    std::shared_ptr<Places::Held> place = places_.Take(sort);
    if (place == nullptr) {
      Refuse(done, Busy(sort));
      return nullptr;
    }
    return lifetime_.Guard(
        [place = std::move(place), own = std::move(own), done = std::move(done)](Result<T> result) {
          place->GiveBack();
          done(std::move(result));
        });
  }

  std::function<void()> AskOne(FanOutSlot slot, MonoTime deadline,
                               std::function<void(std::vector<Slot>)> done) {
    std::vector<FanOutSlot> slots;
    slots.push_back(std::move(slot));
    return FanOut(services_.executor, asks_, kGetAction, std::move(slots), deadline,
                  std::move(done));
  }

  void GetOne(FanOutSlot get, MonoTime deadline, const Error& missing,
              const std::function<void(Result<GetAnswer>)>& done) {
    const auto take = [this, began = Now(), done, missing](std::vector<Slot> gathered) {
      NoteBroken(began, gathered);
      Slot& slot = gathered[0];
      if (slot.failure) {
        Error error = ErrorOf(*slot.failure);
        return done(error.code == ErrorCode::kNotFound ? missing : std::move(error));
      }
      GetReply& reply = std::get<GetReply>(*slot.reply);
      done(GetAnswer{std::move(*slot.node), reply.ended, std::move(reply.receipt),
                     std::move(slot.sink)});
    };
    AskOne(std::move(get), deadline, lifetime_.Guard(take));
  }

  template <typename T>
  void Refuse(const std::function<void(Result<T>)>& done, Error error) {
    services_.executor.Post([done, error = std::move(error)] { done(error); });
  }

  static MonoClock::duration Bounded(MonoClock::duration timeout, bool wait) {
    const MonoClock::duration most = wait ? MonoClock::duration(limits::kWaitMax)
                                          : MonoClock::duration(limits::kNodeDeadlineMax);
    return std::clamp(timeout, MonoClock::duration::zero(), most);
  }
  MonoTime Now() const { return services_.executor.clock().Now(); }
  MonoTime DeadlineIn(MonoClock::duration timeout) const { return Now() + timeout; }

  void NoteBroken(MonoTime began, const std::vector<Slot>& slots) {
    for (const Slot& slot : slots) {
      if (slot.node && slot.failure && slot.failure->code == ErrorCode::kUnavailable) {
        members_.RecordConnectionFailure(slot.node->id, began, Now());
      }
    }
  }

  const CoordinatorServices services_;
  const IntentId life_;  // Told apart by chance.
  TaskIdAllocator numbers_;
  RequestTasks requests_;
  std::function<HostLoad()> host_load_;
  Places places_;
  NodeAsks asks_;
  MemberTable members_;
  PendingIntents pending_;
  CancelService cancels_;
  Awaiter awaiter_;
  MembershipService membership_;
  DrainService drains_;
  Lifetime lifetime_;
};

Coordinator::Coordinator(CoordinatorOptions options, const CoordinatorServices& services,
                         StoreState recovered)
    : impl_(std::make_unique<Impl>(std::move(options), services, std::move(recovered))) {}

Coordinator::~Coordinator() = default;

void Coordinator::List(ListQuery query, MonoClock::duration timeout, TaskSinkFactory sinks,
                       std::function<void(Result<Gathered>)> done) {
  impl_->List(std::move(query), timeout, sinks, std::move(done));
}

void Coordinator::Get(GetQuery query, MonoClock::duration timeout, TaskSinkFactory sinks,
                      std::function<void(Result<GetAnswer>)> done) {
  impl_->Get(std::move(query), timeout, sinks, std::move(done));
}

void Coordinator::Cancel(CancelQuery query, const Principal& who, MonoClock::duration timeout,
                         TaskSinkFactory sinks, std::function<void(Result<Gathered>)> done) {
  impl_->Cancel(std::move(query), who, timeout, std::move(sinks), std::move(done));
}

void Coordinator::Await(AwaitQuery query, TaskSinkFactory sinks,
                        std::function<void(Result<std::vector<AwaitedTask>>)> done) {
  impl_->Await(std::move(query), std::move(sinks), std::move(done));
}

std::vector<MemberStatus> Coordinator::Members() const {
  return impl_->Members();
}

Result<std::vector<MemberStatus>> Coordinator::Members(const NodeSelection& selection) const {
  return impl_->Members(selection);
}

Coordinator::MembersVersion Coordinator::members_version() const {
  return impl_->members_version();
}

const NodeInfo& Coordinator::self() const {
  return impl_->self();
}

Executor& Coordinator::executor() {
  return impl_->executor();
}

bool Coordinator::AtCapacity(bool wait) const {
  return impl_->AtCapacity(wait);
}

bool Coordinator::CancelsAtCapacity() const {
  return impl_->CancelsAtCapacity();
}

void Coordinator::Drain(DrainQuery query, MonoClock::duration timeout, TaskSinkFactory sinks,
                        std::function<void(Result<DrainAnswer>)> done) {
  impl_->Drain(std::move(query), timeout, std::move(sinks), std::move(done));
}

bool Coordinator::Knows(std::string_view node) const {
  return impl_->Knows(node);
}

void Coordinator::Forget(const NodeId& node, std::function<void(Result<Forgotten>)> done) {
  impl_->membership().Forget(node, std::move(done));
}

void Coordinator::OnJoin(JoinRequest request, const Principal&,
                         std::function<void(Result<JoinReply>)> reply) {
  impl_->membership().OnJoin(std::move(request), std::move(reply));
}

void Coordinator::OnHeartbeat(HeartbeatRequest request, const Principal&,
                              std::function<void(Result<HeartbeatReply>)> reply) {
  impl_->membership().OnHeartbeat(std::move(request), std::move(reply));
}

void Coordinator::OnLeave(LeaveRequest request, const Principal&,
                          std::function<void(Status)> reply) {
  impl_->membership().OnLeave(std::move(request), std::move(reply));
}

}  // namespace quell
