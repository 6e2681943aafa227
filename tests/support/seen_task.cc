#include "tests/support/seen_task.h"

namespace quell {

SeenTask::SeenTask(const TaskView& view)
    : id(view.id),
      type(view.type),
      action(view.action),
      description(view.description),
      status_json(view.status_json),
      state(view.state),
      cancellable(view.cancellable),
      detached(view.detached),
      cancelled(view.cancelled),
      cancelled_at(view.cancelled_at),
      cancelled_by(view.cancelled_by),
      cancel_reason(view.cancel_reason),
      start_wall(view.start_wall),
      running(view.running),
      parent(view.parent),
      headers(view.headers.begin(), view.headers.end()),
      owner_uid(view.owner_uid),
      pid(view.pid),
      on_parent_lost(view.on_parent_lost),
      last_check(view.last_check),
      resources(view.resources) {}

TaskView SeenTask::View() const {
  TaskView view;
  view.id = id;
  view.type = type;
  view.action = action;
  view.description = description;
  view.status_json = status_json;
  view.state = state;
  view.cancellable = cancellable;
  view.detached = detached;
  view.cancelled = cancelled;
  view.cancelled_at = cancelled_at;
  view.cancelled_by = cancelled_by;
  view.cancel_reason = cancel_reason;
  view.start_wall = start_wall;
  view.running = running;
  view.parent = parent;
  view.headers = headers;
  view.owner_uid = owner_uid;
  view.pid = pid;
  view.on_parent_lost = on_parent_lost;
  view.last_check = last_check;
  view.resources = resources;
  return view;
}

}  // namespace quell
