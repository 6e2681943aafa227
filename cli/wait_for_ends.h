// Waits on the coordinator until tasks have ended, and says of each one what is known of its end.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cli/coordinator_client.h"

namespace quell::cli {

struct TaskToAwait {
  std::string id;
  std::string name;  // How people name it: "db3:41".
};

// What became of one task, in words for a person. An end that nobody knows is none of the others.
enum class End {
  kStopped,   // By the cancel, by itself after it was told.
  kKilled,    // By the cancel, by force after the grace.
  kByItself,  // Succeeded, although a cancel was recorded.
  kFailed,    // Failed, expired or was never taken.
  kLost,      // Its program went away without a word: the work may run on.
  kRunning,   // Not ended.
  kUnknown,   // Nobody can say.
};
End EndOf(const WaitedTask& task);
// "stopped after 1.2s", "unknown: ...".
std::string EndText(const WaitedTask& task);

// Prints one line for each task, as soon as its end is known, and the rest when `timeout` is over.
// Returns kOk if each task is known to have ended, kPartial if that is not known of one (lost, its
// node away, forgotten or without a record), else kWaitTimedOut.
int WaitForEnds(const CoordinatorClient& client, std::vector<TaskToAwait> waiting,
                std::chrono::milliseconds timeout);

}  // namespace quell::cli
