#include "tests/sim/hosts.h"

#include <utility>

namespace quell::sim {

using namespace std::chrono_literals;

Host::Host(World& world, std::string name, std::shared_ptr<SimClock> clock)
    : world_(world), name_(std::move(name)), clock_(std::move(clock)) {}

void Host::Pause() {
  if (SimExecutor* running = executor()) {
    world_.Trace("pause " + name_);
    if (!running->paused()) pauses_.emplace_back(world_.now(), MonoTime::max());
    running->Pause();
  }
}

void Host::Resume() {
  if (SimExecutor* running = executor(); running != nullptr && running->paused()) {
    world_.Trace("resume " + name_);
    went_on_ = world_.now();
    pauses_.back().second = went_on_;
    running->Resume();
  }
}

MonoTime Host::Reads(MonoTime arrived) const {
  for (const auto& [from, to] : pauses_) {
    if (from <= arrived && arrived < to) return to;
  }
  return arrived;
}

bool Host::paused() const {
  const SimExecutor* running = executor();
  return running != nullptr && running->paused();
}

void Host::Sleep(MonoClock::duration duration) {
  world_.Trace(name_ + " has slept for " + std::to_string(duration.count()) + "ns");
  clock_->Sleep(duration);
}

void Host::JumpWall(WallClock::duration by) {
  world_.Trace("clock of " + name_ + " jumps by " + std::to_string(by.count()) + "us");
  clock_->JumpWall(by);
}

void Host::AimCrash(unsigned percent) {
  if (!world_.config.has(Fault::kAimedCrash) || world_.calm) return;
  if (!world_.dice.Percent(percent)) return;
  world_.scheduler.After(world_.dice.Between(0ms, 2ms), [this, life = life_] {
    if (up() && life_ == life && !world_.calm) Crash();
  });
}

// In the order in which they must be destroyed last to first.
struct NodeHost::Daemon {
  Daemon(World& world, NodeHost& host, const std::string& coordinator)
      : executor(world.scheduler, host.clock()),
        random(world.dice.Fork()),
        disk_random(world.dice.Fork()),
        journal(executor, host.file, &disk_random),
        watch(executor, host.processes),
        membership(world.network.MakeMembershipClient(host.name(), executor, coordinator)) {}

  SimExecutor executor;
  SeededRandom random;
  SeededRandom disk_random;
  MemoryJournal journal;
  SimProcessWatch watch;
  std::unique_ptr<MembershipClient> membership;
  bool joined = false;
  bool stopping = false;
  std::unique_ptr<Node> node;
};

NodeHost::NodeHost(World& world, std::string name, std::shared_ptr<SimClock> clock,
                   std::string boot_id, std::string coordinator_address)
    : Host(world, std::move(name), std::move(clock)),
      coordinator_address_(std::move(coordinator_address)) {
  info_.id = NodeId::Make(world.dice.random());
  info_.name = name_;
  info_.address = name_ + ":9300";
  info_.host = name_;
  info_.version = "sim";
  info_.boot_id = std::move(boot_id);
  file.disk.on_durable = [this] { AimCrash(4); };
}

NodeHost::~NodeHost() {
  if (up()) Crash();
}

SimExecutor* NodeHost::executor() const {
  return daemon_ ? &daemon_->executor : nullptr;
}

bool NodeHost::joined() const {
  return daemon_ && daemon_->joined;
}

bool NodeHost::stopping() const {
  return daemon_ && daemon_->stopping;
}

std::size_t NodeHost::PendingEvents() const {
  return daemon_ ? world_.scheduler.Pending(&daemon_->executor) : 0;
}

void NodeHost::Start() {
  ++life_;
  world_.Trace("start " + name_ + " life " + std::to_string(life_));
  // A restarted daemon often gets another port.
  info_.address = name_ + ":" + std::to_string(9300 + (world_.dice.Percent(50) ? life_ : 0));
  cancelled_before.clear();
  for (const auto& [number, tombstone] : file.tombstones)
    cancelled_before.insert(number);
  daemon_ = std::make_unique<Daemon>(world_, *this, coordinator_address_);
  Daemon& daemon = *daemon_;
  NodeServices services{daemon.executor, daemon.random, daemon.journal, daemon.watch,
                        daemon.membership.get()};
  NodeOptions options{info_};
  options.tombstones_kept = world_.config.tombstones_kept;
  options.spared = [this](const Intent& intent, const std::vector<TaskId>& tasks) {
    for (const TaskId& task : tasks)
      spared.emplace(intent.id, task.number);
  };
  options.left = [this] {
    world_.Trace(name_ + " has left");
    daemon_->stopping = true;
    if (on_left) on_left();
    EndSoon();
  };
  daemon.node = std::make_unique<Node>(std::move(options), services, file.Open(daemon.random));
  world_.network.ServeNode(info_.address, daemon.executor, *daemon.node);
  daemon.node->Start(
      [this, &daemon] {
        if (!daemon.joined) world_.Trace(name_ + " has joined");
        daemon.joined = true;
        if (may_be_gone_ != life_) member_ = true;
      },
      [this](const Error& error) {
        if (on_refused) return on_refused(error);
        world_.Violation(name_ + " was refused, though it is alone: " + error.message);
      });
}

void NodeHost::CopyData(const NodeId& id, const JournalFile& copied) {
  info_.id = id;
  auto hook = std::move(file.disk.on_durable);
  file = copied;
  file.disk.on_durable = std::move(hook);
}

void NodeHost::Crash() {
  crashes.push_back(world_.now());
  world_.Trace("crash " + name_ + " life " + std::to_string(life_));
  daemon_->executor.Kill();
  world_.network.Close(info_.address);
  daemon_.reset();
}

void NodeHost::Stop() {
  world_.Trace("stop " + name_);
  daemon_->stopping = true;
  daemon_->executor.Post([this] { daemon_->node->Stop([this] { EndSoon(); }); });
}

// Not inside the daemon's own code.
void NodeHost::EndSoon() {
  world_.scheduler.After(0s, [this, life = life_] {
    if (up() && life_ == life) Crash();
  });
}

bool NodeHost::Call(std::function<void(Node&)> call) {
  if (!up()) return false;
  daemon_->executor.Post([this, call = std::move(call)] { call(*daemon_->node); });
  return true;
}

void NodeHost::GaveOutNumbers() {
  AimCrash(8);
}

struct CoordinatorHost::Daemon {
  Daemon(World& world, CoordinatorHost& host)
      : executor(world.scheduler, host.clock()),
        random(world.dice.Fork()),
        disk_random(world.dice.Fork()),
        store(executor, host.file, &disk_random),
        nodes(world.network.MakeNodeClient(host.name(), executor)) {}

  SimExecutor executor;
  SeededRandom random;
  SeededRandom disk_random;
  MemoryStore store;
  std::unique_ptr<NodeClient> nodes;
  std::unique_ptr<Coordinator> coordinator;
};

CoordinatorHost::CoordinatorHost(World& world, std::shared_ptr<SimClock> clock, std::string boot_id)
    : Host(world, "coordinator", std::move(clock)) {
  info_.id = NodeId::Make(world.dice.random());
  info_.name = name_;
  info_.address = name_ + ":9400";
  info_.host = name_;
  info_.boot_id = std::move(boot_id);
  file.disk.on_durable = [this] { AimCrash(3); };
}

CoordinatorHost::~CoordinatorHost() {
  if (up()) Crash();
}

SimExecutor* CoordinatorHost::executor() const {
  return daemon_ ? &daemon_->executor : nullptr;
}

std::size_t CoordinatorHost::PendingEvents() const {
  return daemon_ ? world_.scheduler.Pending(&daemon_->executor) : 0;
}

void CoordinatorHost::Start() {
  ++life_;
  world_.Trace("start coordinator life " + std::to_string(life_));
  info_.incarnation = Incarnation{life_};
  // Its machine was started again: nothing relates its clock to what it showed before.
  if (life_ > 1 && world_.config.has(Fault::kCoordinatorCrash) && world_.dice.Percent(30)) {
    info_.boot_id = "coordinator-boot-" + std::to_string(life_);
  }
  daemon_ = std::make_unique<Daemon>(world_, *this);
  CoordinatorServices services{daemon_->executor, daemon_->random, daemon_->store, *daemon_->nodes};
  daemon_->coordinator =
      std::make_unique<Coordinator>(CoordinatorOptions{info_}, services, file.Open());
  world_.network.ServeMembership(info_.address, daemon_->executor, *daemon_->coordinator);
}

void CoordinatorHost::Crash() {
  world_.Trace("crash coordinator life " + std::to_string(life_));
  daemon_->executor.Kill();
  world_.network.Close(info_.address);
  daemon_.reset();
}

bool CoordinatorHost::Call(std::function<void(Coordinator&)> call) {
  if (!up()) return false;
  daemon_->executor.Post([this, call = std::move(call)] { call(*daemon_->coordinator); });
  return true;
}

void CoordinatorHost::At(MonoTime when, std::function<void()> check) {
  if (!up()) return;
  daemon_->executor.After(when - world_.now(), std::move(check));
}

}  // namespace quell::sim
