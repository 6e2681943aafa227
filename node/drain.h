// A node that is to run empty: it takes no new tasks, and may leave the fleet once nothing lives.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "node/answers.h"
#include "node/owed.h"
#include "node/registration.h"
#include "node/state.h"

namespace quell {

// Not thread-safe: on the node's executor. What it decides lasts until the daemon ends.
class Drain {
 public:
  // `leave` is called once, when nothing lives and the node was told to leave then.
  Drain(NodeState& state, Answers& answers, const Registrar& registrar, const Owed& owed,
        std::function<void()> leave)
      : state_(state),
        answers_(answers),
        registrar_(registrar),
        owed_(owed),
        leave_(std::move(leave)) {}

  void OnRequest(const DrainRequest& request, std::shared_ptr<ReplyWriter> writer);

 private:
  NodeState& state_;
  Answers& answers_;
  const Registrar& registrar_;
  const Owed& owed_;
  const std::function<void()> leave_;
};

}  // namespace quell
