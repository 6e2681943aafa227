#include "host/system_random.h"

#include <cerrno>
#include <cstdlib>
#include <sys/random.h>
#include <utility>

namespace quell {

std::uint64_t SystemRandom::Next() {
  if (left_ == 0) {
    ssize_t got = 0;
    do {
      got = ::getrandom(block_.data(), sizeof(block_), 0);
    } while (got < 0 && errno == EINTR);
    // Up to 256 bytes come whole or not at all; a kernel that has none to give leaves no safe way
    // on, since ids and tokens are made of them.
    if (got != static_cast<ssize_t>(sizeof(block_))) std::abort();
    left_ = block_.size();
  }
  return std::exchange(block_[--left_], 0);
}

}  // namespace quell
