#include "core/random.h"

namespace quell {

std::uint64_t Random::Below(std::uint64_t bound) {
  // Values below 2^64 mod bound would come once too often: draw again (Lemire 2019 uses the same
  // threshold).
  const std::uint64_t threshold = (0 - bound) % bound;
  for (;;) {
    const std::uint64_t value = Next();
    if (value >= threshold) return value % bound;
  }
}

// SplitMix64 (Steele, Lea, Flood 2014).
std::uint64_t SeededRandom::Next() {
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

}  // namespace quell
