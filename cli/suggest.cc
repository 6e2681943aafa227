#include "cli/suggest.h"

#include <algorithm>
#include <cstddef>

namespace quell::cli {
namespace {

// Damerau-Levenshtein distance, neighbours swapped at most once.
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> at(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i)
    at[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j)
    at[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t wrong = a[i - 1] == b[j - 1] ? 0 : 1;
      at[i][j] = std::min({at[i - 1][j] + 1, at[i][j - 1] + 1, at[i - 1][j - 1] + wrong});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        at[i][j] = std::min(at[i][j], at[i - 2][j - 2] + 1);
      }
    }
  }
  return at[a.size()][b.size()];
}

}  // namespace

std::optional<std::string> Suggest(std::string_view word, const std::vector<std::string>& known) {
  constexpr std::size_t kLongest = 64;  // Nobody slips into that.
  if (word.size() > kLongest) return std::nullopt;
  std::optional<std::string> best;
  std::size_t nearest = 3;
  for (const std::string& candidate : known) {
    const std::size_t distance = Distance(word, candidate);
    // A word of two letters is two slips away from everything.
    if (distance < nearest && distance < std::max<std::size_t>(candidate.size(), 2)) {
      nearest = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace quell::cli
