// The node's end of SimNetwork's way to the coordinator. To be made by
// SimNetwork::MakeMembershipClient() only.
#pragma once

#include <memory>
#include <string>

#include "tests/support/sim_network.h"

namespace quell {

class SimMembershipClient final : public MembershipClient {
 public:
  SimMembershipClient(SimNetwork& network, std::string host, SimExecutor& executor,
                      std::string coordinator);
  ~SimMembershipClient() override;

  void Join(JoinRequest request, MonoTime deadline,
            std::function<void(Result<JoinReply>)> done) override;
  void Heartbeat(HeartbeatRequest request, MonoTime deadline,
                 std::function<void(Result<HeartbeatReply>)> done) override;
  void Leave(LeaveRequest request, MonoTime deadline, std::function<void(Status)> done) override;

 private:
  struct OpenCall {
    std::function<void(Error)> failed;
    TimerId deadline = TimerId::kNone;
  };
  struct State {
    SimNetwork& network;
    std::string host;
    SimExecutor& executor;
    std::string coordinator;
    std::map<std::uint64_t, OpenCall> calls;

    // Takes the call out; false if it has ended already.
    bool Take(std::uint64_t call);
    void Fail(std::uint64_t call, Error error);
  };
  // Calls `handle(handler, request, who, reply)` at the coordinator.
  template <typename Reply, typename Request, typename Handle>
  void Call(const char* name, Request request, MonoTime deadline, std::function<void(Reply)> done,
            Handle handle);

  std::shared_ptr<State> state_;  // Shared with messages in flight, weakly.
  std::uint64_t number_;
};

}  // namespace quell
