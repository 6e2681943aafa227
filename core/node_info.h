// What a node says of itself when it joins, and what answers show of it.
#pragma once

#include <string>
#include <vector>

#include "core/ids.h"
#include "core/result.h"
#include "core/task.h"

namespace quell {

struct NodeInfo {
  NodeId id;
  Incarnation incarnation = Incarnation::kNone;
  LifeId life;                     // Null: it is an older node, or a coordinator.
  std::string name;                // For people; not unique.
  std::string address;             // Where its gRPC listens, "127.0.0.1:9300"; numeric.
  std::string host;                // "127.0.0.1"
  std::vector<std::string> roles;  // Sorted; OpenSearch's role names.
  std::vector<Header> attributes;
  std::string version;
  std::string boot_id;  // Of the host.

  friend bool operator==(const NodeInfo&, const NodeInfo&) = default;
};

// As the flags --attr have them: NAME=VALUE. Errors: kInvalidArgument, in words for people.
Result<std::vector<Header>> ParseAttributes(const std::vector<std::string>& flags);

}  // namespace quell
