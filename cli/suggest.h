// "Did you mean ...?"
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quell::cli {

// The one of `known` that `word` most likely was meant to be: at most two slips away (a letter
// wrong, missing, too many, or two swapped), and the first of equally near ones. nullopt: none.
std::optional<std::string> Suggest(std::string_view word, const std::vector<std::string>& known);

}  // namespace quell::cli
