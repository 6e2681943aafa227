#include "tests/support/sim_membership_client.h"

#include <utility>
#include <vector>

namespace quell {

SimMembershipClient::SimMembershipClient(SimNetwork& network, std::string host,
                                         SimExecutor& executor, std::string coordinator)
    : state_(std::make_shared<State>(
          State{network, std::move(host), executor, std::move(coordinator), {}})),
      number_(network.next_++) {
  network.clients_[number_] = {state_->host, [state = state_.get()](const std::string& other) {
                                 if (SimNetwork::HostOf(state->coordinator) != other) return;
                                 std::vector<std::uint64_t> doomed;
                                 for (const auto& [call, open] : state->calls) {
                                   doomed.push_back(call);
                                 }
                                 for (const std::uint64_t call : doomed) {
                                   state->Fail(call, {ErrorCode::kUnavailable, "broken"});
                                 }
                               }};
}

SimMembershipClient::~SimMembershipClient() {
  state_->network.clients_.erase(number_);
}

bool SimMembershipClient::State::Take(std::uint64_t call) {
  const auto taken = calls.extract(call);
  if (taken.empty()) return false;
  executor.Cancel(taken.mapped().deadline);
  return true;
}

void SimMembershipClient::State::Fail(std::uint64_t call, Error error) {
  const auto open = calls.find(call);
  if (open == calls.end()) return;
  auto failed = std::move(open->second.failed);
  Take(call);
  executor.Post([failed = std::move(failed), error = std::move(error)] { failed(error); });
}

namespace {

// Sees to it that the handler replies exactly once.
struct ReplyOnce {
  std::function<void(const std::string&)> violation;
  std::function<bool()> coordinator_lives;
  bool replied = false;

  ~ReplyOnce() {
    if (!replied && coordinator_lives()) violation("a membership call was never answered");
  }
};

}  // namespace

template <typename Reply, typename Request, typename Handle>
void SimMembershipClient::Call(const char* name, Request request, MonoTime deadline,
                               std::function<void(Reply)> done, Handle handle) {
  State& state = *state_;
  SimNetwork& network = state.network;
  const std::uint64_t call = network.next_++;
  const std::weak_ptr<State> weak = state_;
  OpenCall& open = state.calls[call];
  open.failed = [done](Error error) { done(Reply(std::move(error))); };
  open.deadline =
      state.executor.At(deadline + network.Upto(network.weather.late_deadline_max), [weak, call] {
        if (const auto alive = weak.lock()) {
          alive->Fail(call, {ErrorCode::kDeadlineExceeded, "the coordinator did not answer"});
        }
      });
  const std::string from = state.host;
  const std::string address = state.coordinator;
  const std::string what = name + (" " + std::to_string(call));

  // What comes back, as often as the network likes; the first one counts.
  const auto back = [&network, weak, call, what, from, done,
                     to = SimNetwork::HostOf(address)](const Reply& reply) {
    network.Send(to, from, "reply " + what, [weak, call, done, reply] {
      const auto alive = weak.lock();
      if (!alive) return;
      alive->executor.Post([weak, call, done, reply] {
        const auto still = weak.lock();
        if (still && still->Take(call)) done(reply);
      });
    });
  };
  const auto tell = [&network, weak, call, what, from,
                     to = SimNetwork::HostOf(address)](const std::string& why) {
    network.Send(
        to, from, why + " " + what,
        [weak, call, why] {
          if (const auto alive = weak.lock()) alive->Fail(call, {ErrorCode::kUnavailable, why});
        },
        SimNetwork::Care::kSure);
  };
  const auto arrive = [&network, address, from, request = std::move(request), handle, back, tell] {
    SimNetwork::Endpoint* endpoint = network.Find(address);
    if (endpoint == nullptr || endpoint->membership == nullptr) {
      ++network.counters_.refused;
      return tell("connection refused");
    }
    const std::uint64_t execution = network.next_++;
    const std::uint64_t life = endpoint->life;
    endpoint->open[execution] = [tell] { tell("connection broke"); };
    auto once = std::make_shared<ReplyOnce>();
    once->violation = [&network](const std::string& text) { network.Violation(text); };
    once->coordinator_lives = [&network, address, life] {
      return network.Find(address, life) != nullptr;
    };
    const auto reply = [&network, address, life, execution, once, back](Reply answer) {
      if (once->replied) return network.Violation("a membership call was answered twice");
      once->replied = true;
      SimNetwork::Endpoint* still = network.Find(address, life);
      if (still == nullptr) return;
      still->open.erase(execution);
      back(answer);
    };
    endpoint->executor->Post([&network, address, life, handle, request, reply, from] {
      SimNetwork::Endpoint* still = network.Find(address, life);
      if (still == nullptr) return;
      Principal who;
      who.transport = Principal::Transport::kLoopback;
      who.address = from;
      handle(*still->membership, request, who, reply);
    });
  };
  network.Send(from, SimNetwork::HostOf(address), what, arrive);
}

void SimMembershipClient::Join(JoinRequest request, MonoTime deadline,
                               std::function<void(Result<JoinReply>)> done) {
  Call<Result<JoinReply>>("join", std::move(request), deadline, std::move(done),
                          [](MembershipHandler& handler, const JoinRequest& sent,
                             const Principal& who, std::function<void(Result<JoinReply>)> reply) {
                            handler.OnJoin(sent, who, std::move(reply));
                          });
}

void SimMembershipClient::Heartbeat(HeartbeatRequest request, MonoTime deadline,
                                    std::function<void(Result<HeartbeatReply>)> done) {
  if (state_->network.taps.heartbeat) state_->network.taps.heartbeat(request);
  Call<Result<HeartbeatReply>>(
      "heartbeat", std::move(request), deadline, std::move(done),
      [](MembershipHandler& handler, const HeartbeatRequest& sent, const Principal& who,
         std::function<void(Result<HeartbeatReply>)> reply) {
        handler.OnHeartbeat(sent, who, std::move(reply));
      });
}

void SimMembershipClient::Leave(LeaveRequest request, MonoTime deadline,
                                std::function<void(Status)> done) {
  Call<Status>(
      "leave", std::move(request), deadline, std::move(done),
      [](MembershipHandler& handler, const LeaveRequest& sent, const Principal& who,
         std::function<void(Status)> reply) { handler.OnLeave(sent, who, std::move(reply)); });
}

}  // namespace quell
