#include "core/task.h"

#include <algorithm>
#include <array>

namespace quell {
namespace {

constexpr std::size_t kStates = 13;

// In the order of the enumeration.
constexpr std::array<std::string_view, kStates> kTaskStates = {
    "scheduled", "submitted", "accepted",  "starting", "running", "stopping", "finalizing",
    "succeeded", "failed",    "cancelled", "expired",  "lost",    "rejected"};

constexpr std::size_t Index(TaskState state) {
  return static_cast<std::size_t>(state);
}

template <typename... States>
constexpr unsigned Set(States... states) {
  return ((1U << Index(states)) | ... | 0U);
}

// Where each state may lead. Steps may be skipped, since a node can learn of several at once.
// Cancelled and expired end work at any moment; the other ends say something about the work: it was
// never taken (rejected), it ran (succeeded), it was at least being started (failed, lost).
constexpr std::array<unsigned, kStates> kMoves = [] {
  using enum TaskState;
  constexpr unsigned untaken = Set(kCancelled, kExpired, kRejected);
  constexpr unsigned taken = Set(kCancelled, kExpired, kFailed);
  constexpr unsigned begun = taken | Set(kLost);
  constexpr unsigned ran = begun | Set(kSucceeded);
  std::array<unsigned, kStates> moves{};
  moves[Index(kScheduled)] = untaken | Set(kSubmitted, kAccepted, kStarting, kRunning);
  moves[Index(kSubmitted)] = untaken | Set(kAccepted, kStarting, kRunning);
  moves[Index(kAccepted)] = taken | Set(kStarting, kRunning);
  moves[Index(kStarting)] = begun | Set(kRunning, kStopping);
  moves[Index(kRunning)] = ran | Set(kStopping, kFinalizing);
  moves[Index(kStopping)] = ran | Set(kFinalizing);
  moves[Index(kFinalizing)] = ran;
  return moves;
}();

}  // namespace

std::string_view ToString(TaskState state) {
  return kTaskStates[Index(state)];
}

std::optional<TaskState> TaskStateFromString(std::string_view text) {
  for (std::size_t i = 0; i < kStates; ++i) {
    if (kTaskStates[i] == text) return static_cast<TaskState>(i);
  }
  return std::nullopt;
}

std::string_view ToString(OnParentLost policy) {
  return policy == OnParentLost::kCancel ? "cancel" : "keep";
}

std::optional<OnParentLost> OnParentLostFromString(std::string_view text) {
  for (const OnParentLost policy : {OnParentLost::kKeep, OnParentLost::kCancel}) {
    if (ToString(policy) == text) return policy;
  }
  return std::nullopt;
}

std::ostream& operator<<(std::ostream& out, TaskState state) {
  return out << ToString(state);
}

bool IsTerminal(TaskState state) {
  return state >= TaskState::kSucceeded;
}

bool CanMove(TaskState from, TaskState to) {
  return (kMoves[Index(from)] >> Index(to) & 1U) != 0;
}

Status Task::Move(TaskState to, MonoTime now, WallTime wall) {
  if (!CanMove(state, to)) {
    return Error{ErrorCode::kFailedPrecondition,
                 "task " + id.ToString() + " is " + std::string(quell::ToString(state)) +
                     " and cannot become " + std::string(quell::ToString(to))};
  }
  state = to;
  if (IsTerminal(to)) {
    end_mono = now;
    end_wall = wall;
    resources.End();
  }
  return {};
}

TaskView View(const Task& task, MonoTime now) {
  TaskView view;
  view.id = task.id;
  view.type = task.type;
  view.action = task.action;
  view.description = task.description;
  view.status_json = task.status_json;
  view.state = task.state;
  view.cancellable = task.cancellable;
  view.detached = task.detached;
  if (task.cancel) {
    view.cancelled = true;
    view.cancelled_at = task.cancel->at;
    view.cancelled_by = task.cancel->by;
    view.cancel_reason = task.cancel->reason;
  }
  view.start_wall = task.start_wall;
  view.running =
      std::max(task.end_mono.value_or(now) - task.start_mono, MonoClock::duration::zero());
  view.parent = task.parent();
  view.headers = task.headers;
  view.owner_uid = task.owner_uid;
  view.pid = task.pid;
  view.on_parent_lost = task.on_parent_lost;
  view.last_check = task.last_check;
  view.resources = task.resources;
  return view;
}

}  // namespace quell
