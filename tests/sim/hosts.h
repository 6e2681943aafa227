// The simulated machines with their daemons: the real Node and Coordinator, life after life, over
// files and processes that outlive them.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/coordinator.h"
#include "node/node.h"
#include "tests/sim/world.h"
#include "tests/support/memory_journal.h"
#include "tests/support/memory_store.h"
#include "tests/support/sim_processes.h"

namespace quell::sim {

// What both kinds of machines have.
class Host {
 public:
  virtual ~Host() = default;

  virtual bool up() const = 0;
  // Kill -9. Must not be called from the daemon's own code: only from events of the world.
  virtual void Crash() = 0;
  virtual void Start() = 0;
  virtual SimDisk& disk() = 0;

  // SIGSTOP and SIGCONT; a daemon that is down ignores them.
  void Pause();
  void Resume();
  bool paused() const;
  // When it was last resumed.
  MonoTime went_on() const { return went_on_; }
  // When its daemon reads what arrives then: later, if it stands still.
  MonoTime Reads(MonoTime arrived) const;
  void JumpWall(WallClock::duration by);
  // Its monotonic clock stood still for so long, while it was paused.
  void Sleep(MonoClock::duration duration);

  // Counts the starts; 0 before the first one.
  std::uint64_t life() const { return life_; }
  const std::string& name() const { return name_; }
  SimClock& clock() { return *clock_; }

 protected:
  Host(World& world, std::string name, std::shared_ptr<SimClock> clock);
  virtual SimExecutor* executor() const = 0;
  // With aimed crashes: now and then this life ends within a moment from now.
  void AimCrash(unsigned percent);

  World& world_;
  const std::string name_;
  const std::shared_ptr<SimClock> clock_;
  std::uint64_t life_ = 0;
  MonoTime went_on_;
  std::vector<std::pair<MonoTime, MonoTime>> pauses_;  // From, to; the end of the last may be open.
};

class NodeHost final : public Host {
 public:
  NodeHost(World& world, std::string name, std::shared_ptr<SimClock> clock, std::string boot_id,
           std::string coordinator_address);
  ~NodeHost() override;

  bool up() const override { return daemon_ != nullptr; }
  void Crash() override;
  void Start() override;
  // Stops cleanly: the node is away, and stays a member.
  void Stop();
  // From now on it may not be a member, until its next life has joined: it was told to leave, or is
  // being forgotten.
  void MayBeGone() {
    member_ = false;
    may_be_gone_ = life_;
  }
  // Before the first start: somebody has copied, or restored, a data directory.
  void CopyData(const NodeId& id, const JournalFile& copied);
  SimDisk& disk() override { return file.disk; }

  // Runs `call` on the daemon's executor, as a request of a local program; not at all if the
  // daemon dies before. False if it is down.
  bool Call(std::function<void(Node&)> call);
  // A number was given out in this life: with aimed crashes, the daemon may not live to tell it.
  void GaveOutNumbers();

  const NodeId& id() const { return info_.id; }
  const std::string& address() const { return info_.address; }
  bool joined() const;
  std::size_t PendingEvents() const;
  // It has joined in some life, and nobody has told it to leave or forgotten it since: each
  // selection must know it.
  bool member() const { return member_; }
  // Somebody has, in this life or an earlier one: what was pending for it may be given up.
  bool may_have_been_gone() const { return may_be_gone_.has_value(); }
  bool stopping() const;

  JournalFile file;
  std::vector<MonoTime> crashes;  // When its lives ended, one way or another.
  // Numbers that had a tombstone when the present life began.
  std::set<std::uint64_t> cancelled_before;
  // Which intents have spared which of its tasks by name.
  std::set<std::pair<IntentId, std::uint64_t>> spared;
  SimProcesses processes;
  // Another living daemon has its id. Empty: then it is a violation.
  std::function<void(const Error&)> on_refused;
  // It has left the fleet; then its daemon ends.
  std::function<void()> on_left;

 private:
  struct Daemon;
  SimExecutor* executor() const override;
  void EndSoon();

  NodeInfo info_;
  const std::string coordinator_address_;
  bool member_ = false;
  std::optional<std::uint64_t> may_be_gone_;  // The last life of which that was so.
  std::unique_ptr<Daemon> daemon_;
};

class CoordinatorHost final : public Host {
 public:
  CoordinatorHost(World& world, std::shared_ptr<SimClock> clock, std::string boot_id);
  ~CoordinatorHost() override;

  bool up() const override { return daemon_ != nullptr; }
  void Crash() override;
  void Start() override;
  SimDisk& disk() override { return file.disk; }

  // Runs `call` on the daemon's executor, as a request of its HTTP API.
  bool Call(std::function<void(Coordinator&)> call);
  // Runs `check` on its executor at the true time `when`, if this life lasts.
  void At(MonoTime when, std::function<void()> check);

  const NodeInfo& info() const { return info_; }
  std::size_t PendingEvents() const;

  StoreFile file;

 private:
  struct Daemon;
  SimExecutor* executor() const override;

  NodeInfo info_;
  std::unique_ptr<Daemon> daemon_;
};

}  // namespace quell::sim
