// How far a word is from the one that was meant. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace quell {

// kNone: Levenshtein's distance; kAdjacent: Damerau's, two neighbours that changed places count
// once.
enum class Swaps : std::uint8_t { kNone, kAdjacent };

// Bytes to insert, delete or replace. Time and memory grow with the product of the lengths: bound
// them first.
std::size_t EditDistance(std::string_view a, std::string_view b, Swaps swaps);

}  // namespace quell
