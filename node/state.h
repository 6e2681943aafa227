// What the parts of one Node share. Private to this folder.
#pragma once

#include <functional>
#include <optional>
#include <unordered_map>

#include "core/executor.h"
#include "core/lifetime.h"
#include "core/limits.h"
#include "core/node_info.h"
#include "core/random.h"
#include "core/request_tasks.h"
#include "core/task_id_allocator.h"
#include "node/cancels/tombstones.h"
#include "node/journal/journal.h"
#include "node/membership/coordinator_clock.h"
#include "node/membership/lives.h"
#include "node/node.h"
#include "node/programs/sessions.h"
#include "node/tasks/registry.h"

namespace quell {

// Which tasks the node takes.
enum class Intake : std::uint8_t {
  kAll,
  kDraining,  // Those that belong to what lives here: they come back, or their parent lives.
  kNone,      // It leaves the fleet.
};

struct NodeState {
  NodeState(NodeInfo node_info, const NodeServices& services, const JournalState& recovered,
            std::size_t tombstones_kept = limits::kTombstonesKept)
      : info(std::move(node_info)),
        executor(services.executor),
        random(services.random),
        journal(services.journal),
        processes(services.processes),
        numbers(
            [this](std::uint64_t end, auto done) { journal.ReserveNumbers(end, std::move(done)); },
            recovered.next_number),
        tombstones(recovered.tombstones, recovered.forgotten_below, tombstones_kept),
        lives(recovered.lives),
        first_number_(recovered.next_number),
        come_back_until_(executor.clock().Now() + limits::kComeBack) {
    info.incarnation = recovered.incarnation;
    info.life = lives.present();
    for (const Receipt& receipt : recovered.receipts)
      receipts.emplace(receipt.task.number, receipt);
  }

  MonoTime now() const { return executor.clock().Now(); }
  WallTime wall() const { return executor.clock().Wall(); }
  BootTime boot() const { return executor.clock().Boot(); }
  BootMoment boot_moment() const { return {info.boot_id, boot()}; }
  TaskId IdOf(std::uint64_t number) const { return {info.id, number}; }
  // As RequestTasks::Begin(); null for none.
  RequestTasks::Held Begin(const std::optional<RequestTask>& request) {
    if (!request) return nullptr;
    return requests.Begin(info.id, numbers, *request, executor.clock());
  }
  // The number was given out by an earlier life, a short time ago: a task of which nothing is known
  // may be one that its program is about to bring back.
  bool MayComeBack(std::uint64_t number) const {
    return number != 0 && number < first_number_ && now() < come_back_until_;
  }
  MonoTime come_back_until() const { return come_back_until_; }
  // The number of a task that is this node's own; 0: it is another's.
  std::uint64_t OwnNumber(const TaskId& id) const { return id.node == info.id ? id.number : 0; }

  NodeInfo info;
  Executor& executor;
  Random& random;
  Journal& journal;
  ProcessWatch& processes;
  TaskIdAllocator numbers;
  RequestTasks requests;  // Parts of coordinators' requests.
  Registry registry;
  Tombstones tombstones;
  Lives lives;
  Sessions sessions;
  // Of earlier lives, by number, until the task is resumed. Looked up, never walked.
  std::unordered_map<std::uint64_t, Receipt> receipts;
  CoordinatorClock coordinator_clock;
  // Told, as NodeOptions has it.
  std::function<void(const Intent&, const std::vector<TaskId>&)> spared =
      [](const Intent&, const std::vector<TaskId>&) {};
  Intake intake = Intake::kAll;
  // Called with the number of each task that has ended. Set by Waits.
  std::function<void(std::uint64_t)> ended = [](std::uint64_t) {};
  Lifetime lifetime;

 private:
  const std::uint64_t first_number_;  // Of this life.
  const MonoTime come_back_until_;
};

}  // namespace quell
