// `quell run`: runs a command as a task, invisibly.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/environment.h"

namespace quell::cli {

struct RunArguments {
  std::string action;       // Empty: "run/NAME" of the command.
  std::string description;  // Empty: the command line.
  std::string parent;       // Empty: QUELL_TASK_ID, if there is one.
  std::optional<std::chrono::milliseconds> grace;
  std::string socket;  // Empty: QUELL_SOCKET, else kDefaultSocket.
  std::vector<std::string> command;
};

inline constexpr const char* kDefaultSocket = "/run/quell/node.sock";

// What the task is called if nobody says it.
std::string DefaultAction(const std::string& program);
std::string DefaultDescription(const std::vector<std::string>& command);

// Ends the process as the command ends; returns only if it could not be started (kRunFailed). Must
// be called while the process has one thread.
int RunCommand(const RunArguments& arguments, const Environment& environment);

}  // namespace quell::cli
