// Makes the channels of this program. Private to this folder.
#pragma once

#include <memory>

#include <grpcpp/channel.h>

#include "transport/grpc/address.h"

namespace quell::rpc {

// A connection of its own, not shared with another channel to the same address; no proxy, no
// retries. It connects at the first call or GetState(true); while the other end refuses, calls fail
// at once and it tries again after limits::kJoinBackoffMin, up to kJoinBackoffMax.
std::shared_ptr<grpc::Channel> MakeChannel(const Address& address);

}  // namespace quell::rpc
