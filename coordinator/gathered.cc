#include "coordinator/gathered.h"

#include <algorithm>

namespace quell {

std::size_t Gathered::failed() const {
  return static_cast<std::size_t>(std::count_if(
      slots.begin(), slots.end(), [](const Slot& slot) { return slot.failure.has_value(); }));
}

bool Gathered::misses_tasks() const {
  return std::any_of(slots.begin(), slots.end(),
                     [](const Slot& slot) { return !slot.task_failures.empty(); });
}

}  // namespace quell
