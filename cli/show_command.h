// `quell show ID`: one task, running or ended.
#pragma once

#include <string>

#include "cli/output.h"

namespace quell::cli {

struct ShowArguments {
  std::string http;
  std::string id;
  Format format = Format::kTable;
};

// Returns the exit code.
int ShowCommand(const ShowArguments& arguments);

}  // namespace quell::cli
