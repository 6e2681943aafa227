#include "cli/run/sweep.h"

#include <algorithm>
#include <csignal>
#include <unordered_map>

namespace quell::cli {
namespace {

using std::chrono::milliseconds;

// The pids of `tree` below another `quell run`, and those wrappers themselves.
struct Nested {
  std::set<pid_t> wrappers;
  std::set<pid_t> below;
};

Nested FindNested(const std::vector<Process>& tree) {
  std::map<pid_t, const Process*> by_pid;
  for (const Process& process : tree) by_pid[process.pid] = &process;
  Nested nested;
  for (const Process& process : tree) {
    if (process.is_wrapper) nested.wrappers.insert(process.pid);
    std::size_t steps = 0;  // A tree that changed while it was read may even hold a circle.
    for (auto at = by_pid.find(process.parent); at != by_pid.end() && steps <= tree.size();
         at = by_pid.find(at->second->parent), ++steps) {
      if (at->second->is_wrapper && at->second->state != 'Z') {
        nested.below.insert(process.pid);
        break;
      }
    }
  }
  return nested;
}

bool Ended(const Process& process) {
  return process.state == 'Z' || process.state == 'X';
}

}  // namespace

std::vector<Process> Descendants(const std::vector<Process>& all, pid_t root) {
  std::unordered_map<pid_t, std::vector<const Process*>> children;
  for (const Process& process : all) children[process.parent].push_back(&process);
  std::vector<Process> found;
  std::vector<pid_t> todo{root};
  std::set<pid_t> seen{root};
  while (!todo.empty()) {
    const auto at = children.find(todo.back());
    todo.pop_back();
    if (at == children.end()) continue;
    for (const Process* child : at->second) {
      if (!seen.insert(child->pid).second) continue;
      found.push_back(*child);
      todo.push_back(child->pid);
    }
  }
  std::sort(found.begin(), found.end(),
            [](const Process& a, const Process& b) { return a.pid < b.pid; });
  return found;
}

Sweep::Sweep(MonoTime now, milliseconds grace)
    : deadline_(now + grace), next_(now) {}

void Sweep::ShortenGrace(MonoTime now, milliseconds grace) {
  deadline_ = std::min(deadline_, now + grace);
  next_ = now;
}

std::vector<Sweep::Action> Sweep::Decide(MonoTime now, const std::vector<Process>& tree) {
  std::vector<Action> actions;
  if (!newest_at_start_) {
    std::uint64_t newest = 0;
    for (const Process& process : tree) newest = std::max(newest, process.start_ticks);
    newest_at_start_ = newest;
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
    if (Ended(process) || nested.below.contains(process.pid)) continue;
    if (!command_ended_ && process.start_ticks > *newest_at_start_) continue;
    if (!asked_.insert(Key(process)).second) continue;
    actions.push_back({process, SIGTERM});
    if (process.state == 'T') actions.push_back({process, SIGCONT});
  }
}

void Sweep::Force(MonoTime now, const std::vector<Process>& tree, std::vector<Action>& actions) {
  if (forced_.empty()) rounds_ = 0;
  const bool all = now >= deadline_ + kNestedPatience;
  const Nested nested = all ? Nested{} : FindNested(tree);
  for (const Process& process : tree) {
    if (Ended(process)) continue;
    if (nested.wrappers.contains(process.pid) || nested.below.contains(process.pid)) continue;
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
    if (Ended(process)) continue;
    const auto forced = forced_.find(Key(process));
    if (forced == forced_.end()) continue;
    const auto refused = refused_.find(Key(process));
    std::string why;
    if (refused != refused_.end()) {
      why = refused->second;
    } else if (now >= forced->second + kStubbornAfter) {
      why = std::string("killed, and still there in state ") + process.state;
    } else {
      continue;
    }
    if (!text.empty()) text += "; ";
    text += "pid " + std::to_string(process.pid) + " (" + process.name + "): " + why;
  }
  return text;
}

}  // namespace quell::cli
