#include "node/tasks/task_lifecycle.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/limits.h"
#include "core/utf8.h"

namespace quell {
namespace {

Receipt NewReceipt(const TaskId& task, const CancelMark& mark) {
  Receipt receipt;
  receipt.task = task;
  receipt.intent = mark.intent;
  receipt.recorded_at = mark.at;
  return receipt;
}

// How long ago the program looked for a cancel, in words.
std::string LastLook(const Task& task, WallTime now) {
  if (!task.last_check) return "the program has never said that it looked for a cancel";
  const auto ago = std::chrono::floor<std::chrono::seconds>(now - *task.last_check);
  return "the program last looked " + std::to_string(ago.count()) + " s ago";
}

void SetEnded(Receipt& receipt, const Task& task) {
  receipt.state = ReceiptState::kEnded;
  receipt.ended_at = task.end_wall;
  receipt.outcome = task.state;
}

}  // namespace

TaskLifecycle::TaskLifecycle(const NodeContext& context, Journal& journal, Registry& registry,
                             const std::vector<Receipt>& receipts)
    : context_(context), journal_(journal), registry_(registry) {
  for (const Receipt& receipt : receipts)
    receipts_.emplace(receipt.task.number, receipt);
}

LiveTask& TaskLifecycle::Add(Task task, std::string key, Session& session,
                             std::shared_ptr<NamedProcess> process, bool claimed_start) {
  LiveTask& live = registry_.Add(std::move(task), std::move(key));
  live.session = &session;
  live.claimed_start = claimed_start;
  session.Add(live.task, std::move(process));
  events_.Registered(live);
  return live;
}

bool TaskLifecycle::MoveTo(LiveTask& live, Session& session, std::int32_t pid,
                           std::shared_ptr<NamedProcess> process) {
  const ProcessName before = live.session->ProcessOf(live.task);
  live.session->Remove(live.task);
  live.task.pid = pid;
  live.session = &session;
  session.Add(live.task, std::move(process));
  events_.Changed(live);
  return session.ProcessOf(live.task) != before;
}

void TaskLifecycle::Mark(LiveTask& live, const Tombstone& tombstone) {
  live.task.cancel = tombstone.mark;
  live.receipt = std::make_unique<Receipt>(NewReceipt(live.task.id, tombstone.mark));
  live.may_tell = false;
  const auto earlier = receipts_.find(tombstone.number);
  if (earlier != receipts_.end()) {
    if (earlier->second.intent == tombstone.mark.intent) *live.receipt = std::move(earlier->second);
    receipts_.erase(earlier);
  }
  events_.Cancelled(live);
}

void TaskLifecycle::Release(LiveTask& live) {
  live.may_tell = true;
  Tell(live);
}

void TaskLifecycle::Tell(LiveTask& live) {
  if (!live.task.cancel || !live.may_tell || live.session->sink == nullptr) return;
  const std::shared_ptr<CommandSink> sink = live.session->sink;
  const CancelCommand command = CommandFor(live);
  Delivered(live);
  sink->OnCancel(command);
}

std::optional<CancelCommand> TaskLifecycle::TakeCommand(LiveTask& live) {
  if (!live.task.cancel || !live.may_tell) return std::nullopt;
  Delivered(live);
  return CommandFor(live);
}

CancelCommand TaskLifecycle::CommandFor(const LiveTask& live) {
  const CancelMark& mark = *live.task.cancel;
  return {live.task.id, mark.intent, mark.by, mark.reason, mark.grace, mark.at};
}

void TaskLifecycle::Delivered(LiveTask& live) {
  Receipt& receipt = *live.receipt;
  if (receipt.delivered_at) return;
  receipt.delivered_at = context_.wall();
  if (receipt.state == ReceiptState::kCancelRequested) receipt.state = ReceiptState::kDelivered;
  if (CanMove(live.task.state, TaskState::kStopping)) {
    (void)live.task.Move(TaskState::kStopping, context_.now(), context_.wall());
  }
  journal_.RecordReceipt(receipt);
  events_.Changed(live);
}

void TaskLifecycle::Report(LiveTask& live, const ReportRequest& report) {
  if (report.status_json) live.task.status_json = *report.status_json;
  live.task.resources.Take(report.resources);
  if (report.last_check) {
    const WallTime when = std::min(*report.last_check, context_.wall());
    if (!live.task.last_check || *live.task.last_check < when) live.task.last_check = when;
  }
  Acknowledge(live, report);
  events_.Changed(live);
}

void TaskLifecycle::Acknowledge(LiveTask& live, const ReportRequest& report) {
  if (!live.receipt) return;
  const bool knows =
      report.stopping.value_or(false) || report.deferred || report.ignoring || report.killed;
  if (knows) Delivered(live);  // Perhaps by an earlier life of this daemon.
  const Receipt before = *live.receipt;
  Receipt& receipt = *live.receipt;
  const WallTime now = context_.wall();
  if (report.stopping.value_or(false)) receipt.state = ReceiptState::kStopping;
  if (report.deferred) {
    receipt.state = ReceiptState::kDeferred;
    receipt.note = CutUtf8(*report.deferred, limits::kNoteMax);
  }
  if (report.killed) receipt.state = ReceiptState::kKilled;
  if (report.ignoring) {
    receipt.state = ReceiptState::kIgnoring;
    receipt.note = CutUtf8(*report.ignoring, limits::kNoteMax);
  }
  if (knows && !receipt.acknowledged_at) receipt.acknowledged_at = now;
  if (report.killed && !receipt.escalated_at) receipt.escalated_at = now;
  if (receipt != before) journal_.RecordReceipt(receipt);
}

Result<Task> TaskLifecycle::End(LiveTask& live, TaskState outcome,
                                const ResourceReport& resources) {
  live.task.resources.Take(resources);
  if (Status moved = live.task.Move(outcome, context_.now(), context_.wall()); !moved) {
    return moved.error();
  }
  live.session->Remove(live.task);
  if (live.receipt) SetEnded(*live.receipt, live.task);
  events_.Ended(live);
  const EndedTask& ended = registry_.End(live);
  if (ended.receipt) journal_.RecordReceipt(*ended.receipt);
  return ended.task;
}

TaskView TaskLifecycle::ViewOf(const LiveTask& live) const {
  TaskView view = View(live.task, context_.now());
  view.detached = live.session->detached();
  return view;
}

std::optional<Receipt> TaskLifecycle::ReceiptOf(const LiveTask& live) const {
  if (!live.receipt) return std::nullopt;
  Receipt receipt = *live.receipt;
  if (receipt.state == ReceiptState::kCancelRequested && live.session->detached()) {
    receipt.state = ReceiptState::kOrphaned;
  }
  // Told, silent, and past the grace: nobody here can force it.
  if (receipt.state == ReceiptState::kDelivered && live.task.cancel->grace.count() > 0 &&
      context_.wall() > *receipt.delivered_at + live.task.cancel->grace) {
    receipt.state = ReceiptState::kIgnoring;
    receipt.note = LastLook(live.task, context_.wall());
  }
  return receipt;
}

Receipt TaskLifecycle::ReceiptOf(const Tombstone& tombstone) const {
  if (const LiveTask* live = registry_.Find(tombstone.number)) {
    if (auto receipt = ReceiptOf(*live)) return *receipt;
  }
  Receipt receipt = NewReceipt(context_.IdOf(tombstone.number), tombstone.mark);
  if (const EndedTask* ended = registry_.FindEnded(tombstone.number)) {
    if (ended->receipt) return *ended->receipt;
    SetEnded(receipt, ended->task);  // It had ended before the cancel came.
    return receipt;
  }
  const auto earlier = receipts_.find(tombstone.number);
  return earlier != receipts_.end() ? earlier->second : receipt;
}

std::optional<Receipt> TaskLifecycle::ReceiptOfEnded(const Task& task) const {
  if (!task.cancel) return std::nullopt;
  const auto earlier = receipts_.find(task.id.number);
  Receipt receipt =
      earlier != receipts_.end() ? earlier->second : NewReceipt(task.id, *task.cancel);
  SetEnded(receipt, task);
  return receipt;
}

}  // namespace quell
