// What a coordinator says when it opens a link. Private to this folder.
#pragma once

namespace quell::rpc {

inline constexpr char kLinkMethod[] = "/quell.v1.Node/Link";
// Metadata: the id of the node that the coordinator means to reach.
inline constexpr char kWantedNode[] = "quell-node";

}  // namespace quell::rpc
