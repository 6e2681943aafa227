// What the boot clock of the coordinator's host showed when: orders what happened on two hosts, as
// far as that can be measured.
#pragma once

#include <chrono>
#include <deque>
#include <string>

#include "core/clock.h"

namespace quell {

// Not thread-safe.
class CoordinatorClock {
 public:
  enum class Order { kBefore, kNotBefore, kDoubtful };

  // The coordinator's clock showed `theirs` at some moment between the two of ours. The exchange
  // that was quickest is trusted most. A clock with another boot id takes the place of the one
  // before; an unknown moment says nothing.
  void Sample(const BootMoment& theirs, BootTime sent, BootTime received);

  // False until enough is known: a first answer that took long leaves too much in doubt, and the
  // next one will be quicker.
  bool ready() const;
  // Whether the moment can be compared one day, by all that is known now.
  bool MayCompare(const BootMoment& moment) const;
  // Was `ours` before the coordinator's clock showed `moment`? Doubtful too if that is another
  // clock than the one that was sampled.
  Order Compare(BootTime ours, const BootMoment& moment) const;

 private:
  struct Reading {
    BootTime theirs;
    BootTime ours;
    BootClock::duration error;
  };
  static BootClock::duration ErrorAt(const Reading& reading, BootTime when);

  std::string boot_id_;  // Of the samples.
  std::deque<Reading> samples_;
  std::size_t answers_ = 0;
};

}  // namespace quell
