#include "tests/support/sim_executor.h"

#include <algorithm>
#include <utility>

namespace quell {

SimExecutor::~SimExecutor() {
  alive_ = false;
  scheduler_.Drop(this);
}

void SimExecutor::Post(Work work) {
  if (alive_) scheduler_.At(scheduler_.Now(), this, std::move(work));
}

TimerId SimExecutor::At(MonoTime when, Work work) {
  if (!alive_) return TimerId::kNone;
  return scheduler_.At(clock_.TrueTime(when), this, std::move(work));
}

void SimExecutor::Cancel(TimerId timer) {
  const auto held = std::find_if(held_.begin(), held_.end(),
                                 [timer](const Held& event) { return event.id == timer; });
  if (held == held_.end()) {
    scheduler_.Cancel(timer);
    return;
  }
  const Held doomed = std::move(*held);
  held_.erase(held);
}

void SimExecutor::Resume() {
  paused_ = false;
  for (Held& event : std::exchange(held_, {})) {
    scheduler_.Insert(scheduler_.Now(), SimScheduler::Event{this, event.id, std::move(event.work)});
  }
}

bool SimExecutor::Hold(TimerId id, Work& work) {
  if (alive_ && !paused_) return false;
  held_.push_back(Held{id, std::move(work)});
  return true;
}

}  // namespace quell
