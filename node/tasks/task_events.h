// What happens to the tasks of this node, for the parts that follow it. TaskLifecycle publishes.
#pragma once

#include <vector>

#include "node/tasks/registry.h"

namespace quell {

class TaskObserver;

// Not thread-safe: on the node's executor. Publishing allocates nothing.
class TaskEvents {
 public:
  TaskEvents() = default;
  TaskEvents(const TaskEvents&) = delete;
  TaskEvents& operator=(const TaskEvents&) = delete;

  void Registered(const LiveTask& live) const;
  void Changed(const LiveTask& live) const;
  void Cancelled(const LiveTask& live) const;
  void Ended(const LiveTask& live) const;

 private:
  friend class TaskObserver;
  std::vector<TaskObserver*> observers_;  // In the order in which they were made.
};

// Subscribes when it is made, and unsubscribes when it is destroyed; `events` must outlive it.
// Events arrive inside the change that they report, in the order of the changes. An observer must
// not register, change, cancel or end tasks, nor subscribe others, inside an event: it posts that.
class TaskObserver {
 public:
  explicit TaskObserver(TaskEvents& events);
  TaskObserver(const TaskObserver&) = delete;
  TaskObserver& operator=(const TaskObserver&) = delete;

  // The task is new, or this start of the daemon has taken it over from an earlier one. Comes
  // before any other event of the task.
  virtual void OnTaskRegistered(const LiveTask&) {}
  // Its status, its resources, its program or its receipt may differ from before.
  virtual void OnTaskChanged(const LiveTask&) {}
  // It has its first cancel mark. Once for each task.
  virtual void OnTaskCancelled(const LiveTask&) {}
  // It has ended: its state is the outcome and its receipt is final. It leaves the registry right
  // after this event. The last event of the task.
  virtual void OnTaskEnded(const LiveTask&) {}

 protected:
  ~TaskObserver();

 private:
  TaskEvents& events_;
};

}  // namespace quell
