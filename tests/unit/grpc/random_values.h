// Values of the domain at random, every field used, from a seed.
#pragma once

#include "core/random.h"
#include "core/task.h"
#include "tests/support/seen_task.h"
#include "transport/messages.h"

namespace quell {

class RandomValues {
 public:
  explicit RandomValues(std::uint64_t seed) : random_(seed) {}

  bool Coin() { return random_.Below(2) == 0; }
  std::uint64_t Below(std::uint64_t bound) { return random_.Below(bound); }
  std::uint64_t Number();
  std::string Text(std::size_t max);  // UTF-8.
  std::string Name(std::size_t max);  // UTF-8 without control characters, not empty.
  WallTime Time();
  NodeId Node() { return NodeId::Make(random_); }
  IntentId IntentKey() { return IntentId::Make(random_); }
  LifeId Life() { return LifeId::Make(random_); }
  BootMoment Moment();
  TaskId Task() { return {Node(), Number()}; }
  TaskState State();
  SeenTask Shown(const NodeId& node);
  ResourceUse Resources();
  TaskFilter Filter();
  Intent AnIntent();
  Receipt AReceipt();
  IntentAck Ack();
  HostLoad Load();
  NodeInfo Info();
  Error AnError();

 private:
  std::vector<Header> Headers(std::uint64_t max);
  std::optional<WallTime> MaybeTime();

  SeededRandom random_;
};

}  // namespace quell
