#include "tests/sim/truth.h"

#include <algorithm>

#include "core/limits.h"

namespace quell::sim {

using namespace std::chrono_literals;

bool PatternMatches(const std::string& pattern, const std::string& text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    return PatternMatches(pattern.substr(1), text) ||
           (!text.empty() && PatternMatches(pattern, text.substr(1)));
  }
  return !text.empty() && pattern[0] == text[0] &&
         PatternMatches(pattern.substr(1), text.substr(1));
}

Truth::Truth(World& world, CoordinatorHost& coordinator,
             const std::vector<std::unique_ptr<NodeHost>>& nodes)
    : world_(world), coordinator_(coordinator), nodes_(nodes) {
  WatchNetwork();
}

void Truth::WatchNetwork() {
  world_.network.taps.page = [this](const std::string& address, std::span<const TaskView> page) {
    CheckPage(address, page);
  };
  world_.network.taps.reply = [this](const std::string& address, const Result<NodeReply>& reply) {
    if (!reply) return;
    if (const auto* apply = std::get_if<ApplyReply>(&*reply)) {
      for (const auto& host : nodes_) {
        if (host->address() == address) CheckAcks(*host, apply->acks);
      }
    }
  };
  world_.network.taps.heartbeat = [this](const HeartbeatRequest& request) {
    if (NodeHost* host = HostOf(request.node)) CheckAcks(*host, request.acks);
  };
}

NodeHost* Truth::HostOf(const NodeId& id) const {
  for (const auto& host : nodes_) {
    if (host->id() == id) return host.get();
  }
  return nullptr;
}

std::vector<TaskId> Truth::ChainOf(const NewTask& spec) const {
  std::vector<TaskId> chain;
  if (!spec.parent) return chain;
  chain.push_back(*spec.parent);
  const auto parent = tasks_.find(*spec.parent);
  const std::vector<TaskId>& above =
      parent != tasks_.end() ? parent->second.ancestors : spec.grandparents;
  chain.insert(chain.end(), above.begin(), above.end());
  return chain;
}

Truth::Registration Truth::BeginRegistration(std::size_t host, std::uint64_t program,
                                             RegisterRequest request,
                                             std::vector<std::optional<MonoTime>> began) {
  Registration registration{
      host, program, nodes_[host]->life(), std::move(request), std::move(began), world_.now(), {}};
  for (const NewTask& spec : registration.request.tasks) {
    registration.cancelled.push_back(IsCancelled(host, spec));
  }
  ++registering_[{host, registration.life}];
  return registration;
}

bool Truth::MayBeRegistering(const TaskId& id) const {
  for (std::size_t host = 0; host < nodes_.size(); ++host) {
    if (nodes_[host]->id() != id.node) continue;
    const auto open = registering_.find({host, nodes_[host]->life()});
    return open != registering_.end() && open->second > 0;
  }
  return false;
}

void Truth::Registered(const Registration& registration, const Result<RegisterReply>& reply) {
  --registering_[{registration.host, registration.life}];
  if (!reply) return;
  const RegisterRequest& request = registration.request;
  const NodeHost& host = *nodes_[registration.host];
  if (reply->tasks.size() != request.tasks.size()) {
    return world_.Violation("a registration of " + std::to_string(request.tasks.size()) +
                            " tasks was answered with " + std::to_string(reply->tasks.size()));
  }
  for (std::size_t i = 0; i < reply->tasks.size(); ++i) {
    const TaskId& id = reply->tasks[i].id;
    const NewTask& spec = request.tasks[i];
    const bool known = tasks_.count(id) > 0;
    if (spec.resume && id != *spec.resume) {
      world_.Violation("task " + spec.resume->ToString() + " was resumed as " + id.ToString());
    }
    if (spec.resume && !known) continue;
    if (!spec.resume && (known || id.node != host.id())) {
      world_.Violation("the number of task " + id.ToString() + " was given out twice");
      continue;
    }
    TrueTask& task = tasks_[id];
    if (!known) {
      task.id = id;
      task.host = registration.host;
      task.program = registration.program;
      task.spec = spec;
      task.ancestors = ChainOf(spec);
      task.began_first = registration.began[i].value_or(registration.called);
      task.began_last = registration.began[i].value_or(world_.now());
      task.first_admitted = world_.now();
    } else if (task.ended) {
      world_.Violation("task " + id.ToString() + " was resumed though it had ended");
    }
    task.admitted = world_.now();
    task.ending = false;
    task.life = host.life();
    world_.Trace((spec.resume ? "resumed " : "registered ") + id.ToString() + " " + spec.action +
                 (spec.cancellable ? "" : " not cancellable") +
                 (spec.parent ? " below " + spec.parent->ToString() : "") +
                 (reply->tasks[i].cancel ? " cancelled on registration" : ""));
    if (registration.cancelled[i] && !reply->tasks[i].cancel) {
      world_.Violation("task " + id.ToString() + " is cancelled, or below a task that is, and " +
                       (spec.resume ? "was resumed" : "was born") + " without a word of it");
    }
  }
}

void Truth::Ended(const TaskId& id) {
  TrueTask& task = tasks_.at(id);
  if (!task.ended) task.ended = world_.now();
}

void Truth::Ending(const TaskId& id) {
  tasks_.at(id).ending = tasks_.at(id).said_end = true;
}

void Truth::Fading(const TaskId& id) {
  TrueTask& task = tasks_.at(id);
  if (!task.fading) task.fading = world_.now();
}

void Truth::Told(const CancelCommand& command) {
  CheckMark(command.task, command.reason, "a program was told");
  const auto task = tasks_.find(command.task);
  if (task != tasks_.end() && !task->second.told) task->second.told = command;
}

void Truth::Left(const NodeHost& host) const {
  for (const auto& [id, task] : tasks_) {
    if (&HostOf(task) != &host || task.life != host.life()) continue;
    if (task.may_have_ended() || task.said_end) continue;
    world_.Violation(host.name() + " has left the fleet, and task " + id.ToString() +
                     " lives on it");
  }
}

// A task that comes back may be live already: of a cancel that is just being journaled it hears
// when that is over.
bool Truth::IsCancelled(std::size_t host, const NewTask& spec) const {
  const JournalFile& file = nodes_[host]->file;
  const auto in_time = [&](std::uint64_t number) {
    return !spec.resume || nodes_[host]->cancelled_before.contains(number);
  };
  if (spec.resume && in_time(spec.resume->number)) return true;
  const std::vector<TaskId> chain = ChainOf(spec);
  return std::any_of(chain.begin(), chain.end(), [&](const TaskId& ancestor) {
    if (ancestor.node != nodes_[host]->id()) return false;
    const auto tombstone = file.tombstones.find(ancestor.number);
    return tombstone != file.tombstones.end() && tombstone->second.cascade &&
           in_time(ancestor.number) && !MayBeForgotten(*nodes_[host], ancestor.number);
  });
}

bool Truth::MayBeForgotten(const NodeHost& host, std::uint64_t number) const {
  if (!world_.config.forgets_tombstones()) return false;
  const auto task = tasks_.find(TaskId{host.id(), number});
  return !host.file.live.contains(number) || task == tasks_.end() ||
         task->second.may_have_ended() || task->second.said_end;
}

const TrueTask* Truth::Any(Dice& dice) const {
  if (tasks_.empty()) return nullptr;
  auto chosen = tasks_.begin();
  std::advance(chosen, static_cast<std::ptrdiff_t>(dice.Below(tasks_.size())));
  return &chosen->second;
}

const TrueTask* Truth::LastTarget() const {
  const auto target = last_target_ ? tasks_.find(*last_target_) : tasks_.end();
  return target == tasks_.end() ? nullptr : &target->second;
}

// ---- What a request may and must hit.

bool Truth::Matches(const TaskFilter& filter, const TrueTask& task) {
  if (filter.parent && (task.ancestors.empty() || task.ancestors.front() != *filter.parent)) {
    return false;
  }
  return filter.actions.empty() ||
         std::any_of(filter.actions.begin(), filter.actions.end(), [&](const std::string& pattern) {
           return PatternMatches(pattern, task.spec.action);
         });
}

bool Truth::MayHit(const Request& request, const TrueTask& task) const {
  // What the clocks cannot tell is decided by the arrival at a node that was there; what they
  // cannot tell is at most as long as a heartbeat takes, or until the node reads what has arrived.
  const MonoTime arrived =
      HostOf(task).Reads(std::max(request.deadline, request.called + limits::kHeartbeatDeadline));
  return task.spec.cancellable && Matches(request.filter, task) && task.began_first <= arrived;
}

bool Truth::MustHit(const Request& request, const TrueTask& task) const {
  return task.spec.cancellable && Matches(request.filter, task) &&
         task.began_last < request.called - 10us;
}

bool Truth::Justified(const Request& request, const TrueTask& task) const {
  if (request.kind == Request::Kind::kCancelTask) {
    const std::optional<TaskId> target = request.id.Resolve();
    return target && (task.id == *target ||
                      std::count(task.ancestors.begin(), task.ancestors.end(), *target) > 0);
  }
  const auto hit = [&](const TrueTask& one) {
    return request.may.count(one.id.node) > 0 && MayHit(request, one);
  };
  return hit(task) ||
         std::any_of(task.ancestors.begin(), task.ancestors.end(), [&](const TaskId& id) {
           const auto ancestor = tasks_.find(id);
           return ancestor != tasks_.end() && hit(ancestor->second);
         });
}

const StoreFile::Kept* Truth::StoredFor(const std::string& reason) const {
  for (const auto& [id, kept] : coordinator_.file.intents) {
    if (kept.intent.reason == reason) return &kept;
  }
  return nullptr;
}

void Truth::CheckMark(const TaskId& id, const std::string& reason, const char* where,
                      bool has_ended) {
  const std::string what =
      std::string(where) + ": task " + id.ToString() + " cancelled for '" + reason + "'";
  const bool registering = tasks_.count(id) == 0 && MayBeRegistering(id);
  if (WasOrphaned(id, reason) || (registering && reason.starts_with("its parent ["))) return;
  const auto asked = by_reason_.find(reason);
  if (asked == by_reason_.end()) return world_.Violation(what + ", which nobody asked for");
  const auto task = tasks_.find(id);
  if (task == tasks_.end()) {
    if (!MayBeRegistering(id)) world_.Violation(what + ", a task that nobody registered");
    return;
  }
  if (StoredFor(reason) == nullptr) world_.Violation(what + ", which is not in the store");
  if (!Justified(requests_.at(asked->second), task->second)) {
    world_.Violation(what + ", which does not select it");
  }
  // A mark that the journal could not take, and that its task ended with, stays that task's mark
  // though a crash makes room for another tombstone; so does a node that forgets.
  if (has_ended && world_.config.has(Fault::kJournalError)) return;
  if (has_ended && world_.config.forgets_tombstones()) return;
  const auto& tombstones = HostOf(task->second).file.tombstones;
  const auto tombstone = tombstones.find(id.number);
  if (tombstone != tombstones.end() && tombstone->second.mark.reason != reason) {
    world_.Violation(what + ", but its first mark was '" + tombstone->second.mark.reason + "'");
  }
}

// It, or a task above it, asked to be cancelled when its parent is lost, and that program died.
bool Truth::WasOrphaned(const TaskId& id, const std::string& reason) const {
  const auto task = tasks_.find(id);
  if (task == tasks_.end()) return false;
  std::vector<TaskId> chain = task->second.ancestors;
  chain.insert(chain.begin(), id);
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    const auto child = tasks_.find(chain[i]);
    const auto parent = tasks_.find(chain[i + 1]);
    if (child == tasks_.end() || parent == tasks_.end()) continue;
    if (child->second.spec.on_parent_lost == OnParentLost::kCancel && parent->second.fading &&
        parent->second.host == child->second.host &&
        reason == "its parent [" + chain[i + 1].ToString() + "] was lost") {
      return true;
    }
  }
  return false;
}

void Truth::CheckPage(const std::string& address, std::span<const TaskView> page) {
  for (const TaskView& view : page) {
    const std::string what = "task " + view.id.ToString() + ", shown by " + address + ",";
    const auto known = tasks_.find(view.id);
    if (known == tasks_.end()) {
      if (!MayBeRegistering(view.id)) world_.Violation(what + " was registered by nobody");
      continue;
    }
    const TrueTask& task = known->second;
    if (task.ended && !IsTerminal(view.state)) world_.Violation(what + " has ended");
    // The intent may have come when it had ended: then it was not cancelled.
    if (HostOf(task).file.tombstones.count(view.id.number) > 0 && !view.cancelled &&
        !IsTerminal(view.state)) {
      world_.Violation(what + " has lost the mark of its cancel");
    }
    if (view.cancelled) {
      CheckMark(view.id, std::string(view.cancel_reason), "a list", IsTerminal(view.state));
    }
    if (view.parent !=
        (task.ancestors.empty() ? std::nullopt : std::optional(task.ancestors.front()))) {
      world_.Violation(what + " has another parent");
    }
  }
}

void Truth::CheckAcks(NodeHost& host, const std::vector<IntentAck>& acks) {
  for (const IntentAck& ack : acks) {
    if (host.file.applied.count(ack.intent) == 0) {
      world_.Violation(host.name() + " acknowledged an intent that is not in its journal");
    }
    for (const Receipt& receipt : ack.receipts) {
      if (receipt.task.node == host.id() && host.file.tombstones.count(receipt.task.number) > 0) {
        continue;
      }
      if (MayBeForgotten(host, receipt.task.number)) continue;
      world_.Violation(host.name() + " acknowledged the cancel of task " + receipt.task.ToString() +
                       ", which is not in its journal");
    }
  }
}

}  // namespace quell::sim
