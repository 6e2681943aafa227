// The one for whom something is asked.
#pragma once

#include <functional>
#include <utility>

namespace quell {

// He may leave before he has his answer: then what waits for him is given up. A cancel that he
// asked for goes its way all the same. Not thread-safe: on the coordinator's executor.
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
