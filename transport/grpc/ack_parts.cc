#include "transport/grpc/ack_parts.h"

#include <utility>

#include "transport/grpc/convert.h"
#include "transport/grpc/heartbeat_parts.h"

namespace quell::rpc {
namespace {

constexpr std::size_t kAckBytes = 32;
constexpr std::size_t kTaskIdBytes = 40;

std::size_t BytesOf(const Receipt& receipt) {
  return 160 + receipt.note.size();
}

}  // namespace

std::size_t BytesOf(std::span<const IntentAck> acks) {
  std::size_t bytes = 0;
  for (const IntentAck& ack : acks) {
    bytes += kAckBytes + ack.doubtful.size() * kTaskIdBytes;
    for (const Receipt& receipt : ack.receipts)
      bytes += BytesOf(receipt);
  }
  return bytes;
}

void SpreadAcks(std::span<const IntentAck> acks, std::size_t bytes_max,
                const std::function<v1::IntentAck*()>& add, const std::function<void()>& next) {
  std::size_t bytes = 0;
  v1::IntentAck* to = nullptr;
  for (const IntentAck& ack : acks) {
    to = nullptr;
    // Makes room for `more`, and sees to it that `to` is this intent's.
    const auto room = [&](std::size_t more) {
      if (bytes >= bytes_max) {
        next();
        bytes = 0;
        to = nullptr;
      }
      if (!to) {
        to = add();
        to->set_intent(ack.intent.ToString());
        bytes += kAckBytes;
      }
      bytes += more;
    };
    room(0);
    for (const Receipt& receipt : ack.receipts) {
      room(BytesOf(receipt));
      ToProto(receipt, to->add_receipts());
    }
    for (const TaskId& task : ack.doubtful) {
      room(kTaskIdBytes);
      ToProto(task, to->add_doubtful());
    }
  }
}

// Each part says all but the acks, and the first one also what is owed.
std::deque<v1::HeartbeatRequest> HeartbeatParts(HeartbeatRequest request, std::size_t bytes_max) {
  const std::vector<IntentAck> acks = std::exchange(request.acks, {});
  const std::vector<Intent> handoff = std::exchange(request.handoff, {});
  std::deque<v1::HeartbeatRequest> parts;
  const auto next = [&] { ToProto(request, &parts.emplace_back()); };
  next();
  for (const Intent& intent : handoff)
    ToProto(intent, parts.back().add_handoff());
  SpreadAcks(
      acks, bytes_max, [&] { return parts.back().add_acks(); }, next);
  return parts;
}

}  // namespace quell::rpc
