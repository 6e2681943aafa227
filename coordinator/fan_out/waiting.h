// What requests that wait for tasks to end have in common.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "coordinator/fan_out/request_context.h"
#include "coordinator/gathered.h"
#include "core/limits.h"

namespace quell {

// How long a node may wait if the answer is to be here after `timeout`.
inline std::chrono::microseconds WaitWithin(MonoClock::duration timeout) {
  const auto margin = std::min<MonoClock::duration>(timeout / 4, limits::kWaitMargin);
  return std::chrono::duration_cast<std::chrono::microseconds>(timeout - margin);
}

// Tasks that had not ended when their nodes' waits were over.
inline std::uint64_t StillRunning(const std::vector<Slot>& slots) {
  std::uint64_t running = 0;
  for (const Slot& slot : slots) {
    if (!slot.reply) continue;
    if (const auto* await = std::get_if<AwaitReply>(&*slot.reply)) running += await->running;
  }
  return running;
}

// What is given up when `caller`, if there is one, leaves. The caller may have left already.
inline void GiveUpWith(const std::shared_ptr<RequestContext>& context,
                       std::function<void()> give_up) {
  if (!context) return;
  if (context->left()) return give_up();
  context->OnLeave(std::move(give_up));
}

}  // namespace quell
