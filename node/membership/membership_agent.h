// Keeps this node a member: joins, says that it lives, brings back what it has applied, and says
// when the daemon stops or the node leaves.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "core/executor.h"
#include "core/host_load.h"
#include "core/lifetime.h"
#include "core/node_info.h"
#include "core/random.h"
#include "transport/membership.h"

namespace quell {

// Not thread-safe: on the node's executor. Never gives up; a silent coordinator is asked again with
// growing pauses.
class MembershipAgent {
 public:
  // What the node does with the answers. `sent` is when the question left.
  struct Hooks {
    std::function<std::uint64_t()> next_number;
    std::function<std::vector<LifeId>()> former_lives;
    std::function<CancelledRunning()> cancelled_running;
    std::function<std::vector<Intent>()> handoff;  // Those that go with the next heartbeat.
    std::function<HostLoad()> host_load;
    std::function<std::size_t()> live_tasks;
    std::function<bool()> draining;
    std::function<void(JoinReply reply, BootTime sent)> joined;
    std::function<void(HeartbeatReply reply, BootTime sent)> heard;
    std::function<void(Error)> refused;  // Another living daemon has this id: the loop ends.
    std::function<void(const Error&)> on_error;  // The first failure of a row.
  };

  MembershipAgent(const NodeInfo& info, Executor& executor, Random& random,
                  MembershipClient& coordinator, Hooks hooks);

  void Start();
  // Goes with the heartbeats until one of them is answered. The last one of an intent counts.
  void Acknowledge(IntentAck ack);
  // Says that the daemon stops if somebody may know this node, waits at most
  // limits::kHeartbeatDeadline for the answer, then runs `done`. No hook runs any more.
  void Stop(std::function<void()> done);
  // Leaves the fleet: says so until that is answered, however long it takes, then runs `done`. No
  // hook runs any more but `trouble`. Stop() may come all the same.
  void Leave(std::function<void()> done);

 private:
  void Join();
  void OnJoined(const Result<JoinReply>& reply, BootTime sent);
  void Heartbeat();
  void OnHeard(const Result<HeartbeatReply>& reply, BootTime sent,
               const std::vector<IntentId>& told);
  std::vector<IntentAck> NextAcks() const;
  void SayGoodbye();
  void Schedule(MonoClock::duration delay, void (MembershipAgent::*step)());
  void Retry(const Error& error, void (MembershipAgent::*step)());

  const NodeInfo& info_;
  Executor& executor_;
  Random& random_;
  MembershipClient& coordinator_;
  const Hooks hooks_;
  bool asked_to_join_ = false;
  bool stopped_ = false;
  std::function<void()> left_;  // While it leaves.
  TimerId timer_ = TimerId::kNone;
  MonoClock::duration backoff_{};  // Zero: the last call was answered.
  std::map<IntentId, IntentAck> acks_;
  Lifetime lifetime_;
};

}  // namespace quell
