// Randomness is handed in, so that a seed replays a run.
#pragma once

#include <cstdint>

namespace quell {

// Not thread-safe: each owner has its own.
class Random {
 public:
  virtual ~Random() = default;
  // Uniform over all 64-bit values.
  virtual std::uint64_t Next() = 0;
  // Uniform over [0, bound); bound must be positive.
  std::uint64_t Below(std::uint64_t bound);
};

// Deterministic: the same seed gives the same sequence on every machine (SplitMix64). For jitter
// and for the simulation; never for ids or secrets.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next() override;

 private:
  std::uint64_t state_;
};

}  // namespace quell
