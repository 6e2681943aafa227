// A task: one unit of work, known to the one node that hosts it from its registration on. Only that
// node writes facts about it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/ids.h"
#include "core/resource_use.h"
#include "core/result.h"

namespace quell {

// Forward only; see CanMove(). What became of a *cancel* is a receipt's matter (core/receipt.h):
// two lists, see docs/glossary.md.
enum class TaskState : std::uint8_t {
  kScheduled,
  kSubmitted,
  kAccepted,
  kStarting,
  kRunning,
  kStopping,  // A cancel was delivered, the end has not been seen.
  kFinalizing,
  kSucceeded,
  kFailed,
  kCancelled,
  kExpired,
  kLost,  // The program went away without a word; how the work ended cannot be known.
  kRejected,
};

std::string_view ToString(TaskState state);
std::optional<TaskState> TaskStateFromString(std::string_view text);
std::ostream& operator<<(std::ostream& out, TaskState state);

// Succeeded, failed, cancelled, expired, lost and rejected.
bool IsTerminal(TaskState state);

// The one transition function: may a task go from `from` to `to`? Never back, never out of an end.
bool CanMove(TaskState from, TaskState to);

// What becomes of a task whose parent, on the same node, is lost.
enum class OnParentLost : std::uint8_t { kKeep, kCancel };

std::string_view ToString(OnParentLost policy);
std::optional<OnParentLost> OnParentLostFromString(std::string_view text);

struct Header {
  std::string name;
  std::string value;

  friend bool operator==(const Header&, const Header&) = default;
};

// The mark that a cancel leaves on its task: set once, kept for ever.
struct CancelMark {
  IntentId intent;
  WallTime at;                         // When the hosting node recorded it.
  std::string by;                      // The principal's name.
  std::string reason;                  // May be empty.
  std::chrono::milliseconds grace{0};  // From delivery to force.
  bool inherited = false;              // An ancestor was the target.

  friend bool operator==(const CancelMark&, const CancelMark&) = default;
};

struct Task {
  TaskId id;
  std::string type = "transport";
  std::string action;
  std::string description;
  std::string status_json;  // A JSON object, or empty: the program reported none.
  TaskState state = TaskState::kRunning;
  bool cancellable = true;
  bool detached = false;  // Its program's stream broke; it lives on by its pid or its lease.
  std::optional<CancelMark> cancel;
  WallTime start_wall;
  MonoTime start_mono;
  // On this host, in its present boot. None: only its program knows it, by a clock that may step.
  std::optional<BootTime> start_boot;
  std::optional<MonoTime> end_mono;  // Once terminal.
  std::optional<WallTime> end_wall;
  std::vector<TaskId>
      ancestors;  // Nearest first; ancestors[0] is the parent; see limits::kAncestorsMax.
  std::vector<Header> headers;  // X-Opaque-Id, traceparent.
  std::uint32_t owner_uid = 0;
  std::int32_t pid = 0;  // As the program named it; 0: none.
  OnParentLost on_parent_lost = OnParentLost::kKeep;
  std::optional<WallTime> last_check;  // When its program last looked for a cancel, if it says so.
  ResourceUse resources;               // As its program reports it.

  std::optional<TaskId> parent() const {
    return ancestors.empty() ? std::nullopt : std::optional(ancestors.front());
  }
  // Moves to `to`; at an end it stamps it, and nothing is at work any more. Errors:
  // kFailedPrecondition, nothing changed, if CanMove() says no.
  Status Move(TaskState to, MonoTime now, WallTime wall);
};

// What a list shows of a task: views into memory that somebody else owns and that is gone when the
// call that handed the view out returns. Lists are rendered from views, so that no task is copied.
struct TaskView {
  TaskId id;
  std::string_view type;
  std::string_view action;
  std::string_view description;
  std::string_view status_json;
  TaskState state = TaskState::kRunning;
  bool cancellable = true;
  bool detached = false;
  bool cancelled = false;
  WallTime cancelled_at;           // If cancelled.
  std::string_view cancelled_by;   // If cancelled.
  std::string_view cancel_reason;  // If cancelled.
  WallTime start_wall;
  std::chrono::nanoseconds running{0};
  std::optional<TaskId> parent;
  std::span<const Header> headers;
  std::uint32_t owner_uid = 0;
  std::int32_t pid = 0;
  OnParentLost on_parent_lost = OnParentLost::kKeep;
  std::optional<WallTime> last_check;
  ResourceUse resources;
};

// `now` gives the running time of a task that has not ended.
TaskView View(const Task& task, MonoTime now);

}  // namespace quell
