#include "coordinator/api/opensearch/tasks/forest.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <unordered_map>

#include "core/limits.h"

namespace quell::opensearch {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

// Parents and children as indices into the input.
class Forest {
 public:
  explicit Forest(const std::vector<TreeKey>& tasks)
      : order_(tasks.size()),
        parent_(tasks.size(), kNone),
        first_(tasks.size(), kNone),
        next_(tasks.size(), kNone),
        seen_(tasks.size(), false) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::stable_sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
      return std::tie(tasks[a].start, tasks[a].id) < std::tie(tasks[b].start, tasks[b].id);
    });
    std::unordered_map<TaskId, std::size_t> known;
    known.reserve(tasks.size());
    for (std::size_t i = 0; i < tasks.size(); ++i)
      known.emplace(tasks[i].id, i);
    // From the last to the first: each child is put before those that come after it.
    for (auto it = order_.rbegin(); it != order_.rend(); ++it) {
      if (!tasks[*it].parent) continue;
      const auto found = known.find(*tasks[*it].parent);
      if (found == known.end()) continue;
      parent_[*it] = found->second;
      next_[*it] = first_[found->second];
      first_[found->second] = *it;
    }
  }

  std::vector<Placed> Walk() {
    placed_.reserve(order_.size());
    for (std::size_t i : order_) {
      if (parent_[i] == kNone) WalkFrom(i);
    }
    for (std::size_t i : order_) {
      if (!seen_[i]) WalkFrom(i);
    }
    return std::move(placed_);
  }

 private:
  void WalkFrom(std::size_t root) {
    seen_[root] = true;
    placed_.push_back({root, 0});
    std::vector<std::size_t> ahead{first_[root]};  // The next child at each depth.
    while (!ahead.empty()) {
      const std::size_t child = ahead.back();
      if (child == kNone) {
        ahead.pop_back();
        continue;
      }
      ahead.back() = next_[child];
      if (seen_[child]) continue;
      seen_[child] = true;
      placed_.push_back({child, ahead.size()});
      if (ahead.size() < limits::kAncestorsMax) ahead.push_back(first_[child]);
    }
  }

  std::vector<std::size_t> order_;
  std::vector<std::size_t> parent_;
  std::vector<std::size_t> first_;
  std::vector<std::size_t> next_;
  std::vector<bool> seen_;
  std::vector<Placed> placed_;
};

}  // namespace

std::vector<Placed> DepthFirst(const std::vector<TreeKey>& tasks) {
  return Forest(tasks).Walk();
}

}  // namespace quell::opensearch
