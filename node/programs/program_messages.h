// How programs register tasks, as values. The local API (node/local_api/local_api_server.h) carries
// them over HTTP; the simulation calls Node directly. What programs and their node say about tasks
// that are registered is in node/tasks/task_messages.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/ids.h"
#include "core/task.h"
#include "node/tasks/task_messages.h"

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

struct RegisteredTask {
  TaskId id;
  std::vector<TaskId> ancestors;  // Its chain, nearest first, as the node has it: to be passed on.
  std::optional<CancelCommand>
      cancel;  // Cancelled on registration, or cancelled while it was away.
  std::optional<TaskId> unknown_parent;  // That it named: it was registered without a parent.
};

struct RegisterReply {
  SessionToken session;
  std::vector<RegisteredTask> tasks;
  // A task requires it, and this node does not know it: nothing was registered, and nothing else
  // of the reply counts.
  std::optional<TaskId> missing_parent;
};

}  // namespace quell
