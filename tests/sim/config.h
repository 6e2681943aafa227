// What one seed means: how big the world is and which kinds of faults it suffers. Each seed has
// another subset of them (a swarm): bugs that one fault hides from another have a chance too.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>

#include "core/clock.h"
#include "core/limits.h"
#include "core/random.h"

namespace quell::sim {

enum class Fault : std::uint8_t {
  kLoss,
  kDelay,
  kDoubles,
  kOvertaking,
  kPartition,   // Both ways.
  kOneWay,      // One way only.
  kBrokenLink,  // Connections break.
  kNodeCrash,   // And restart.
  kCoordinatorCrash,
  kAimedCrash,  // A daemon dies just after something became durable or was given out.
  kSlowDisk,
  kJournalError,
  kStoreError,
  kUnknownOutcome,
  kClockJump,
  kPause,  // A daemon stands still for a while.
  kStop,   // A node's daemon stops cleanly and is started again.
  kProgramDeath,
  kStreamBreak,
  kLeave,   // A node drains, leaves the fleet if nothing lives on it, and is started again.
  kForget,  // A node that is down is forgotten, and comes back all the same.
};
inline constexpr std::size_t kFaults = static_cast<std::size_t>(Fault::kForget) + 1;

struct SimConfig {
  std::uint64_t seed = 0;
  std::size_t nodes = 3;
  bool one_machine = false;  // All daemons share their clock, and know it by the boot id.
  // Programs work below each other's live tasks, mostly below what was just cancelled; some die.
  // They are quick, and disks slow enough that this runs races.
  bool families = false;
  std::size_t tombstones_kept = limits::kTombstonesKept;  // By each node, of what does not live.
  std::bitset<kFaults> faults;
  MonoClock::duration storm{};  // Faults rage, operators and programs work.
  MonoClock::duration calm{};   // All is healed; what was promised must come true by its end.

  static SimConfig FromSeed(std::uint64_t seed);
  bool forgets_tombstones() const { return tombstones_kept < limits::kTombstonesKept; }
  bool has(Fault fault) const { return faults[static_cast<std::size_t>(fault)]; }
  // "nodes=3 loss node-crash".
  std::string ToString() const;
};

// The dice of a world.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  bool Percent(unsigned chance) { return random_.Below(100) < chance; }
  std::size_t Below(std::size_t bound) { return random_.Below(bound); }
  MonoClock::duration Between(MonoClock::duration low, MonoClock::duration high);
  // An own sequence for somebody, so that he does not disturb the others.
  std::uint64_t Fork() { return random_.Next(); }
  Random& random() { return random_; }

 private:
  SeededRandom random_;
};

}  // namespace quell::sim
