// Real randomness from the kernel: good for ids and for secrets.
#pragma once

#include <array>
#include <cstddef>

#include "core/random.h"

namespace quell {

// Reads the kernel's generator in blocks. Not thread-safe. After fork() both sides would hold the
// same block: make a new one in the child.
class SystemRandom final : public Random {
 public:
  std::uint64_t Next() override;

 private:
  std::array<std::uint64_t, 32> block_{};
  std::size_t left_ = 0;
};

}  // namespace quell
