// The sessions of all programs, by their tokens. One session is node/tasks/session.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "core/ids.h"
#include "core/limits.h"
#include "core/random.h"
#include "node/tasks/session.h"

namespace quell {

// Not thread-safe. References are valid until Drop().
class Sessions {
 public:
  explicit Sessions(Random& random, std::size_t max = limits::kSessionsMax)
      : random_(random), max_(max) {}

  // Null: there are too many.
  Session* Create(std::uint32_t uid);
  // Also above the limit: its tasks are older than this start of the daemon.
  Session& Restore(std::uint32_t uid);
  Session* Find(const SessionToken& token);
  void Drop(const Session& session);

  std::size_t size() const { return by_token_.size(); }
  std::map<SessionToken, Session>& all() { return by_token_; }

 private:
  Random& random_;
  const std::size_t max_;
  std::map<SessionToken, Session> by_token_;
};

}  // namespace quell
