#include "node/programs/registrar.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "core/limits.h"
#include "core/validity.h"

namespace quell {
namespace {

Error TooMany(const std::string& what, std::size_t limit) {
  return {ErrorCode::kResourceExhausted,
          "this node has " + std::to_string(limit) + " " + what +
              ", which is its limit: try again when some have ended"};
}

Status CheckValues(const NewTask& task) {
  if (Status fine = CheckAction(task.action); !fine) return fine;
  if (Status fine = CheckDescription(task.description); !fine) return fine;
  if (Status fine = CheckStatus(task.status_json); !fine) return fine;
  if (Status fine = CheckHeaders(task.headers); !fine) return fine;
  if (Status fine = CheckPid(task.pid); !fine) return fine;
  if (Status fine = CheckKey(task.key); !fine) return fine;
  if (!task.key.empty() && task.resume) {
    return InvalidArgument(
        "a key is for a new task, an id for one that comes back: send one of them");
  }
  if (!task.cancellable && task.on_parent_lost == OnParentLost::kCancel) {
    return InvalidArgument(
        "a task that is not cancellable cannot be cancelled when its parent is lost");
  }
  return {};
}

}  // namespace

struct Registrar::Plan {
  std::vector<TaskId> chain;
  std::uint64_t number = 0;  // That it had (a resumed task), or was given.
  bool adopt = false;        // It is live, and gets a new session.
  bool find_parent = false;  // In the journal.
  std::optional<TaskId> unknown_parent;
  bool parent_lost = false;
  bool keep = true;  // The journal does not have it as it is.
  std::size_t finds_open = 0;
};

struct Registrar::Registration {
  RegisterRequest request;
  Principal who;
  Done done;
  std::vector<Plan> plans;
  std::size_t next = 0;            // The next task of the present step.
  std::size_t fresh = 0;           // Tasks that need a number.
  std::size_t added = 0;           // Tasks that will be added.
  std::vector<std::size_t> finds;  // Tasks to be looked up in the journal.
  std::size_t finds_open = 0;
  std::map<std::int32_t, std::int32_t> pids;  // As the program calls them, to those of this host.
  std::map<std::int32_t, std::shared_ptr<NamedProcess>> processes;
  std::set<std::uint64_t> resumes;
  std::set<std::string> keys;
  std::optional<SessionToken> session;   // Held.
  std::optional<TaskId> missing_parent;  // Required, and not known.
  bool reserved = false;
  bool failed = false;
  std::uint64_t number = 0;  // The next one of those that were taken.
  IntentApplier::Births births;
};

void Registrar::Register(RegisterRequest request, const Principal& who, Done done) {
  if (Status fine = CheckRequest(request, who); !fine) return done(fine.error());
  const auto registration = std::make_shared<Registration>();
  registration->plans.resize(request.tasks.size());
  registration->request = std::move(request);
  registration->who = who;
  registration->done = std::move(done);
  ++under_way_;
  CheckTasks(registration);
}

Status Registrar::CheckRequest(const RegisterRequest& request, const Principal& who) const {
  if (who.transport != Principal::Transport::kUnixSocket) {
    return Error{ErrorCode::kPermissionDenied,
                 "tasks are registered by local programs, over the node's unix socket"};
  }
  if (request.tasks.empty()) return InvalidArgument("there is no task to register");
  if (request.tasks.size() > limits::kRegisterBatchMax) {
    return InvalidArgument("a registration has at most " +
                           std::to_string(limits::kRegisterBatchMax) +
                           " tasks: send the others in another one");
  }
  if (under_way_ >= limits::kRegistrationsMax) {
    return TooMany("registrations under way", limits::kRegistrationsMax);
  }
  return {};
}

void Registrar::Post(const Shared& registration, void (Registrar::*step)(const Shared&)) {
  context_.executor.Post(
      context_.lifetime.Guard([this, registration, step] { (this->*step)(registration); }));
}

void Registrar::CheckTasks(const Shared& registration) {
  Registration& r = *registration;
  const std::size_t end = std::min(r.plans.size(), r.next + limits::kChangesPerTurn);
  for (; r.next < end; ++r.next) {
    NewTask& task = r.request.tasks[r.next];
    task.pid = FindPid(r, task.pid);
    if (Status fine = CheckTask(r, task, r.plans[r.next]); !fine) {
      Error error = fine.error();
      if (r.plans.size() > 1)
        error.message = "task " + std::to_string(r.next) + ": " + error.message;
      return Fail(registration, error);
    }
    if (r.plans[r.next].finds_open > 0) r.finds.push_back(r.next);
  }
  if (r.next < r.plans.size()) return Post(registration, &Registrar::CheckTasks);
  r.next = 0;
  if (!r.finds.empty()) return LookUp(registration);
  TakeNumbers(registration);
}

Status Registrar::CheckTask(Registration& r, const NewTask& task, Plan& plan) {
  if (Status fine = CheckValues(task); !fine) return fine;
  if (Status fine = CheckStart(task); !fine) return fine;
  if (Status fine = CheckResume(r, task, plan); !fine) return fine;
  if (Status fine = CheckKey(r, task, plan); !fine) return fine;
  if (Status fine = CheckIntake(task, plan); !fine) return fine;
  if (Status fine = PlanChain(r, task, plan); !fine) return fine;
  if (plan.find_parent) ++plan.finds_open;
  if (plan.number != 0 && !plan.adopt) ++plan.finds_open;
  if (plan.number == 0) ++r.fresh;
  if (!plan.adopt) ++r.added;
  return CheckProcess(r, task, plan);
}

// A task that comes back, a repeat, and a child of what lives here are no new work.
Status Registrar::CheckIntake(const NewTask& task, const Plan& plan) const {
  if (intake_ == Intake::kAll) return {};
  if (intake_ == Intake::kDraining) {
    if (plan.number != 0) return {};
    const std::uint64_t parent = task.parent ? context_.OwnNumber(*task.parent) : 0;
    if (parent != 0 && registry_.Find(parent) != nullptr) return {};
  }
  return Error{ErrorCode::kDraining,
               std::string("this node ") +
                   (intake_ == Intake::kNone ? "leaves the fleet" : "is draining") +
                   ": it takes no new tasks; register on another node, or try again later"};
}

Status Registrar::CheckStart(const NewTask& task) const {
  if (!task.start_wall) return {};
  if (Status fine = CheckMoment("start", *task.start_wall); !fine) return fine;
  // The clock may have been set back since the task began.
  if (!task.resume && !task.start_boot && *task.start_wall > context_.wall()) {
    return InvalidArgument("the start lies in the future: it is in milliseconds since 1970");
  }
  return {};
}

Status Registrar::CheckResume(Registration& r, const NewTask& task, Plan& plan) {
  if (!task.resume) return {};
  const std::string name = "task [" + task.resume->ToString() + "]";
  const std::uint64_t number = context_.OwnNumber(*task.resume);
  if (number == 0 || number >= numbers_.next()) {
    return InvalidArgument(name + " cannot be resumed: this node has never given out its id");
  }
  if (!task.start_wall) return InvalidArgument(name + " cannot be resumed without its start");
  if (const EndedTask* ended = registry_.FindEnded(number)) {
    return Error{ErrorCode::kFailedPrecondition,
                 name + " has ended as " + std::string(ToString(ended->task.state))};
  }
  if (const LiveTask* live = registry_.Find(number)) {
    if (!MayActFor(r.who, live->task.owner_uid)) {
      return Error{ErrorCode::kPermissionDenied, name + " belongs to another user"};
    }
    if (Status fine = CheckAdopt(r, *live); !fine) return fine;
    plan.adopt = true;
  } else if (number < tombstones_.forgotten_below()) {
    return Error{ErrorCode::kFailedPrecondition,
                 name +
                     " cannot be resumed: it was away for so long that this node has forgotten "
                     "whether it was cancelled; register it as a new task"};
  }
  if (!resuming_.insert(number).second) {
    return Error{ErrorCode::kFailedPrecondition, name + " is being resumed already"};
  }
  r.resumes.insert(number);
  tombstones_.SetLives(number);  // Not to be forgotten on the way.
  plan.number = number;
  return {};
}

// The node may not have seen yet that the program has closed its stream.
Status Registrar::CheckAdopt(const Registration& r, const LiveTask& live) {
  const bool same = r.request.session == live.session->token;
  if (same || live.session->sink == nullptr) return {};
  return Error{ErrorCode::kUnavailable,
               "task [" + live.task.id.ToString() +
                   "] is live, and its program has an open stream: try again when that is closed"};
}

// A repeat gets the task that the first registration has made.
Status Registrar::CheckKey(Registration& r, const NewTask& task, Plan& plan) {
  if (task.key.empty()) return {};
  if (r.keys.contains(task.key)) return InvalidArgument("the key " + task.key + " is there twice");
  if (!registering_.emplace(r.who.uid, task.key).second) {
    return Error{ErrorCode::kUnavailable,
                 "the task with the key " + task.key + " is being registered: try again"};
  }
  r.keys.insert(task.key);
  const std::uint64_t number = registry_.FindKey(r.who.uid, task.key);
  if (number == 0) return {};
  const std::string name =
      "task [" + context_.IdOf(number).ToString() + "] with the key " + task.key;
  const LiveTask* live = registry_.Find(number);
  if (live == nullptr) {
    const EndedTask* ended = registry_.FindEnded(number);
    return Error{ErrorCode::kFailedPrecondition,
                 name + " has ended as " + std::string(ToString(ended->task.state))};
  }
  if (live->task.action != task.action) {
    return Error{ErrorCode::kAlreadyExists, name + " has another action, " + live->task.action};
  }
  if (!r.request.session) r.request.session = live->session->token;
  if (Status fine = CheckAdopt(r, *live); !fine) return fine;
  plan.number = number;
  plan.adopt = true;
  return {};
}

Status Registrar::PlanChain(Registration& r, const NewTask& task, Plan& plan) const {
  if (!task.parent) {
    return task.grandparents.empty() ? Status() : InvalidArgument("ancestors without a parent");
  }
  plan.chain.push_back(*task.parent);
  const std::vector<TaskId>* above = &task.grandparents;
  if (task.parent->node == context_.info.id) {
    const std::uint64_t number = task.parent->number;
    if (const LiveTask* live = registry_.Find(number)) {
      above = &live->task.ancestors;
    } else if (const EndedTask* ended = registry_.FindEnded(number)) {
      above = &ended->task.ancestors;
      plan.parent_lost = ended->task.state == TaskState::kLost;
    } else if (number >= numbers_.next()) {
      return LeaveParent(r, task, plan);
    } else {
      plan.find_parent = true;
    }
  }
  plan.chain.insert(plan.chain.end(), above->begin(), above->end());
  if (Status fine = CheckAncestors(plan.chain); !fine) return fine;
  if (task.resume && std::count(plan.chain.begin(), plan.chain.end(), *task.resume) > 0) {
    return InvalidArgument("the task would be its own ancestor");
  }
  return {};
}

Status Registrar::LeaveParent(Registration& r, const NewTask& task, Plan& plan) {
  if (task.parent_required) {
    r.missing_parent = task.parent;
    return Error{ErrorCode::kNotFound,
                 "the parent [" + task.parent->ToString() + "] is not known to this node"};
  }
  plan.unknown_parent = task.parent;
  plan.chain.clear();
  return {};
}

// A pid of another pid namespace is somebody else's here. One that cannot be found is not named:
// the task lives by its stream, or the lease.
std::int32_t Registrar::FindPid(Registration& r, std::int32_t pid) {
  if (pid <= 0) return pid;
  const auto [known, fresh] = r.pids.try_emplace(pid, 0);
  if (fresh) {
    if (const auto found = processes_.Find(r.who.pid, pid)) known->second = *found;
  }
  return known->second;
}

Status Registrar::CheckProcess(Registration& r, const NewTask& task, const Plan& plan) {
  if (task.pid == 0 || r.processes.contains(task.pid)) return {};
  if (plan.adopt && HasEnded(plan.number, task.pid)) {
    // Its command has ended while the node was away, and whoever ran it is about to say how.
    const auto gone = std::make_shared<NamedProcess>();
    gone->name.pid = task.pid;
    gone->ended = context_.now();
    r.processes[task.pid] = gone;
    return {};
  }
  if (r.request.session) {
    const Session* session = sessions_.Find(*r.request.session);
    const auto known = session != nullptr ? session->FindProcess(task.pid) : nullptr;
    if (known != nullptr && !known->ended) {
      r.processes[task.pid] = known;
      return {};
    }
  }
  Result<std::shared_ptr<NamedProcess>> process = programs_.Watch(task.pid, r.who.uid);
  if (!process) return process.error();
  r.processes[task.pid] = std::move(*process);
  return {};
}

bool Registrar::HasEnded(std::uint64_t number, std::int32_t pid) const {
  const LiveTask* live = registry_.Find(number);
  const auto process =
      live->task.pid == pid ? live->session->FindProcess(pid) : std::shared_ptr<NamedProcess>();
  return process != nullptr && process->ended.has_value();
}

// ---- What only the journal knows: tasks of earlier lives that have ended.

void Registrar::LookUp(const Shared& registration) {
  Registration& r = *registration;
  const std::size_t end = std::min(r.finds.size(), r.next + limits::kChangesPerTurn);
  std::vector<std::pair<std::size_t, std::uint64_t>> asks;
  for (; r.next < end; ++r.next) {
    const std::size_t index = r.finds[r.next];
    const Plan& plan = r.plans[index];
    if (plan.find_parent) asks.emplace_back(index, plan.chain.front().number);
    if (plan.number != 0 && !plan.adopt) asks.emplace_back(index, plan.number);
  }
  r.finds_open = asks.size();
  for (const auto& [index, number] : asks) {
    journal_.FindEnded(number, context_.lifetime.Guard(
                                   [this, registration, index = index](const Result<Task>& found) {
                                     OnFound(registration, index, found);
                                   }));
  }
}

void Registrar::OnFound(const Shared& registration, std::size_t index, const Result<Task>& found) {
  Registration& r = *registration;
  --r.finds_open;
  if (r.failed) return;
  if (Status fine = TakeFound(r, index, found); !fine) return Fail(registration, fine.error());
  if (r.finds_open > 0) return;
  if (r.next < r.finds.size()) return LookUp(registration);
  r.next = 0;
  TakeNumbers(registration);
}

Status Registrar::TakeFound(Registration& r, std::size_t index, const Result<Task>& found) {
  Plan& plan = r.plans[index];
  if (!found && found.error().code != ErrorCode::kNotFound) return found.error();
  // The journal answers in the order of the questions: the parent's comes first.
  if (std::exchange(plan.find_parent, false)) {
    const TaskId parent = plan.chain.front();
    if (found) {
      plan.chain.resize(1);
      plan.parent_lost = found->state == TaskState::kLost;
      plan.chain.insert(plan.chain.end(), found->ancestors.begin(), found->ancestors.end());
      if (Status fine = CheckAncestors(plan.chain); !fine) return fine;
    } else if (r.request.tasks[index].parent_required && plan.number == 0 &&
               tombstones_.Find(parent.number) == nullptr &&
               registry_.Find(parent.number) == nullptr) {
      return LeaveParent(r, r.request.tasks[index], plan);
    }
    // Else an id that was given out stays the parent: its program may yet resume it, and a cancel
    // of it, which may be on its way, reaches what is below.
    return {};
  }
  if (found) {
    return Error{ErrorCode::kFailedPrecondition, "task [" + context_.IdOf(plan.number).ToString() +
                                                     "] has ended as " +
                                                     std::string(ToString(found->state))};
  }
  return {};
}

// ---- From here on nothing can fail but the reservation of numbers.

Status Registrar::Reserve(Registration& r) {
  const std::uint32_t uid = r.who.uid;
  const auto planned = planned_of_.find(uid);
  const std::size_t of_uid =
      registry_.CountOf(uid) + (planned == planned_of_.end() ? 0 : planned->second);
  if (registry_.size() + planned_ + r.added > limits::kTasksPerNodeMax) {
    return TooMany("tasks", limits::kTasksPerNodeMax);
  }
  if (of_uid + r.added > limits::kTasksPerUidMax) {
    return TooMany("tasks of uid " + std::to_string(uid), limits::kTasksPerUidMax);
  }
  Session* session = nullptr;
  if (r.request.session) {
    Result<Session*> known = programs_.FindSession(*r.request.session, r.who);
    if (!known) return known.error();
    session = *known;
  } else {
    session = sessions_.Create(uid);
    if (session == nullptr) return TooMany("sessions", sessions_.size());
  }
  r.session = session->token;
  ++session->registering;
  programs_.Renew(*session);
  planned_ += r.added;
  planned_of_[uid] += r.added;
  r.reserved = true;
  return {};
}

void Registrar::TakeNumbers(const Shared& registration) {
  if (Status fine = Reserve(*registration); !fine) return Fail(registration, fine.error());
  numbers_.Take(registration->fresh,
                context_.lifetime.Guard([this, registration](Result<std::uint64_t> first) {
                  if (!first) return Fail(registration, first.error());
                  registration->number = *first;
                  Admit(registration);
                }));
}

void Registrar::Admit(const Shared& registration) {
  Registration& r = *registration;
  std::size_t left = limits::kChangesPerTurn;
  for (; r.next < r.plans.size() && left > 0; ++r.next) {
    left -=
        std::min(left, applier_.CostOfRegistering(r.request.tasks[r.next].start_wall.has_value()));
    AdmitOne(r, r.next);
  }
  if (r.next < r.plans.size()) return Post(registration, &Registrar::Admit);
  r.next = 0;
  applier_.RecordBirths(std::move(r.births),
                        context_.lifetime.Guard([this, registration] { Answer(registration); }));
}

// When the task began, by a clock that never steps; as far as anybody knows.
std::optional<BootTime> Registrar::StartOf(const NewTask& task) const {
  const BootTime now = context_.boot();
  if (!task.start_wall) return now;
  if (task.start_boot && *task.start_boot <= now) return task.start_boot;
  return std::nullopt;
}

void Registrar::AdmitOne(Registration& r, std::size_t index) {
  Plan& plan = r.plans[index];
  if (plan.adopt) return Adopt(r, index);
  NewTask& from = r.request.tasks[index];
  Session& session = *sessions_.Find(*r.session);
  const MonoTime now = context_.now();
  const WallTime wall = context_.wall();
  Task task;
  task.id = context_.IdOf(plan.number != 0 ? plan.number : r.number++);
  task.action = std::move(from.action);
  task.description = std::move(from.description);
  task.status_json = std::move(from.status_json);
  task.cancellable = from.cancellable;
  task.start_wall = from.start_wall.value_or(wall);
  task.start_boot = StartOf(from);
  task.start_mono =
      now - (task.start_boot ? context_.boot() - *task.start_boot
                             : std::max<MonoClock::duration>(wall - task.start_wall,
                                                             MonoClock::duration::zero()));
  task.ancestors = std::move(plan.chain);
  task.headers = std::move(from.headers);
  task.owner_uid = r.who.uid;
  task.pid = from.pid;
  task.on_parent_lost = from.on_parent_lost;
  plan.number = task.id.number;

  LiveTask& live =
      lifecycle_.Add(std::move(task), std::move(from.key), session,
                     from.pid != 0 ? r.processes[from.pid] : nullptr, from.start_wall.has_value());
  --planned_;
  --planned_of_[r.who.uid];
  --r.added;
  applier_.OnRegistered(live, from.start_wall.has_value(), r.births);
  parent_loss_.OnRegistered(live, plan.parent_lost);
}

// Its program has lost the answer to an earlier attempt.
void Registrar::Adopt(Registration& r, std::size_t index) {
  Plan& plan = r.plans[index];
  LiveTask* found = registry_.Find(plan.number);
  if (found == nullptr) return;  // It was lost a moment ago, as its program will hear.
  LiveTask& live = *found;
  Session& before = *live.session;
  Session& session = *sessions_.Find(*r.session);
  NewTask& from = r.request.tasks[index];
  if (!from.status_json.empty()) {
    ReportRequest report;
    report.status_json = std::move(from.status_json);
    lifecycle_.Report(live, report);
  }
  parent_loss_.OnRegistered(live, plan.parent_lost);
  if (&before == &session) return;
  plan.keep =
      lifecycle_.MoveTo(live, session, from.pid, from.pid != 0 ? r.processes[from.pid] : nullptr);
  programs_.Settle(before);
}

void Registrar::Answer(const Shared& registration) {
  Registration& r = *registration;
  RegisterReply reply;
  reply.session = *r.session;
  reply.tasks.reserve(r.plans.size());
  for (const Plan& plan : r.plans) {
    RegisteredTask& task = reply.tasks.emplace_back();
    task.id = context_.IdOf(plan.number);
    task.unknown_parent = plan.unknown_parent;
    if (LiveTask* live = registry_.Find(plan.number)) {
      task.ancestors = live->task.ancestors;
      task.cancel = lifecycle_.TakeCommand(*live);
      if (plan.keep) writer_.Changed(plan.number);
    }
  }
  Release(r);
  r.done(std::move(reply));
}

void Registrar::Fail(const Shared& registration, const Error& error) {
  registration->failed = true;
  Release(*registration);
  if (!registration->missing_parent) return registration->done(error);
  RegisterReply reply;
  reply.missing_parent = registration->missing_parent;
  registration->done(std::move(reply));
}

void Registrar::Release(Registration& r) {
  --under_way_;
  for (const std::uint64_t number : r.resumes) {
    resuming_.erase(number);
    if (registry_.Find(number) == nullptr) tombstones_.SetEnded(number);
  }
  for (const std::string& key : r.keys)
    registering_.erase({r.who.uid, key});
  if (!r.reserved) return;
  planned_ -= r.added;
  // Gone if all that this user had planned has been added: then nothing of ours is left either.
  const auto planned = planned_of_.find(r.who.uid);
  if (planned != planned_of_.end()) {
    planned->second -= r.added;
    if (planned->second == 0) planned_of_.erase(planned);
  }
  Session& session = *sessions_.Find(*r.session);
  --session.registering;
  programs_.Settle(session);
}

}  // namespace quell
