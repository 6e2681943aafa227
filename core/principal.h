// Who asks, and what he must be allowed to. Each route and each RPC states its permission; each
// request carries its principal. One rule for the moment: see Authorize().
#pragma once

#include <cstdint>
#include <string>

#include "core/result.h"

namespace quell {

enum class Permission : std::uint8_t {
  kNone,  // Liveness only: anybody.
  kTaskList,
  kTaskGet,
  kTaskCancel,
  kTaskRegister,  // A program speaks for its own tasks.
  kNodeManage,    // Drain a node, let it leave, forget it.
  kClusterJoin,   // A node speaks for itself.
  kNodeAsk,       // A coordinator asks a node.
};

std::string_view ToString(Permission permission);

struct Principal {
  enum class Transport : std::uint8_t { kRemote, kLoopback, kUnixSocket };

  Transport transport = Transport::kRemote;
  std::uint32_t uid = 0;  // Peer credentials; only with kUnixSocket.
  std::int32_t pid = 0;   // As above; the process that connected.
  std::string address;    // "127.0.0.1:40212", "unix".

  // As records name it: "loopback", "uid:1000", "remote 10.0.0.7:1234".
  std::string name() const;
};

// The rule until real authentication exists: what comes over loopback or a unix socket may do
// everything, anything else nothing. Errors: kPermissionDenied.
Status Authorize(const Principal& who, Permission what);

}  // namespace quell
