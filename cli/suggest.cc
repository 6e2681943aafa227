#include "cli/suggest.h"

#include <algorithm>
#include <cstddef>

#include "core/edit_distance.h"

namespace quell::cli {

std::optional<std::string> Suggest(std::string_view word, const std::vector<std::string>& known) {
  constexpr std::size_t kLongest = 64;  // Nobody slips into that.
  if (word.size() > kLongest) return std::nullopt;
  std::optional<std::string> best;
  std::size_t nearest = 3;
  for (const std::string& candidate : known) {
    const std::size_t distance = EditDistance(word, candidate, Swaps::kAdjacent);
    // A word of two letters is two slips away from everything.
    if (distance < nearest && distance < std::max<std::size_t>(candidate.size(), 2)) {
      nearest = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace quell::cli
