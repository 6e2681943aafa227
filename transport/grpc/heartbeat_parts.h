// A heartbeat carries all that was applied and not yet acknowledged, which may be more than a
// message holds. Private to this folder.
#pragma once

#include <cstddef>
#include <deque>

#include "quell/v1/membership.pb.h"
#include "transport/messages.h"

namespace quell::rpc {

// At least one message; each has about `bytes_max` at most. The acks, in their order, are spread
// over them; an intent with many receipts is in several.
std::deque<v1::HeartbeatRequest> HeartbeatParts(HeartbeatRequest request, std::size_t bytes_max);

}  // namespace quell::rpc
