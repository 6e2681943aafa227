// What goes wrong, and when: each kind that the seed has on strikes at random times until the calm,
// which undoes all of it.
#pragma once

#include <memory>
#include <vector>

#include "tests/sim/hosts.h"

namespace quell::sim {

class Faults {
 public:
  Faults(World& world, CoordinatorHost& coordinator,
         const std::vector<std::unique_ptr<NodeHost>>& nodes);

  void Start();
  // The storm is over: the network is well, disks are sound, every daemon runs.
  void Heal();
  std::uint64_t struck() const { return struck_; }

 private:
  // Strikes again and again, at `mean` apart on average, if the seed has this kind.
  void Repeat(Fault kind, MonoClock::duration mean, void (Faults::*strike)());
  void ChangeWeather();
  void Partition();
  void OneWay();
  void BreakLink();
  void CrashNode();
  void CrashCoordinator();
  void SpoilDisk();
  void JumpClock();
  void PauseSomebody();
  void Stop();
  void Leave();
  void Forget();
  void ForgetDown(NodeHost& node);
  void StartWhenDown(NodeHost& node);
  // Whoever died of an aimed crash is started again.
  void Nurse();
  void Restart(Host& host);
  Host& Somebody();
  NodeHost& SomeNode() { return *nodes_[dice_.Below(nodes_.size())]; }

  World& world_;
  CoordinatorHost& coordinator_;
  const std::vector<std::unique_ptr<NodeHost>>& nodes_;
  Dice dice_;
  std::uint64_t struck_ = 0;
};

}  // namespace quell::sim
