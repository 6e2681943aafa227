// The processes of this host, as the node sees them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "core/result.h"

namespace quell {

// Watches processes of this host.
class ProcessWatch {
 public:
  virtual ~ProcessWatch() = default;
  // The pid by which this host knows the process that the program `peer` calls `pid`: another one
  // if `peer` is in a pid namespace of its own. Errors: kNotFound (it cannot be told).
  virtual Result<std::int32_t> Find(std::int32_t peer, std::int32_t pid) = 0;
  // Runs `exited` once on the node's executor when the process `pid` ends, unless the handle is
  // dropped before. Errors: kNotFound (no such process), kPermissionDenied (it does not belong to
  // `uid`; root may name any).
  virtual Result<std::shared_ptr<void>> Watch(std::int32_t pid, std::uint32_t uid,
                                              std::function<void()> exited) = 0;
  // Another one for each process that ever has this pid, also after a reboot. 0: there is no such
  // process, or it has ended.
  virtual std::uint64_t BirthOf(std::int32_t pid) = 0;
};

}  // namespace quell
