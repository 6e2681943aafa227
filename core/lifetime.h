// Callbacks that outlive the object they call.
#pragma once

#include <memory>
#include <utility>

namespace quell {

// A member of the object, on the executor that owns it: what Guard() returns does nothing once the
// object is gone.
class Lifetime {
 public:
  template <typename F>
  auto Guard(F work) const {
    return [alive = std::weak_ptr<const int>(token_), work = std::move(work)](auto&&... args) {
      if (!alive.expired()) work(std::forward<decltype(args)>(args)...);
    };
  }

 private:
  std::shared_ptr<const int> token_ = std::make_shared<const int>(0);
};

}  // namespace quell
