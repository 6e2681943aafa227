// What happens to tasks: the one place that moves them, writes their receipts, and publishes what
// has happened.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/receipt.h"
#include "core/task.h"
#include "node/journal/journal.h"
#include "node/tasks/node_context.h"
#include "node/tasks/registry.h"
#include "node/tasks/session.h"
#include "node/tasks/task_events.h"
#include "node/tasks/task_messages.h"

namespace quell {

// Not thread-safe: on the node's executor.
class TaskLifecycle {
 public:
  // `receipts`: those that the journal recovered.
  TaskLifecycle(const NodeContext& context, Journal& journal, Registry& registry,
                const std::vector<Receipt>& receipts);

  // Where observers of the tasks subscribe.
  TaskEvents& events() { return events_; }

  // The task lives from now on, and the program of `session` speaks for it. `process`, `key`: as
  // Session::Add() and Registry::Add() take them. `claimed_start`: as LiveTask has it.
  LiveTask& Add(Task task, std::string key, Session& session, std::shared_ptr<NamedProcess> process,
                bool claimed_start);
  // Another session speaks for the task from now on, by the process `pid`. Returns whether the
  // process by which the task lives is another one than before.
  bool MoveTo(LiveTask& live, Session& session, std::int32_t pid,
              std::shared_ptr<NamedProcess> process);
  // The task is cancelled as its tombstone says. Its program is not told before Release().
  void Mark(LiveTask& live, const Tombstone& tombstone);
  // The mark is journaled, or cannot be: the program is told, at once if it has a stream.
  void Release(LiveTask& live);
  // Tells it again by its open stream, if it has one.
  void Tell(LiveTask& live);
  // For an answer that goes to the program: the cancel, if there is one to tell. Counts as
  // delivered.
  std::optional<CancelCommand> TakeCommand(LiveTask& live);
  // What the program says of the task. What it says of a cancel means nothing without one.
  void Report(LiveTask& live, const ReportRequest& report);
  // As it has ended, to be journaled: Journal::RecordEnded(). `resources` are its last figures.
  // Errors: kFailedPrecondition if it cannot end so; only the figures were taken.
  Result<Task> End(LiveTask& live, TaskState outcome, const ResourceReport& resources = {});

  // As it is to be shown now.
  TaskView ViewOf(const LiveTask& live) const;
  std::optional<Receipt> ReceiptOf(const LiveTask& live) const;
  // What is known of a task under the intent whose tombstone it has.
  Receipt ReceiptOf(const Tombstone& tombstone) const;
  // Of a task that ended so long ago that only the journal has it; nullopt: it was not cancelled.
  std::optional<Receipt> ReceiptOfEnded(const Task& task) const;
  // The tombstone of this number is forgotten, and a receipt of an earlier life with it.
  void ForgetReceipt(std::uint64_t number) { receipts_.erase(number); }

 private:
  static CancelCommand CommandFor(const LiveTask& live);
  void Delivered(LiveTask& live);
  void Acknowledge(LiveTask& live, const ReportRequest& report);

  const NodeContext& context_;
  Journal& journal_;
  Registry& registry_;
  TaskEvents events_;
  // Of earlier lives, by number, until the task is resumed. Looked up, never walked.
  std::unordered_map<std::uint64_t, Receipt> receipts_;
};

}  // namespace quell
