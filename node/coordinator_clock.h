// What the coordinator's clock showed when: decides which tasks began before an intent.
#pragma once

#include <chrono>
#include <deque>
#include <string>

#include "core/clock.h"
#include "core/task.h"

namespace quell {

// Not thread-safe.
class CoordinatorClock {
 public:
  enum class Order { kBefore, kNotBefore, kDoubtful };

  // A coordinator has answered. Equal boot ids (not empty): one clock, and no doubt is left.
  void Joined(const std::string& own_boot_id, const std::string& coordinator_boot_id);
  // Its clock showed `wall` at some moment between the two. The exchange that was quickest is
  // trusted most; what a step of the coordinator's clock has made wrong is dropped.
  void Sample(WallTime wall, MonoTime sent, MonoTime received);

  // False until enough is known: a first answer that took long leaves too much in doubt, and the
  // next one will be quicker.
  bool ready() const;
  // Did the task begin before the coordinator's clock showed `moment`? It must be ready().
  Order Compare(const Task& task, WallTime moment, MonoTime now) const;

 private:
  struct Reading {
    WallTime wall;
    MonoTime at;
    MonoClock::duration error;
  };
  static MonoClock::duration ErrorAt(const Reading& reading, MonoTime when);
  const Reading& Best(MonoTime now) const;

  bool shared_ = false;
  std::string boot_id_;
  std::deque<Reading> samples_;
  std::size_t answers_ = 0;
};

}  // namespace quell
