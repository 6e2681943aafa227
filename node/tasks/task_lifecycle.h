// What happens to tasks: the one place that moves them and writes their receipts.
#pragma once

#include <functional>
#include <optional>

#include "node/cancels/overdue.h"
#include "node/state.h"

namespace quell {

// Not thread-safe: on the node's executor.
class TaskLifecycle {
 public:
  explicit TaskLifecycle(NodeState& state) : state_(state), overdue_(state) {}

  // The task is cancelled as its tombstone says. Its program is not told before Release().
  void Mark(LiveTask& live, const Tombstone& tombstone);
  // The mark is journaled, or cannot be: the program is told, at once if it has a stream.
  void Release(LiveTask& live);
  // Tells it again by its open stream, if it has one.
  void Tell(LiveTask& live);
  // For an answer that goes to the program: the cancel, if there is one to tell. Counts as
  // delivered.
  std::optional<CancelCommand> TakeCommand(LiveTask& live);
  // The program says when it last looked for a cancel.
  void Checked(LiveTask& live, WallTime when);
  // The program says that it knows. Without a cancel it means nothing.
  void Acknowledge(LiveTask& live, const ReportRequest& report);
  // As it has ended, to be journaled: Journal::RecordEnded(). Errors: kFailedPrecondition if it
  // cannot end so; nothing changed.
  Result<Task> End(LiveTask& live, TaskState outcome);

  // As it is to be shown now.
  TaskView ViewOf(const LiveTask& live) const;
  std::optional<Receipt> ReceiptOf(const LiveTask& live) const;
  // What is known of a task under the intent whose tombstone it has.
  Receipt ReceiptOf(const Tombstone& tombstone) const;
  const CancelledRunning& cancelled_running() const { return overdue_.counts(); }

 private:
  static CancelCommand CommandFor(const LiveTask& live);
  void Delivered(LiveTask& live);

  NodeState& state_;
  Overdue overdue_;
};

}  // namespace quell
