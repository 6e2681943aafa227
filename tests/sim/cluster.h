// One run of one seed: a coordinator, nodes, programs and operators on one simulated clock; a
// storm, then the calm in which all that was promised must come true.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/faults.h"
#include "tests/sim/hosts.h"
#include "tests/sim/operators.h"
#include "tests/sim/program.h"
#include "tests/sim/truth.h"
#include "tests/sim/world.h"

namespace quell::sim {

struct Outcome {
  SimConfig config;
  std::vector<std::string> violations;
  std::uint64_t hash = 0;  // Of every event and every line of the trace.
  std::uint64_t events = 0;
  std::uint64_t requests = 0;
  std::uint64_t promised = 0;  // Cancels acknowledged.
  std::uint64_t tasks = 0;
  std::uint64_t told = 0;  // Tasks whose program heard of a cancel.
  std::uint64_t struck = 0;
  std::uint64_t lives = 0;  // Of all daemons.
  SimNetwork::Counters network;

  bool ok() const { return violations.empty(); }
  // "seed=7 failed: ...; replay: ...", one line.
  std::string Line() const;
  // Sums over seeds, and what they say.
  void Add(const Outcome& other);
  std::string Statistics() const;

  std::uint64_t seeds = 0;
};

// Each line of the trace with its time, for people.
using TraceSink = std::function<void(const std::string&)>;

Outcome RunSeed(std::uint64_t seed, const TraceSink& trace = nullptr);

}  // namespace quell::sim
