// Spreads acks over messages. Private to this folder.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "quell/v1/common.pb.h"
#include "transport/messages.h"

namespace quell::rpc {

// About what they take on the wire; never less.
std::size_t BytesOf(std::span<const IntentAck> acks);

// Fills the messages' acks, in order. `add` adds an ack to the message that is being built; `next`
// sends that message, once it has `bytes_max` or more, and begins another. An intent whose receipts
// are cut is added to the new message again.
void SpreadAcks(std::span<const IntentAck> acks, std::size_t bytes_max,
                const std::function<v1::IntentAck*()>& add, const std::function<void()>& next);

}  // namespace quell::rpc
