#include "tests/sim/cluster.h"

#include <cstdio>
#include <utility>

namespace quell::sim {

using namespace std::chrono_literals;

namespace {

// More than any daemon needs while nothing happens.
constexpr std::size_t kIdleEventsMax = 100;

class Cluster {
 public:
  explicit Cluster(const SimConfig& config) : world_(config) {
    std::shared_ptr<SimClock> shared = MakeClock();
    coordinator_ = std::make_unique<CoordinatorHost>(world_, shared, "boot-0");
    for (std::size_t i = 1; i <= config.nodes; ++i) {
      const std::string number = std::to_string(i);
      nodes_.push_back(std::make_unique<NodeHost>(
          world_, "node" + number, config.one_machine ? shared : MakeClock(),
          config.one_machine ? "boot-0" : "boot-" + number, coordinator_->info().address));
    }
    truth_ = std::make_unique<Truth>(world_, *coordinator_, nodes_);
    for (const auto& node : nodes_)
      node->on_left = [this, host = node.get()] { truth_->Left(*host); };
    operators_ = std::make_unique<Operators>(world_, *truth_, *coordinator_, nodes_);
    faults_ = std::make_unique<Faults>(world_, *coordinator_, nodes_);
  }

  Outcome Run(const TraceSink& trace) {
    if (trace) {
      world_.scheduler.set_trace_sink([this, &trace](MonoTime, std::string_view line) {
        trace(world_.Stamp() + " " + std::string(line));
      });
    }
    world_.Trace(world_.config.ToString());
    coordinator_->Start();
    for (const auto& node : nodes_)
      node->Start();
    SpawnPrograms();
    operators_->Start();
    faults_->Start();
    world_.scheduler.Advance(world_.config.storm);
    faults_->Heal();
    world_.scheduler.Advance(world_.config.calm);
    Judge();
    CancelEverything();
    return Report();
  }

 private:
  std::shared_ptr<SimClock> MakeClock() {
    SimClock::Options options;
    options.mono_ahead = world_.dice.Between(0s, 24h);
    options.boot_ahead = world_.dice.Between(0s, 24h);
    options.boot_drift_ppm = static_cast<std::int64_t>(world_.dice.Below(101)) - 50;
    options.wall_ahead =
        std::chrono::duration_cast<WallClock::duration>(world_.dice.Between(0s, 2min)) - 1min;
    options.drift_ppm = static_cast<std::int64_t>(world_.dice.Below(101)) - 50;
    return std::make_shared<SimClock>(world_.scheduler, options);
  }

  void SpawnPrograms() {
    if (world_.calm) return;
    const std::size_t host = world_.dice.Below(nodes_.size());
    auto program =
        std::make_shared<Program>(world_, *truth_, *nodes_[host], host, programs_.size() + 1);
    programs_.push_back(program);
    program->Start();
    world_.scheduler.After(world_.dice.Between(50ms, 2s), [this] { SpawnPrograms(); });
  }

  bool StillRuns(const TrueTask& task) const { return programs_[task.program - 1]->Runs(task.id); }

  void Judge() {
    const auto still_runs = [this](const TrueTask& task) { return StillRuns(task); };
    for (const auto& node : nodes_) {
      if (!node->joined()) world_.Violation(node->name() + " has not joined in the calm");
    }
    for (const auto& program : programs_) {
      if (const std::string why = program->Estranged(); !why.empty()) world_.Violation(why);
      if (program->Dawdles()) world_.Violation("a program was told and could not finish its task");
    }
    truth_->JudgeTheEnd(still_runs);
    bool listed = false;
    const MonoTime asked = world_.now();
    operators_->ListAll([&](const std::vector<SeenTask>& tasks) {
      listed = true;
      truth_->JudgeLastList(asked, tasks, still_runs);
    });
    world_.scheduler.Advance(2s);
    if (!listed) world_.Violation("the last list was not answered");
  }

  // Nobody who can hear and obeys runs on after this; and then nothing is left waiting anywhere.
  void CancelEverything() {
    operators_->CancelAll();
    world_.scheduler.Advance(8s);
    truth_->JudgeTheEnd([this](const TrueTask& task) { return StillRuns(task); });
    // It hits nobody, and makes the nodes forget those who have ended since.
    operators_->CancelAll();
    world_.scheduler.Advance(1s);
    truth_->JudgeTombstones();
    for (const auto& program : programs_) {
      if (program->Dawdles()) world_.Violation("a program was told and did not finish its task");
    }
    for (const auto& node : nodes_)
      CheckIdle(node->name(), node->PendingEvents());
    CheckIdle("coordinator", coordinator_->PendingEvents());
    // A heartbeat may be on its way.
    if (world_.network.open_calls() > nodes_.size()) {
      world_.Violation(std::to_string(world_.network.open_calls()) + " calls were never answered");
    }
  }

  void CheckIdle(const std::string& who, std::size_t events) {
    if (events > kIdleEventsMax) {
      world_.Violation(who + " is idle and has " + std::to_string(events) + " events waiting");
    }
  }

  Outcome Report() const {
    Outcome outcome;
    outcome.config = world_.config;
    outcome.violations = world_.violations;
    outcome.hash = world_.scheduler.trace_hash();
    outcome.events = world_.scheduler.events_run();
    outcome.requests = operators_->asked();
    outcome.promised = operators_->promised();
    outcome.tasks = truth_->tasks().size();
    for (const auto& [id, task] : truth_->tasks())
      outcome.told += task.told ? 1 : 0;
    outcome.struck = faults_->struck();
    outcome.lives = coordinator_->life();
    for (const auto& node : nodes_)
      outcome.lives += node->life();
    outcome.network = world_.network.counters();
    return outcome;
  }

  // Destroyed last to first: daemons before the network that they use.
  World world_;
  std::unique_ptr<CoordinatorHost> coordinator_;
  std::vector<std::unique_ptr<NodeHost>> nodes_;
  std::unique_ptr<Truth> truth_;
  std::unique_ptr<Operators> operators_;
  std::unique_ptr<Faults> faults_;
  std::vector<std::shared_ptr<Program>> programs_;
};

}  // namespace

std::string Outcome::Line() const {
  std::string line = "seed=" + std::to_string(config.seed);
  if (ok()) {
    char hex[20];
    std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(hash));
    return line + " ok hash=" + hex + " [" + config.ToString() + "]";
  }
  return line + " failed: " + violations.front() + " [" + config.ToString() +
         "] replay: build/bin/quell-sim --seed " + std::to_string(config.seed) + " --verbose";
}

void Outcome::Add(const Outcome& other) {
  ++seeds;
  events += other.events;
  requests += other.requests;
  promised += other.promised;
  tasks += other.tasks;
  told += other.told;
  struck += other.struck;
  lives += other.lives;
  network.sent += other.network.sent;
  network.lost += other.network.lost;
  network.blocked += other.network.blocked;
  network.doubled += other.network.doubled;
  network.refused += other.network.refused;
  network.broken += other.network.broken;
}

std::string Outcome::Statistics() const {
  const auto line = [](const char* name, std::uint64_t count) {
    return std::string(name) + ": " + std::to_string(count) + "\n";
  };
  return line("seeds", seeds) + line("events", events) + line("requests", requests) +
         line("cancels acknowledged", promised) + line("tasks", tasks) + line("tasks told", told) +
         line("faults struck", struck) + line("lives of daemons", lives) +
         line("messages", network.sent) + line("messages lost", network.lost) +
         line("messages blocked", network.blocked) + line("messages doubled", network.doubled) +
         line("connections refused", network.refused) + line("links broken", network.broken);
}

Outcome RunSeed(std::uint64_t seed, const TraceSink& trace) {
  return Cluster(SimConfig::FromSeed(seed)).Run(trace);
}

}  // namespace quell::sim
