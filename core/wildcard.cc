#include "core/wildcard.h"

#include <cstring>

namespace quell {

bool WildcardMatch(std::string_view pattern, std::string_view text) {
  auto star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;

  // What stands before the first star and after the last one is fixed in place; each part between
  // takes its first occurrence in what is left, which leaves most to the parts after it. Nothing is
  // ever tried twice. memmem is linear in the text (std::string_view::find is not).
  const std::string_view prefix = pattern.substr(0, star);
  const std::string_view suffix = pattern.substr(pattern.rfind('*') + 1);
  if (text.size() < prefix.size() + suffix.size() || !text.starts_with(prefix) ||
      !text.ends_with(suffix)) {
    return false;
  }
  text = text.substr(prefix.size(), text.size() - prefix.size() - suffix.size());
  pattern.remove_suffix(suffix.size());
  pattern.remove_prefix(star + 1);
  while (!pattern.empty()) {
    star = pattern.find('*');  // Always there: the pattern ends with one.
    const std::string_view part = pattern.substr(0, star);
    pattern.remove_prefix(star + 1);
    if (part.empty()) continue;
    const void* found =
        text.empty() ? nullptr : ::memmem(text.data(), text.size(), part.data(), part.size());
    if (found == nullptr) return false;
    text.remove_prefix(static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) +
                       part.size());
  }
  return true;
}

}  // namespace quell
