#include "node/tasks/task_events.h"

#include <algorithm>

namespace quell {

TaskObserver::TaskObserver(TaskEvents& events) : events_(events) {
  events_.observers_.push_back(this);
}

TaskObserver::~TaskObserver() {
  std::erase(events_.observers_, this);
}

void TaskEvents::Registered(const LiveTask& live) const {
  for (TaskObserver* observer : observers_)
    observer->OnTaskRegistered(live);
}

void TaskEvents::Changed(const LiveTask& live) const {
  for (TaskObserver* observer : observers_)
    observer->OnTaskChanged(live);
}

void TaskEvents::Cancelled(const LiveTask& live) const {
  for (TaskObserver* observer : observers_)
    observer->OnTaskCancelled(live);
}

void TaskEvents::Ended(const LiveTask& live) const {
  for (TaskObserver* observer : observers_)
    observer->OnTaskEnded(live);
}

}  // namespace quell
