#include "tests/sim/config.h"

namespace quell::sim {
namespace {

using namespace std::chrono_literals;

constexpr const char* kNames[kFaults] = {
    "loss",      "delay",         "doubles",       "overtaking",        "partition",
    "one-way",   "broken-link",   "node-crash",    "coordinator-crash", "aimed-crash",
    "slow-disk", "journal-error", "store-error",   "unknown-outcome",   "clock-jump",
    "pause",     "stop",          "program-death", "stream-break",      "leave",
    "forget",
};

}  // namespace

MonoClock::duration Dice::Between(MonoClock::duration low, MonoClock::duration high) {
  const auto span = static_cast<std::uint64_t>((high - low).count());
  return low + MonoClock::duration(static_cast<std::int64_t>(random_.Below(span + 1)));
}

SimConfig SimConfig::FromSeed(std::uint64_t seed) {
  Dice dice(seed * 0x9E3779B97F4A7C15ULL + 1);
  SimConfig config;
  config.seed = seed;
  config.nodes = 1 + dice.Below(4);
  config.one_machine = dice.Percent(50);
  // From nearly quiet to everything at once.
  const unsigned wildness = static_cast<unsigned>(dice.Below(70));
  for (std::size_t i = 0; i < kFaults; ++i)
    config.faults[i] = dice.Percent(wildness);
  // A jump of the clock makes many checks of times impossible: rarer than the others.
  if (!dice.Percent(30)) config.faults[static_cast<std::size_t>(Fault::kClockJump)] = false;
  config.families = dice.Percent(35);
  if (config.families) config.faults[static_cast<std::size_t>(Fault::kProgramDeath)] = true;
  // Few enough that a node forgets some within a storm.
  if (dice.Percent(30)) config.tombstones_kept = 1 + dice.Below(12);
  config.storm = dice.Between(6s, 15s);
  config.calm = 14s;
  return config;
}

std::string SimConfig::ToString() const {
  std::string text = "nodes=" + std::to_string(nodes) + (one_machine ? " one-machine" : "");
  if (families) text += " families";
  if (forgets_tombstones()) text += " tombstones=" + std::to_string(tombstones_kept);
  for (std::size_t i = 0; i < kFaults; ++i) {
    if (faults[i]) text += std::string(" ") + kNames[i];
  }
  return text;
}

}  // namespace quell::sim
