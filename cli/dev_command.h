// `quell dev`: a whole cluster on this machine, for as long as the command runs.
#pragma once

#include <string>
#include <vector>

#include "cli/environment.h"
#include "core/result.h"

namespace quell::cli {

struct DevArguments {
  int nodes = 0;  // 0: as many as there are names, else 3.
  std::vector<std::string> names;
  std::string http = "127.0.0.1:9480";
  std::string data;  // Empty: a temporary directory, removed at the end.
  std::string profile = "documented";
  std::string output;  // "json": the ready line, also on a terminal; "text": nothing.
};

// The names of the nodes: those that were given, else node1, node2, ... Errors: kInvalidArgument
// (their number does not fit --nodes, a name twice, one that cannot name a directory).
Result<std::vector<std::string>> NodeNames(const DevArguments& arguments);

// Whether all sockets can be made below `data`. Errors: kInvalidArgument, naming the longest path,
// the limit and the remedy.
Status CheckSocketPaths(const std::string& data, const std::vector<std::string>& names);

// Returns the exit code.
int DevCommand(const DevArguments& arguments, const Environment& environment);

}  // namespace quell::cli
