// The one for whom something is asked.
#pragma once

#include <functional>
#include <utility>

namespace quell {

// The caller may leave before the answer: then what waits for it is given up. A cancel that the
// caller asked for goes its way all the same. Not thread-safe: on the coordinator's executor.
class RequestContext {
 public:
  bool left() const { return left_; }
  void Leave() {
    left_ = true;
    if (auto give_up = std::exchange(give_up_, nullptr)) give_up();
  }
  // Runs when he leaves, and not if he has left; replaces what was given before.
  void OnLeave(std::function<void()> give_up) { give_up_ = std::move(give_up); }

 private:
  bool left_ = false;
  std::function<void()> give_up_;
};

}  // namespace quell
