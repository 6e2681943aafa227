// How busy a host is, as the daemon on it measured last.
#pragma once

#include <optional>
#include <string>

#include "core/result.h"

namespace quell {

// Of the last 1, 5 and 15 minutes: tasks that run or wait for a CPU or the disk, on the mean.
struct LoadAverages {
  double one = 0;
  double five = 0;
  double fifteen = 0;

  friend bool operator==(const LoadAverages&, const LoadAverages&) = default;
};

// Percents are whole ones, 0 to 100. What could not be read is absent.
struct HostLoad {
  std::optional<LoadAverages> averages;
  std::optional<unsigned> cpu_percent;     // Of all CPUs together, since the look before.
  std::optional<unsigned> memory_percent;  // What new programs could not have; caches they could.
  // The daemon's own resident memory, of the host's. OpenSearch's heap.percent: a daemon has no
  // heap of a fixed size, and what bounds it is the host.
  std::optional<unsigned> daemon_percent;

  bool measured() const { return averages || cpu_percent || memory_percent || daemon_percent; }

  friend bool operator==(const HostLoad&, const HostLoad&) = default;
};

// A load beyond it is no load.
inline constexpr double kLoadMax = 1e6;

// Errors: kInvalidArgument if these figures cannot be: a percent above 100, a load that is no
// number, negative, or above kLoadMax.
Status Check(const HostLoad& load);

// A load average as people and OpenSearch write it: "2.51".
std::string LoadText(double average);

}  // namespace quell
