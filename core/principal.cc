#include "core/principal.h"

namespace quell {

std::string_view ToString(Permission permission) {
  switch (permission) {
    case Permission::kNone:
      return "none";
    case Permission::kTaskList:
      return "task_list";
    case Permission::kTaskGet:
      return "task_get";
    case Permission::kTaskCancel:
      return "task_cancel";
    case Permission::kTaskRegister:
      return "task_register";
    case Permission::kNodeManage:
      return "node_manage";
    case Permission::kClusterJoin:
      return "cluster_join";
    case Permission::kNodeAsk:
      return "node_ask";
  }
  return "none";
}

std::string Principal::name() const {
  switch (transport) {
    case Transport::kLoopback:
      return "loopback";
    case Transport::kUnixSocket:
      return "uid:" + std::to_string(uid);
    case Transport::kRemote:
      break;
  }
  return "remote " + address;
}

Status Authorize(const Principal& who, Permission what) {
  if (what == Permission::kNone || who.transport != Principal::Transport::kRemote) return {};
  return Error{ErrorCode::kPermissionDenied,
               who.name() + " lacks the permission " + std::string(ToString(what)) +
                   ": only callers on loopback or on the unix socket have it; call from this host"};
}

}  // namespace quell
