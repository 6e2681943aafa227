#include "host/process/sweep.h"

#include <algorithm>
#include <csignal>

namespace quell::process {
namespace {

using std::chrono::milliseconds;

// Orders processes by their start. Within one tick pids ascend, except for the moment in which they
// begin anew.
std::pair<std::uint64_t, pid_t> Age(const Process& process) {
  return {process.stat.start_ticks, process.stat.pid};
}

// The pids of `tree` below another `quell run`, and those wrappers themselves.
struct Nested {
  std::set<pid_t> wrappers;
  std::set<pid_t> below;
};

Nested FindNested(const std::vector<Process>& tree) {
  Nested nested;
  for (const Process& process : tree) {  // Parents come before their children.
    const pid_t parent = process.stat.parent;
    if (process.is_wrapper && !process.stat.ended()) nested.wrappers.insert(process.stat.pid);
    if (nested.wrappers.contains(parent) || nested.below.contains(parent)) {
      nested.below.insert(process.stat.pid);
    }
  }
  return nested;
}

}  // namespace

Sweep::Sweep(MonoTime now, milliseconds grace) : deadline_(now + grace), next_(now) {}

void Sweep::ShortenGrace(MonoTime now, milliseconds grace) {
  deadline_ = std::min(deadline_, now + grace);
  next_ = now;
}

std::vector<Sweep::Action> Sweep::Decide(MonoTime now, const std::vector<Process>& tree) {
  std::vector<Action> actions;
  if (!youngest_at_start_) {
    youngest_at_start_.emplace();
    for (const Process& process : tree)
      youngest_at_start_ = std::max(*youngest_at_start_, Age(process));
  }
  if (forcing(now)) {
    Force(now, tree, actions);
  } else {
    Ask(tree, actions);
  }
  ++rounds_;
  // Quick while things move, then slowly: a look costs a read of /proc.
  milliseconds pause(10);
  if (rounds_ > 20) pause = milliseconds(100);
  if (rounds_ > 50) pause = milliseconds(1000);
  next_ = now + pause;
  if (!forcing(now)) next_ = std::min(next_, deadline_);
  return actions;
}

void Sweep::Ask(const std::vector<Process>& tree, std::vector<Action>& actions) {
  const Nested nested = FindNested(tree);
  for (const Process& process : tree) {
    if (process.stat.ended() || nested.below.contains(process.stat.pid)) continue;
    if (!command_ended_ && Age(process) > *youngest_at_start_) continue;
    if (!asked_.insert(Key(process)).second) continue;
    actions.push_back({process, SIGTERM});
    if (process.stat.may_be_stopped()) actions.push_back({process, SIGCONT});
  }
}

void Sweep::Force(MonoTime now, const std::vector<Process>& tree, std::vector<Action>& actions) {
  if (forced_.empty()) rounds_ = 0;
  const bool all = now >= deadline_ + kNestedPatience;
  const Nested nested = all ? Nested{} : FindNested(tree);
  for (const Process& process : tree) {
    if (process.stat.ended()) continue;
    if (nested.wrappers.contains(process.stat.pid) || nested.below.contains(process.stat.pid))
      continue;
    forced_.try_emplace(Key(process), now);
    actions.push_back({process, SIGKILL});
  }
}

void Sweep::Refused(const Process& process, std::string why) {
  refused_[Key(process)] = std::move(why);
}

bool Sweep::killed() const {
  return std::any_of(forced_.begin(), forced_.end(),
                     [this](const auto& forced) { return !refused_.contains(forced.first); });
}

std::string Sweep::Stubborn(MonoTime now, const std::vector<Process>& tree) const {
  std::string text;
  for (const Process& process : tree) {
    if (process.stat.ended()) continue;
    const auto forced = forced_.find(Key(process));
    if (forced == forced_.end()) continue;
    const auto refused = refused_.find(Key(process));
    std::string why;
    if (refused != refused_.end()) {
      why = refused->second;
    } else if (now >= forced->second + kStubbornAfter) {
      why = std::string("killed, and still there in state ") + process.stat.state;
    } else {
      continue;
    }
    if (!text.empty()) text += "; ";
    text += "pid " + std::to_string(process.stat.pid) + " (" + process.stat.command + "): " + why;
  }
  return text;
}

}  // namespace quell::process
