// What the environment tells the command, read once in main().
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace quell::cli {

struct Environment {
  std::string http = "http://127.0.0.1:9480";  // QUELL_HTTP: the coordinator.
  std::optional<std::string> socket;           // QUELL_SOCKET: the node's local API.
  std::optional<std::string> task_id;          // QUELL_TASK_ID: the `quell run` around us.
  std::vector<std::string> ancestors;          // QUELL_ANCESTORS: its chain, nearest first.
  std::string temp_dir = "/tmp";               // TMPDIR

  static Environment Read();
};

}  // namespace quell::cli
