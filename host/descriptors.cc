#include "host/descriptors.h"

#include <algorithm>

#include "core/limits.h"
#include "host/log.h"

namespace quell {

std::size_t ConnectionsWithin(std::size_t open_files, std::size_t wanted) {
  if (open_files == 0) return wanted;
  const std::size_t left = open_files - std::min(open_files, limits::kDescriptorsKept);
  return std::min(wanted, std::max(limits::kConnectionsMin, left / 2));
}

std::size_t DescriptorsForClients(std::size_t open_files) {
  return open_files - std::min(limits::kDescriptorsKept, open_files / 4);
}

DescriptorsLog::DescriptorsLog(const Clock& clock)
    : clock_(clock), lines_(limits::kTurnLogInterval) {}

void DescriptorsLog::Met() {
  const auto kept_back = lines_.Happens(clock_.Now());
  if (!kept_back) return;
  LogWarning(
      "all the files are open that this process may open, connections make room or are refused: "
      "raise the limit of open files (LimitNOFILE=, ulimit -n)",
      {{"not_logged", *kept_back}});
}

}  // namespace quell
