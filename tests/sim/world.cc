#include "tests/sim/world.h"

#include <cstdio>

namespace quell::sim {

World::World(const SimConfig& settings)
    : config(settings),
      dice(settings.seed),
      network_dice(dice.Fork()),
      network(scheduler, network_dice.random()) {
  network.taps.violation = [this](const std::string& text) { Violation(text); };
}

void World::Violation(const std::string& text) {
  const std::string line = Stamp() + " " + text;
  scheduler.Trace("VIOLATION " + line);
  if (violations.size() < 20) violations.push_back(line);
}

std::string World::Stamp() const {
  char text[32];
  const auto since = scheduler.Now().time_since_epoch() - std::chrono::hours(1);
  std::snprintf(text, sizeof text, "t=%.6fs", std::chrono::duration<double>(since).count());
  return text;
}

}  // namespace quell::sim
