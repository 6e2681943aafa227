// What a program and its node say to each other about tasks that are registered, as values.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "core/clock.h"
#include "core/ids.h"
#include "core/task.h"

namespace quell {

// A cancel on its way to the program.
struct CancelCommand {
  TaskId task;
  IntentId intent;
  std::string by;
  std::string reason;
  std::chrono::milliseconds grace{0};
  WallTime at;

  friend bool operator==(const CancelCommand&, const CancelCommand&) = default;
};

// What a program says about a task while it runs. Absent members say nothing.
struct ReportRequest {
  std::optional<std::string> status_json;
  std::optional<bool> stopping;         // It knows of the cancel and stops.
  std::optional<std::string> deferred;  // It knows, and cannot stop now: why.
  std::optional<std::string> ignoring;  // The wrapper could not force it: what is left.
  bool killed = false;                  // The wrapper forced it after the grace.
  std::optional<WallTime> last_check;   // When the program last looked for a cancel.
  ResourceReport resources;             // What the task has used; absent: not measured.
};

struct ReportReply {
  std::optional<CancelCommand> cancel;
};

// How a program says that one of its tasks went.
struct TaskEnd {
  TaskId task;
  TaskState outcome = TaskState::kSucceeded;
  ResourceReport resources = {};  // The last figures; absent: as reported before.
};

// The program's open stream.
class CommandSink {
 public:
  virtual ~CommandSink() = default;
  // On the node's executor. What is sent counts as delivered.
  virtual void OnCancel(const CancelCommand& command) = 0;
  // The node ends the stream: the session is over, or another stream took its place.
  virtual void OnClosed() = 0;
};

}  // namespace quell
