// What everything in a simulated world shares: time, network, dice, and the list of broken
// promises.
#pragma once

#include <string>
#include <vector>

#include "tests/sim/config.h"
#include "tests/support/sim_network.h"
#include "tests/support/sim_scheduler.h"

namespace quell::sim {

struct World {
  explicit World(const SimConfig& settings);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // A promise was broken. The run goes on; the first ones are kept.
  void Violation(const std::string& text);
  void Trace(const std::string& line) { scheduler.Trace(line); }
  MonoTime now() const { return scheduler.Now(); }
  // Seconds since the start, for people.
  std::string Stamp() const;

  const SimConfig config;
  Dice dice;
  Dice network_dice;
  SimScheduler scheduler;
  SimNetwork network;
  bool calm = false;  // The faults are over.
  std::vector<std::string> violations;
};

}  // namespace quell::sim
