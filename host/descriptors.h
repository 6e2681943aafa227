// What a daemon does with bounded means: shares its file descriptors out, says that there are none
// left, and gives memory back.
#pragma once

#include <cstddef>
#include <memory>

#include "core/clock.h"
#include "core/rarely.h"

namespace quell {

// How many connections of clients a process may take that can have `open_files` files open (0: not
// known), at most `wanted`: half of what limits::kDescriptorsKept leaves, since the other half is
// for connections between node and coordinator.
std::size_t ConnectionsWithin(std::size_t open_files, std::size_t wanted);

// The number from which on descriptors are not for connections of clients; 0: there is none.
std::size_t DescriptorsForClients(std::size_t open_files);

// Logs that a connection met the limit, once in limits::kTurnLogInterval at most. Not thread-safe.
class DescriptorsLog {
 public:
  explicit DescriptorsLog(const Clock& clock);
  void Met();

 private:
  const Clock& clock_;
  Rarely lines_;
};

// `clock` must outlive it.
inline std::shared_ptr<DescriptorsLog> NoDescriptorsLog(const Clock& clock) {
  return std::make_shared<DescriptorsLog>(clock);
}

}  // namespace quell
