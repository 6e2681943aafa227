#include "node/cancels/overdue.h"

#include <algorithm>

#include "core/limits.h"

namespace quell {

void Overdue::OnTaskCancelled(const LiveTask& live) {
  waiting_.push_back({context_.now() + limits::kStillRunsAfter, live.task.id.number});
  Arm();
}

void Overdue::OnTaskEnded(const LiveTask& live) {
  if (live.overdue) --counts_.now;
}

void Overdue::Arm() {
  if (armed_ || waiting_.empty()) return;
  armed_ = true;
  const MonoTime due = std::max(waiting_.front().due, context_.now());
  context_.executor.At(due, context_.lifetime.Guard([this] { OnTimer(); }));
}

void Overdue::OnTimer() {
  armed_ = false;
  const MonoTime now = context_.now();
  for (std::size_t looks = limits::kLooksPerTurn; looks > 0; --looks) {
    if (waiting_.empty() || waiting_.front().due > now) break;
    LiveTask* live = registry_.Find(waiting_.front().number);
    if (live != nullptr && !live->overdue) {
      live->overdue = true;
      ++counts_.now;
      ++counts_.total;
    }
    waiting_.pop_front();
  }
  Arm();
}

}  // namespace quell
