// What each RPC requires of its caller. Private to this folder.
//
// The servers assert at compile time that they implement exactly the methods listed here, each by
// its name in this enum: a method that is added to a .proto file does not compile until it has a
// permission.
#pragma once

#include "core/principal.h"

namespace quell::rpc {

enum class Method { kNodeLink, kMembershipJoin, kMembershipHeartbeat, kMembershipLeave };

constexpr Permission PermissionOf(Method method) {
  switch (method) {
    case Method::kNodeLink:
      return Permission::kNodeAsk;
    case Method::kMembershipJoin:
    case Method::kMembershipHeartbeat:
    case Method::kMembershipLeave:
      return Permission::kClusterJoin;
  }
  return Permission::kNodeManage;  // Unreachable: the compiler warns of a missing case.
}

}  // namespace quell::rpc
