// The people: they list, look up and cancel at random, with all kinds of selections and deadlines,
// and remember exactly what they were told.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "tests/sim/truth.h"

namespace quell::sim {

class Operators {
 public:
  Operators(World& world, Truth& truth, CoordinatorHost& coordinator,
            const std::vector<std::unique_ptr<NodeHost>>& nodes);

  // Asks at random times until the calm.
  void Start();

  // Lists everything, and cancels everything, after the faults. `done` gets all tasks of all slots;
  // a slot that failed is a violation: nothing stands in its way any more.
  void ListAll(std::function<void(std::vector<SeenTask>)> done);
  void CancelAll();

  std::uint64_t asked() const { return next_ - 1; }
  std::uint64_t promised() const { return promised_; }

 private:
  void AskAndGoOn();
  void AskSomething();
  void List(Request request, MonoClock::duration timeout,
            std::function<void(const Gathered&, std::vector<SeenTask>)> done);
  void Get(Request request, MonoClock::duration timeout);
  void Await(Request request, MonoClock::duration wait);
  void Cancel(Request request, MonoClock::duration timeout, bool must_answer);
  // Leaves before his time is over; or null, who does not.
  std::shared_ptr<RequestContext> SomeCaller(bool wait, MonoClock::duration timeout);
  Request Fresh(Request::Kind kind);
  TaskIdText SomeTask();
  void Choose(Request& request);
  void CheckAllAnswered(const Gathered& answer, const char* what);

  World& world_;
  Truth& truth_;
  CoordinatorHost& coordinator_;
  const std::vector<std::unique_ptr<NodeHost>>& nodes_;
  Dice dice_;
  std::uint64_t next_ = 1;
  std::uint64_t promised_ = 0;
};

}  // namespace quell::sim
