// How both ends find out that the other host is gone without a word. Private to this folder.
#pragma once

#include <chrono>

namespace quell::rpc {

inline constexpr std::chrono::seconds kKeepaliveTime{20};
inline constexpr std::chrono::seconds kKeepaliveTimeout{10};
// More often than this no peer may ping; twice, and it is cut.
inline constexpr std::chrono::seconds kPingIntervalMin{10};
inline constexpr int kPingStrikesMax = 2;

}  // namespace quell::rpc
