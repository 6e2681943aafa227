#include "tests/support/sim_network.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/support/sim_membership_client.h"
#include "tests/support/sim_node_client.h"

namespace quell {

SimNetwork::SimNetwork(SimScheduler& scheduler, Random& random)
    : scheduler_(scheduler), random_(random) {
  taps.violation = [](const std::string& text) {
    std::fprintf(stderr, "a transport contract was broken: %s\n", text.c_str());
    std::abort();
  };
}

SimNetwork::~SimNetwork() = default;

std::string SimNetwork::HostOf(std::string_view address) {
  return std::string(address.substr(0, address.find(':')));
}

void SimNetwork::ServeNode(const std::string& address, SimExecutor& executor,
                           NodeHandler& handler) {
  Endpoint& endpoint = endpoints_[address];
  endpoint.executor = &executor;
  endpoint.node = &handler;
  endpoint.life = next_++;
}

void SimNetwork::ServeMembership(const std::string& address, SimExecutor& executor,
                                 MembershipHandler& handler) {
  Endpoint& endpoint = endpoints_[address];
  endpoint.executor = &executor;
  endpoint.membership = &handler;
  endpoint.life = next_++;
}

void SimNetwork::Close(const std::string& address) {
  const auto closed = endpoints_.extract(address);
  if (closed.empty()) return;
  for (const auto& [call, reset] : closed.mapped().open)
    reset();
}

std::unique_ptr<NodeClient> SimNetwork::MakeNodeClient(const std::string& host,
                                                       SimExecutor& executor) {
  return std::make_unique<SimNodeClient>(*this, host, executor);
}

std::unique_ptr<MembershipClient> SimNetwork::MakeMembershipClient(const std::string& host,
                                                                   SimExecutor& executor,
                                                                   const std::string& coordinator) {
  return std::make_unique<SimMembershipClient>(*this, host, executor, coordinator);
}

void SimNetwork::Break(const std::string& one, const std::string& other) {
  ++counters_.broken;
  scheduler_.Trace("break " + one + " " + other);
  const auto clients = clients_;
  for (const auto& [number, client] : clients) {
    if (client.host == one) client.broken(other);
    if (client.host == other) client.broken(one);
  }
}

std::size_t SimNetwork::open_calls() const {
  std::size_t count = 0;
  for (const auto& [address, endpoint] : endpoints_)
    count += endpoint.open.size();
  return count;
}

void SimNetwork::Send(const std::string& from, const std::string& to, std::string_view what,
                      std::function<void()> arrive, Care care) {
  ++counters_.sent;
  if (care == Care::kMayBeLost && Chance(weather.lost_per_thousand)) {
    ++counters_.lost;
    scheduler_.Trace("lost " + from + ">" + to + " " + std::string(what));
    return;
  }
  SendOnce(from, to, what, arrive);
  if (care == Care::kMayBeLost && Chance(weather.doubled_per_thousand)) {
    ++counters_.doubled;
    SendOnce(from, to, what, arrive);
  }
}

void SimNetwork::SendOnce(const std::string& from, const std::string& to, std::string_view what,
                          const std::function<void()>& arrive) {
  MonoTime when =
      scheduler_.Now() + weather.delay_min + Upto(weather.delay_max - weather.delay_min);
  if (Chance(weather.spikes_per_thousand)) when += Upto(weather.spike_max);
  if (!weather.overtaking) {
    MonoTime& last = last_arrival_[{from, to}];
    when = last = std::max(when, last);
  }
  scheduler_.At(when, nullptr, [this, from, to, what = std::string(what), arrive] {
    if (IsBlocked(from, to)) {
      ++counters_.blocked;
      scheduler_.Trace("blocked " + from + ">" + to + " " + what);
      return;
    }
    scheduler_.Trace(from + ">" + to + " " + what);
    arrive();
  });
}

SimNetwork::Endpoint* SimNetwork::Find(const std::string& address) {
  const auto found = endpoints_.find(address);
  return found == endpoints_.end() ? nullptr : &found->second;
}

SimNetwork::Endpoint* SimNetwork::Find(const std::string& address, std::uint64_t life) {
  Endpoint* endpoint = Find(address);
  return endpoint != nullptr && endpoint->life == life ? endpoint : nullptr;
}

void SimNetwork::SendWithdraw(const std::string& client_host, const std::string& address,
                              std::uint64_t ask, Care care) {
  const auto arrive = [this, address, ask] {
    Endpoint* endpoint = Find(address);
    if (endpoint == nullptr) return;
    for (auto at = endpoint->gone.begin(); at != endpoint->gone.end();) {
      if (at->second.first != ask) {
        ++at;
        continue;
      }
      endpoint->executor->Post(std::move(at->second.second));
      at = endpoint->gone.erase(at);
    }
  };
  Send(client_host, HostOf(address), "withdraw " + std::to_string(ask), arrive, care);
}

bool SimNetwork::IsBlocked(const std::string& from, const std::string& to) const {
  return blocked_.count({from, to}) > 0;
}

void SimNetwork::Violation(const std::string& text) {
  taps.violation(text);
}

MonoClock::duration SimNetwork::Upto(MonoClock::duration most) {
  if (most <= MonoClock::duration::zero()) return MonoClock::duration::zero();
  const auto bound = static_cast<std::uint64_t>(most.count()) + 1;
  return MonoClock::duration(static_cast<std::int64_t>(random_.Below(bound)));
}

bool SimNetwork::Chance(unsigned per_thousand) {
  return per_thousand > 0 && random_.Below(1000) < per_thousand;
}

}  // namespace quell
