// What operators were told, compared with what was so.
#include <algorithm>

#include "core/limits.h"
#include "tests/sim/truth.h"

namespace quell::sim {

using namespace std::chrono_literals;

namespace {

// How late an answer may be.
constexpr MonoClock::duration kEpsilon = 50ms;

bool Selects(const std::vector<std::string>& tokens, const std::string& name, const NodeId& id,
             bool is_self) {
  if (tokens.empty()) return true;
  return std::any_of(tokens.begin(), tokens.end(), [&](const std::string& token) {
    if (token == "_all") return true;
    if (token == "_local") return is_self;
    if (token.find('*') != std::string::npos) return PatternMatches(token, name);
    return token == name || token == id.view();
  });
}

std::string Name(const Request& request) {
  constexpr const char* kKinds[] = {"list", "get", "cancel by id", "cancel by filter", "await"};
  return std::string(kKinds[static_cast<std::size_t>(request.kind)]) + " " +
         std::to_string(request.number);
}

}  // namespace

void Truth::Select(Request& request) const {
  const bool by_nodes =
      request.kind == Request::Kind::kList || request.kind == Request::Kind::kCancelMatching;
  if (!by_nodes) return;
  const NodeInfo& self = coordinator_.info();
  if (Selects(request.nodes.tokens, self.name, self.id, true)) {
    request.must.insert(self.id);
    request.may.insert(self.id);
  }
  for (const auto& host : nodes_) {
    if (!Selects(request.nodes.tokens, host->name(), host->id(), false)) continue;
    request.may.insert(host->id());
    if (host->member()) request.must.insert(host->id());
  }
}

Request& Truth::Open(Request request) {
  request.life = coordinator_.life();
  request.called = world_.now();
  Select(request);
  for (const auto& host : nodes_)
    request.lives[host->id()] = host->life();
  if (!request.reason.empty()) by_reason_[request.reason] = request.number;
  if (request.kind == Request::Kind::kCancelTask) last_target_ = request.id.Resolve();
  world_.Trace("ask " + Name(request));
  const std::uint64_t number = request.number;
  const MonoTime due = request.deadline + kEpsilon;
  coordinator_.At(due, [this, number, due] { CheckDeadline(number, due); });
  return requests_[number] = std::move(request);
}

void Truth::CheckDeadline(std::uint64_t number, MonoTime due) {
  const Request& request = requests_.at(number);
  if (request.answers > 0) return;
  // A wait is followed by a look at each task, which has its whole time after a pause too.
  const MonoTime looked = coordinator_.went_on() + limits::kNodeDeadline + kEpsilon;
  if (request.kind == Request::Kind::kAwait && coordinator_.went_on() > request.called &&
      world_.now() < looked) {
    return coordinator_.At(looked, [this, number, looked] { CheckDeadline(number, looked); });
  }
  // A coordinator that stood still is given the same time once more.
  if (world_.now() > due || coordinator_.went_on() + kEpsilon > due) {
    const MonoTime again = world_.now() + kEpsilon;
    return coordinator_.At(again, [this, number, again] { CheckDeadline(number, again); });
  }
  world_.Violation(Name(request) + " has no answer by its deadline");
}

void Truth::Answered(Request& request, const Result<Gathered>& answer,
                     const std::vector<std::vector<SeenTask>>& slots) {
  world_.Trace("answer " + Name(request) + (answer ? "" : " " + answer.error().message));
  if (++request.answers > 1) return world_.Violation(Name(request) + " was answered twice");
  const bool cancels = request.kind != Request::Kind::kList;
  if (answer) {
    CheckSlots(request, *answer);
    CheckListed(request, *answer, slots);
  } else if (!cancels && answer.error().code != ErrorCode::kResourceExhausted) {
    world_.Violation(Name(request) + " failed: " + answer.error().message);
  }
  if (cancels) CheckPromise(request, answer);
}

void Truth::CheckSlots(Request& request, const Gathered& answer) {
  std::set<NodeId> seen;
  for (const Slot& slot : answer.slots) {
    if (slot.failure.has_value() == slot.reply.has_value()) {
      world_.Violation(Name(request) + ": a slot neither answered nor failed, or both");
    }
    if (slot.failure && slot.sink) world_.Violation(Name(request) + ": a failed slot shows tasks");
    if (!slot.node) {
      if (!slot.failure) world_.Violation(Name(request) + ": nobody answered");
      continue;
    }
    if (!seen.insert(slot.node->id).second) {
      world_.Violation(Name(request) + ": node " + slot.node->name + " is in it twice");
    }
    const bool by_id = request.kind == Request::Kind::kCancelTask;
    if (by_id ? slot.node->id.view() != request.id.node : request.may.count(slot.node->id) == 0) {
      world_.Violation(Name(request) + ": node " + slot.node->name + " was not selected");
    }
  }
  for (const NodeId& must : request.must) {
    if (seen.count(must) == 0) world_.Violation(Name(request) + ": a selected node is missing");
  }
  if (request.kind == Request::Kind::kCancelTask && answer.slots.size() != 1) {
    world_.Violation(Name(request) + " has not one slot");
  }
}

void Truth::CheckListed(const Request& request, const Gathered& answer,
                        const std::vector<std::vector<SeenTask>>& slots) {
  std::set<TaskId, ByNumber> seen;
  for (std::size_t i = 0; i < answer.slots.size(); ++i) {
    const Slot& slot = answer.slots[i];
    if (!slot.reply || !slot.node) continue;
    for (const SeenTask& task : slots[i]) {
      const std::string what = Name(request) + ": task " + task.id.ToString();
      if (!seen.insert(task.id).second) world_.Violation(what + " is in it twice");
      if (task.id.node != slot.node->id) world_.Violation(what + " is another node's");
      const auto known = tasks_.find(task.id);
      if (known == tasks_.end()) continue;  // Noticed where the page was written.
      const TrueTask& truth = known->second;
      if (request.kind == Request::Kind::kCancelTask) {
        if (request.id.Resolve() != task.id) world_.Violation(what + " was not asked for");
      } else if (!Matches(request.filter, truth)) {
        world_.Violation(what + " does not match");
      }
      if (request.kind != Request::Kind::kList && !task.cancelled) {
        world_.Violation(what + " is in the answer to a cancel and is not cancelled");
      }
      if (truth.ended && *truth.ended < request.called && !IsTerminal(task.state)) {
        world_.Violation(what + " had ended before");
      }
      const auto* await = std::get_if<AwaitReply>(&*slot.reply);
      if (await != nullptr && await->running == 0 && !IsTerminal(task.state)) {
        world_.Violation(what + " runs, and all are said to have ended");
      }
      if (IsTerminal(task.state) && !truth.may_have_ended() && !truth.said_end) {
        world_.Violation(what + " has not ended");
      }
      if (request.detailed && task.description != truth.spec.description) {
        world_.Violation(what + " has another description");
      }
    }
    const NodeHost* host = HostOf(slot.node->id);
    if (request.kind != Request::Kind::kList || host == nullptr) continue;
    const std::uint64_t life = request.lives.at(host->id());
    for (const auto& [id, truth] : tasks_) {
      if (nodes_[truth.host].get() != host || truth.life != life) continue;
      if (truth.admitted >= request.called || truth.may_have_ended()) continue;
      if (host->life() != life || !Matches(request.filter, truth)) continue;
      if (seen.count(id) == 0)
        world_.Violation(Name(request) + ": task " + id.ToString() + " is missing");
    }
  }
}

void Truth::CheckPromise(Request& request, const Result<Gathered>& answer) {
  if (!answer) {
    request.nothing_done = answer.error().code != ErrorCode::kOutcomeUnknown;
    return;
  }
  const bool node_answered =
      std::any_of(answer->slots.begin(), answer->slots.end(), [this](const Slot& slot) {
        return slot.reply && slot.node && slot.node->id != coordinator_.info().id;
      });
  if (!answer->intent) {
    request.nothing_done = true;
    if (node_answered) world_.Violation(Name(request) + ": a node answered, nothing was committed");
    return;
  }
  request.promised = true;
  request.intent = answer->intent;
  const auto kept = coordinator_.file.intents.find(*answer->intent);
  if (kept == coordinator_.file.intents.end()) {
    return world_.Violation(Name(request) + " was acknowledged and is not in the store");
  }
  const Intent& intent = kept->second.intent;
  const bool by_id = request.kind == Request::Kind::kCancelTask;
  if (by_id ? intent.task() == nullptr || *intent.task() != request.id.Resolve()
            : intent.filter() == nullptr || *intent.filter() != request.filter ||
                  intent.reason != request.reason) {
    world_.Violation(Name(request) + " was acknowledged with another's intent");
  }
  for (const Slot& slot : answer->slots) {
    NodeHost* host = slot.node ? HostOf(slot.node->id) : nullptr;
    if (host == nullptr) continue;
    // A node that gave birth to it has it.
    if (kept->second.asked.count(slot.node->id) == 0 &&
        host->file.applied.count(*answer->intent) == 0) {
      world_.Violation(Name(request) + ": the intent is not pending for " + host->name());
    }
    if (slot.reply && host->file.applied.count(*answer->intent) == 0) {
      world_.Violation(Name(request) + ": " + host->name() + " answered and has not journaled it");
    }
  }
}

void Truth::AnsweredGet(Request& request, const Result<GetAnswer>& answer,
                        const std::vector<SeenTask>& tasks) {
  world_.Trace("answer " + Name(request) + (answer ? "" : " " + answer.error().message));
  if (++request.answers > 1) return world_.Violation(Name(request) + " was answered twice");
  const std::optional<TaskId> id = request.id.Resolve();
  const auto known = id ? tasks_.find(*id) : tasks_.end();
  if (answer) {
    if (tasks.size() != 1 || known == tasks_.end() || tasks[0].id != *id) {
      return world_.Violation(Name(request) + " shows another task than the one asked for");
    }
    return CheckGotten(request, tasks[0], *answer);
  }
  if (known == tasks_.end() || answer.error().code != ErrorCode::kNotFound) return;
  const TrueTask& truth = known->second;
  const NodeHost& host = *nodes_[truth.host];
  const bool lives = truth.life == request.lives.at(id->node) && host.life() == truth.life &&
                     truth.admitted < request.called && !truth.may_have_ended();
  if (lives && host.member()) world_.Violation(Name(request) + ": a live task was not found");
}

void Truth::CheckGotten(const Request& request, const SeenTask& task, const GetAnswer& answer) {
  const TrueTask& truth = tasks_.at(task.id);
  const std::string what = Name(request) + ": task " + task.id.ToString();
  if (answer.ended != IsTerminal(task.state)) world_.Violation(what + ": ended, or is it?");
  if (answer.ended && !truth.may_have_ended() && !truth.said_end)
    world_.Violation(what + " has not ended");
  if (!answer.ended && truth.ended && *truth.ended < request.called) {
    world_.Violation(what + " had ended before");
  }
  if (!answer.receipt) return;
  if (answer.receipt->task != task.id) world_.Violation(what + " has another task's receipt");
  if (!task.cancelled) world_.Violation(what + " has a receipt and is not cancelled");
}

// Each task is said to have ended, to run, or to be unknown; and only what has ended has ended.
void Truth::AnsweredAwait(Request& request, const Result<std::vector<AwaitedTask>>& answer,
                          const std::vector<std::vector<SeenTask>>& seen) {
  world_.Trace("answer " + Name(request) + (answer ? "" : " " + answer.error().message));
  if (++request.answers > 1) return world_.Violation(Name(request) + " was answered twice");
  if (!answer) {
    if (answer.error().code == ErrorCode::kResourceExhausted) return;
    return world_.Violation(Name(request) + " failed: " + answer.error().message);
  }
  if (answer->size() != request.awaited.size()) {
    return world_.Violation(Name(request) + " does not have each task once");
  }
  for (std::size_t i = 0; i < answer->size(); ++i) {
    const AwaitedTask& task = (*answer)[i];
    const std::string what = Name(request) + ": task " + request.awaited[i].ToString();
    if (task.id.ToString() != request.awaited[i].ToString())
      world_.Violation(what + " is another in the answer");
    const std::optional<TaskId> id = task.id.Resolve();
    const auto known = id ? tasks_.find(*id) : tasks_.end();
    const bool may_have_ended =
        known != tasks_.end() && (known->second.may_have_ended() || known->second.said_end);
    if (task.ended && !may_have_ended) {
      world_.Violation(what + " is said to have ended, and " +
                       (known == tasks_.end() ? "never was" : "runs"));
    }
    if (task.ended && task.unknown) world_.Violation(what + " has ended, and is unknown");
    if (task.unknown) continue;
    if (seen[i].size() != 1 || known == tasks_.end() || seen[i].front().id != *id) {
      world_.Violation(what + " is shown as another, or not at all");
      continue;
    }
    CheckGotten(request, seen[i].front(), {{}, task.ended, task.receipt, nullptr});
  }
}

}  // namespace quell::sim
