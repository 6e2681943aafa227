// What the tests of the journal have in common: the node whose journal it is, and a moment.
#pragma once

#include <chrono>

#include "core/clock.h"
#include "core/ids.h"

namespace quell {

inline const NodeId kJournalNode = *NodeId::Parse("NNNNNNNNNNNNNNNNNNNNNg");
inline constexpr WallTime kJournalWall = WallTime(std::chrono::seconds(1'700'000'000));

}  // namespace quell
