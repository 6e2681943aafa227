// What programs say to their node and hear from it, as values. The local API
// (node/local_api/local_api_server.h) carries them over HTTP; the simulation calls Node directly.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/ids.h"
#include "core/task.h"

namespace quell {

struct NewTask {
  std::string action;
  std::string description;
  std::optional<TaskId> parent;
  std::vector<TaskId>
      grandparents;  // The parent's own chain, nearest first, where the program knows it.
  // Refused if this node should know the parent and does not; else it is registered without one.
  bool parent_required = false;
  std::int32_t pid = 0;  // The process that does the work; 0: not named.
  std::string status_json;
  std::vector<Header> headers;
  bool cancellable = true;
  OnParentLost on_parent_lost = OnParentLost::kKeep;
  // Names this registration among all of the same uid: a repeat, after a lost answer, gets the task
  // that the first one made, as long as the node remembers that. Empty: each one makes a task.
  std::string key;
  // Resume after the daemon's restart: the id and the start that the task had. Only for tasks of
  // the same uid, with a number that this node has given out and that is not live and has not
  // ended.
  std::optional<TaskId> resume;
  std::optional<WallTime> start_wall;  // Also for late registration; never in the future.
  // The same moment on this host's boot clock. Without it nobody can tell whether a task that
  // registers late began before a cancel. One in the future is of another time namespace: ignored.
  std::optional<BootTime> start_boot;
};

struct RegisterRequest {
  std::optional<SessionToken> session;  // None: make one.
  std::vector<NewTask> tasks;           // All or none are registered.
};

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

struct RegisteredTask {
  TaskId id;
  std::vector<TaskId> ancestors;  // Its chain, nearest first, as the node has it: to be passed on.
  std::optional<CancelCommand> cancel;   // Born cancelled, or cancelled while it was away.
  std::optional<TaskId> unknown_parent;  // That it named: it was registered without a parent.
};

struct RegisterReply {
  SessionToken session;
  std::vector<RegisteredTask> tasks;
  // A task requires it, and this node does not know it: nothing was registered, and nothing else
  // of the reply counts.
  std::optional<TaskId> missing_parent;
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
