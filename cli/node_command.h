// `quell node ls` and `quell node forget`.
#pragma once

#include <string>

#include "cli/output.h"

namespace quell::cli {

struct NodeListArguments {
  std::string http;
  Format format = Format::kTable;
};

struct NodeForgetArguments {
  std::string http;
  std::string node;  // Id or name.
};

// Return the exit code.
int NodeListCommand(const NodeListArguments& arguments);
int NodeForgetCommand(const NodeForgetArguments& arguments);

}  // namespace quell::cli
