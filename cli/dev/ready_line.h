// The lines of JSON by which daemons tell that they are ready, and the one of the whole cluster.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/result.h"

namespace quell::cli {

struct DaemonReady {
  std::string id;
  std::string name;
  std::int64_t pid = 0;
  std::string http;    // Coordinators.
  std::string socket;  // Nodes.
  std::string grpc;
  std::string data;
  std::vector<std::string> argv;  // Starts it again, with the ports that it got.

  friend bool operator==(const DaemonReady&, const DaemonReady&) = default;
};

struct DaemonJoined {
  std::string coordinator;

  friend bool operator==(const DaemonJoined&, const DaemonJoined&) = default;
};

// A line of a daemon's standard output. Errors: kInternal, with the line, for anything else.
Result<std::variant<DaemonReady, DaemonJoined>> ParseDaemonLine(std::string_view line);

// Without the line's end.
std::string RenderClusterReady(const DaemonReady& coordinator,
                               const std::vector<DaemonReady>& nodes);

}  // namespace quell::cli
