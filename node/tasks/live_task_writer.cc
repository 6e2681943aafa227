#include "node/tasks/live_task_writer.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "core/limits.h"
#include "node/tasks/session.h"

namespace quell {
namespace {

// Without what its program brings with it, or what the journal has elsewhere.
LiveTaskRecord ToKeep(const LiveTask& live, const std::string& boot_id) {
  LiveTaskRecord kept;
  kept.task.id = live.task.id;
  kept.task.type = live.task.type;
  kept.task.action = live.task.action;
  kept.task.description = live.task.description;
  kept.task.cancellable = live.task.cancellable;
  kept.task.start_wall = live.task.start_wall;
  kept.task.start_boot = live.task.start_boot;
  if (live.task.start_boot) kept.boot_id = boot_id;
  kept.task.ancestors = live.task.ancestors;
  kept.task.headers = live.task.headers;
  kept.task.owner_uid = live.task.owner_uid;
  kept.task.pid = live.task.pid;
  kept.task.on_parent_lost = live.task.on_parent_lost;
  kept.key = live.key;
  kept.lives_by = live.session->ProcessOf(live.task);
  kept.unchecked = live.unchecked;
  return kept;
}

}  // namespace

void LiveTaskWriter::Changed(std::uint64_t number) {
  waiting_.push_back(number);
  WriteLater();
}

void LiveTaskWriter::WriteLater() {
  if (writing_ || timer_ != TimerId::kNone || waiting_.empty()) return;
  timer_ = context_.executor.After(limits::kDiskDelay, context_.lifetime.Guard([this] {
    timer_ = TimerId::kNone;
    Write();
  }));
}

std::vector<LiveTaskRecord> LiveTaskWriter::TakePiece() {
  std::vector<LiveTaskRecord> piece;
  while (!waiting_.empty() && piece.size() < limits::kPageTasks) {
    if (const LiveTask* live = registry_.Find(waiting_.front()))
      piece.push_back(ToKeep(*live, context_.info.boot_id));
    waiting_.pop_front();
  }
  return piece;
}

void LiveTaskWriter::Write() {
  std::vector<LiveTaskRecord> piece = TakePiece();
  if (piece.empty()) return;
  writing_ = true;
  std::vector<std::uint64_t> numbers;
  for (const LiveTaskRecord& kept : piece)
    numbers.push_back(kept.task.id.number);
  journal_.RecordLive(
      std::move(piece),
      context_.lifetime.Guard([this, numbers = std::move(numbers)](const Status& kept) {
        writing_ = false;
        if (kept) return Write();
        waiting_.insert(waiting_.end(), numbers.begin(), numbers.end());
        WriteLater();
      }));
}

void LiveTaskWriter::Flush() {
  context_.executor.Cancel(timer_);
  timer_ = TimerId::kNone;
  while (!waiting_.empty())
    journal_.RecordLive(TakePiece(), [](const Status&) {});
}

}  // namespace quell
