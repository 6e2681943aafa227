// `quell node ls`, `drain`, `leave` and `forget`.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "cli/coordinator_client.h"
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

// Of `quell node drain` and `quell node leave`.
struct NodeDrainArguments {
  std::string http;
  std::string node;  // Id or name.
  DrainCall::What what = DrainCall::What::kDrain;
  bool wait = false;
  std::optional<std::chrono::milliseconds> timeout;  // Of the wait.
};

// Return the exit code.
int NodeListCommand(const NodeListArguments& arguments);
int NodeForgetCommand(const NodeForgetArguments& arguments);
int NodeDrainCommand(const NodeDrainArguments& arguments);

}  // namespace quell::cli
