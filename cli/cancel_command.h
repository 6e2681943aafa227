// `quell cancel`: asks that tasks stop, and reports how far each cancel has come. A recorded cancel
// has not stopped anything yet.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cli/output.h"

namespace quell::cli {

struct CancelArguments {
  std::string http;
  std::vector<std::string> ids;
  Selection selection;  // Instead of ids.
  bool all = false;     // Instead of both.
  CancelTerms terms;
  bool wait = false;
  std::chrono::milliseconds wait_timeout{30'000};
};

// Without ids, selection or `all` nothing is done, kUsage. Returns the exit code.
int CancelCommand(const CancelArguments& arguments);

// What the end of several requests means for the command: an unknown outcome stays one, the same
// failure everywhere is that failure, any other mixture is kPartial.
int CombineExitCodes(const std::vector<int>& codes);

}  // namespace quell::cli
