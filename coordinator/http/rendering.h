// What the APIs put long answers together with.
#pragma once

#include <functional>
#include <memory>

#include "transport/http/byte_budget.h"

namespace quell {

// Runs `work`, which touches nothing but what it owns, beside the executor, and then `then` on it.
using Aside = std::function<void(std::function<void()> work, std::function<void()> then)>;

struct Rendering {
  std::shared_ptr<http::ByteBudget> held = {};  // The server's own. Null: no bound.
  Aside aside = {};                             // Empty: long answers are put together at once.
};

}  // namespace quell
