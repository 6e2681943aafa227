#include "core/filter.h"

#include <algorithm>

#include "core/wildcard.h"

namespace quell {

bool TaskFilter::Matches(const Task& task) const {
  if (parent && task.parent() != parent) return false;
  return actions.empty() || std::any_of(actions.begin(), actions.end(), [&](const auto& pattern) {
           return WildcardMatch(pattern, task.action);
         });
}

}  // namespace quell
