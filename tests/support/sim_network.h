// The simulated way between a coordinator and its nodes. It gives what the real transport gives,
// and keeps its contracts exactly, on a network as bad as its weather: requests may be lost,
// delayed, doubled and overtake each other; what a client hears is filtered as the real transport
// does it, so each sink and each callback hears of its end exactly once.
//
// A host is the part of an address before the colon; links lead from host to host.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/random.h"
#include "tests/support/sim_executor.h"
#include "transport/membership.h"
#include "transport/node_client.h"
#include "transport/node_handler.h"

namespace quell {

class SimNetwork {
 public:
  // May be changed at any time; holds for what is sent from then on.
  struct Weather {
    MonoClock::duration delay_min = std::chrono::microseconds(100);
    MonoClock::duration delay_max = std::chrono::microseconds(100);
    unsigned spikes_per_thousand = 0;  // These messages take up to spike_max longer.
    MonoClock::duration spike_max{0};
    unsigned lost_per_thousand = 0;
    unsigned doubled_per_thousand = 0;
    bool overtaking = false;  // False: each direction of each link keeps its order.
    // How late the transport may notice a deadline.
    MonoClock::duration late_deadline_max{0};
  };

  // What passes, for checks. All may be empty but `violation`, which is called when somebody breaks
  // the contract of a transport interface.
  struct Taps {
    std::function<void(const std::string& address, std::span<const TaskView>)> page;
    std::function<void(const std::string& address, const Result<NodeReply>&)> reply;
    std::function<void(const HeartbeatRequest&)> heartbeat;
    std::function<void(const std::string&)> violation;
  };

  struct Counters {
    std::uint64_t sent = 0;
    std::uint64_t lost = 0;
    std::uint64_t blocked = 0;
    std::uint64_t doubled = 0;
    std::uint64_t refused = 0;
    std::uint64_t broken = 0;
  };

  // Both must outlive it. Without a tap for violations, one ends the program.
  SimNetwork(SimScheduler& scheduler, Random& random);
  ~SimNetwork();
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  // A process listens at `address` until Close().
  void ServeNode(const std::string& address, SimExecutor& executor, NodeHandler& handler);
  void ServeMembership(const std::string& address, SimExecutor& executor,
                       MembershipHandler& handler);
  // The process has ended: whoever waits for an answer from it hears that the connection broke,
  // and new calls are refused. Call it before the handler is destroyed.
  void Close(const std::string& address);

  // The clients of the process that runs on `executor` on `host`. They must be destroyed before
  // the executor; what is in flight then ends unheard.
  std::unique_ptr<NodeClient> MakeNodeClient(const std::string& host, SimExecutor& executor);
  std::unique_ptr<MembershipClient> MakeMembershipClient(const std::string& host,
                                                         SimExecutor& executor,
                                                         const std::string& coordinator);

  // Nothing passes from one host to the other, in this direction, until Heal().
  void Block(const std::string& from, const std::string& to) { blocked_.insert({from, to}); }
  void Heal() { blocked_.clear(); }
  bool blocked() const { return !blocked_.empty(); }
  // All connections between the two hosts break now; both ends notice.
  void Break(const std::string& one, const std::string& other);

  Weather weather;
  Taps taps;
  const Counters& counters() const { return counters_; }
  // Calls that a handler has got and not yet answered.
  std::size_t open_calls() const;

  static std::string HostOf(std::string_view address);

 private:
  friend class SimNodeClient;
  friend class SimReplyWriter;
  friend class SimMembershipClient;
  struct Endpoint {
    SimExecutor* executor = nullptr;
    NodeHandler* node = nullptr;
    MembershipHandler* membership = nullptr;
    std::uint64_t life = 0;
    // By call: tells the caller that the connection broke.
    std::map<std::uint64_t, std::function<void()>> open;
    // By call: what to run if its ask, the first of the pair, is withdrawn.
    std::map<std::uint64_t, std::pair<std::uint64_t, std::function<void()>>> gone;
  };
  enum class Care { kMayBeLost, kSure };

  // `arrive` runs on behalf of the world, once or more or never.
  void Send(const std::string& from, const std::string& to, std::string_view what,
            std::function<void()> arrive, Care care = Care::kMayBeLost);
  void SendOnce(const std::string& from, const std::string& to, std::string_view what,
                const std::function<void()>& arrive);
  Endpoint* Find(const std::string& address);
  // The same, if the process of that life still listens there.
  Endpoint* Find(const std::string& address, std::uint64_t life);
  // Nobody at `client_host` listens any more to what the process at `address` has to say.
  void SendWithdraw(const std::string& client_host, const std::string& address, std::uint64_t ask,
                    Care care);
  bool IsBlocked(const std::string& from, const std::string& to) const;
  void Violation(const std::string& text);
  MonoClock::duration Upto(MonoClock::duration most);
  bool Chance(unsigned per_thousand);

  SimScheduler& scheduler_;
  Random& random_;
  Counters counters_;
  std::uint64_t next_ = 1;  // Numbers of calls, lives and clients.
  std::map<std::string, Endpoint> endpoints_;
  std::set<std::pair<std::string, std::string>> blocked_;
  std::map<std::pair<std::string, std::string>, MonoTime> last_arrival_;
  struct Client {
    std::string host;
    std::function<void(const std::string& other_host)> broken;
  };
  std::map<std::uint64_t, Client> clients_;
};

}  // namespace quell
