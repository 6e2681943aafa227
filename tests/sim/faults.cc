#include "tests/sim/faults.h"

namespace quell::sim {

using namespace std::chrono_literals;

Faults::Faults(World& world, CoordinatorHost& coordinator,
               const std::vector<std::unique_ptr<NodeHost>>& nodes)
    : world_(world), coordinator_(coordinator), nodes_(nodes), dice_(world.dice.Fork()) {}

void Faults::Start() {
  ChangeWeather();
  Repeat(Fault::kPartition, 4s, &Faults::Partition);
  Repeat(Fault::kOneWay, 4s, &Faults::OneWay);
  Repeat(Fault::kBrokenLink, 2s, &Faults::BreakLink);
  Repeat(Fault::kNodeCrash, 3s, &Faults::CrashNode);
  Repeat(Fault::kCoordinatorCrash, 5s, &Faults::CrashCoordinator);
  Repeat(Fault::kSlowDisk, 2s, &Faults::SpoilDisk);
  Repeat(Fault::kClockJump, 5s, &Faults::JumpClock);
  Repeat(Fault::kPause, 3s, &Faults::PauseSomebody);
  Repeat(Fault::kStop, 6s, &Faults::Stop);
  Repeat(Fault::kLeave, 5s, &Faults::Leave);
  Repeat(Fault::kForget, 8s, &Faults::Forget);
  if (world_.config.has(Fault::kAimedCrash)) Nurse();
  for (const auto& node : nodes_) {
    node->disk().report_max = 1ms;
    if (world_.config.families) node->disk().commit_max = 60ms;
    if (world_.config.has(Fault::kJournalError)) node->disk().errors_per_thousand = 150;
  }
  coordinator_.disk().report_max = 1ms;
  if (world_.config.has(Fault::kStoreError)) coordinator_.disk().errors_per_thousand = 150;
  if (world_.config.has(Fault::kUnknownOutcome)) coordinator_.file.unknown_per_thousand = 200;
}

void Faults::Repeat(Fault kind, MonoClock::duration mean, void (Faults::*strike)()) {
  if (!world_.config.has(kind)) return;
  world_.scheduler.After(dice_.Between(mean / 10, mean * 2), [this, kind, mean, strike] {
    if (world_.calm) return;
    ++struck_;
    (this->*strike)();
    Repeat(kind, mean, strike);
  });
}

void Faults::ChangeWeather() {
  if (world_.calm) return;
  SimNetwork::Weather weather;
  if (world_.config.has(Fault::kLoss)) {
    weather.lost_per_thousand = static_cast<unsigned>(dice_.Below(250));
  }
  if (world_.config.has(Fault::kDelay)) {
    weather.delay_max = dice_.Between(200us, 80ms);
    weather.spikes_per_thousand = static_cast<unsigned>(dice_.Below(100));
    weather.spike_max = 1500ms;
    weather.late_deadline_max = 100ms;
  }
  if (world_.config.has(Fault::kDoubles)) {
    weather.doubled_per_thousand = static_cast<unsigned>(dice_.Below(400));
  }
  if (world_.config.has(Fault::kOvertaking)) {
    weather.overtaking = true;
    weather.delay_max = std::max<MonoClock::duration>(weather.delay_max, 5ms);
  }
  world_.network.weather = weather;
  world_.scheduler.After(dice_.Between(500ms, 3s), [this] { ChangeWeather(); });
}

void Faults::Partition() {
  const std::string& node = SomeNode().name();
  world_.Trace("partition " + node);
  world_.network.Block(node, coordinator_.name());
  world_.network.Block(coordinator_.name(), node);
  world_.scheduler.After(dice_.Between(100ms, 6s), [this] { world_.network.Heal(); });
}

void Faults::OneWay() {
  const std::string& node = SomeNode().name();
  world_.Trace("one-way partition " + node);
  if (dice_.Percent(50)) {
    world_.network.Block(node, coordinator_.name());
  } else {
    world_.network.Block(coordinator_.name(), node);
  }
  world_.scheduler.After(dice_.Between(100ms, 6s), [this] { world_.network.Heal(); });
}

void Faults::BreakLink() {
  world_.network.Break(coordinator_.name(), SomeNode().name());
}

void Faults::Restart(Host& host) {
  world_.scheduler.After(dice_.Between(5ms, 2s), [this, &host] {
    if (!host.up() && !world_.calm) host.Start();
  });
}

void Faults::CrashNode() {
  NodeHost& node = SomeNode();
  if (!node.up()) return;
  node.Crash();
  Restart(node);
}

void Faults::CrashCoordinator() {
  if (!coordinator_.up()) return;
  coordinator_.Crash();
  Restart(coordinator_);
}

void Faults::Nurse() {
  world_.scheduler.After(dice_.Between(50ms, 1500ms), [this] {
    if (world_.calm) return;
    for (const auto& node : nodes_) {
      if (!node->up()) node->Start();
    }
    if (!coordinator_.up()) coordinator_.Start();
    Nurse();
  });
}

Host& Faults::Somebody() {
  const std::size_t chosen = dice_.Below(nodes_.size() + 1);
  if (chosen == nodes_.size()) return coordinator_;
  return *nodes_[chosen];
}

void Faults::SpoilDisk() {
  SimDisk& disk = Somebody().disk();
  disk.commit_max = dice_.Between(1ms, 900ms);
  world_.scheduler.After(dice_.Between(200ms, 3s), [&disk] { disk.commit_max = disk.commit_min; });
}

void Faults::JumpClock() {
  const auto by = std::chrono::duration_cast<WallClock::duration>(dice_.Between(1ms, 20s));
  Somebody().JumpWall(dice_.Percent(50) ? by : -by);
}

void Faults::PauseSomebody() {
  Host& host = Somebody();
  if (!host.up() || host.paused()) return;
  host.Pause();
  const MonoClock::duration duration = dice_.Between(20ms, 5s);
  // Its host may have slept.
  const bool slept = &host != &coordinator_ && !world_.config.one_machine && dice_.Percent(30);
  world_.scheduler.After(duration, [&host, duration, slept] {
    if (slept) host.Sleep(duration);
    host.Resume();
  });
}

void Faults::Stop() {
  NodeHost& node = SomeNode();
  if (!node.up() || node.paused()) return;
  node.Stop();
  // It is killed if it cannot stop in time, as a service manager would.
  world_.scheduler.After(7s, [this, &node, life = node.life()] {
    if (node.up() && node.life() == life && node.stopping() && !world_.calm) node.Crash();
  });
  // Sometimes at once, as an upgrade would; sometimes when it would be silent long since.
  const MonoClock::duration away = dice_.Percent(50) ? dice_.Between(10ms, 3s) : 8s;
  world_.scheduler.After(away + 100ms, [this, &node] { StartWhenDown(node); });
}

void Faults::StartWhenDown(NodeHost& node) {
  if (world_.calm) return;
  if (!node.up()) return node.Start();
  if (node.stopping()) world_.scheduler.After(500ms, [this, &node] { StartWhenDown(node); });
}

// Told twice, as people do; it leaves if nothing lives on it then, else it takes tasks again.
void Faults::Leave() {
  NodeHost& node = SomeNode();
  if (!node.up() || node.paused() || node.stopping()) return;
  world_.Trace("leave " + node.name());
  node.MayBeGone();
  const auto ask = [this, &node, life = node.life()](DrainQuery::What what, bool wait) {
    if (node.life() != life) return;
    coordinator_.Call([&node, what, wait, life](Coordinator& coordinator) {
      if (node.life() != life) return;  // The coordinator was paused.
      DrainQuery query;
      query.node = node.id();
      query.what = what;
      query.wait = wait;
      coordinator.Drain(
          query, wait ? 3s : 1s, [](const NodeInfo&) { return nullptr; },
          [](const Result<DrainAnswer>&) {});
    });
  };
  ask(DrainQuery::What::kLeave, dice_.Percent(60));
  world_.scheduler.After(dice_.Between(500ms, 4s), [this, ask] {
    if (!world_.calm) ask(DrainQuery::What::kTakeAgain, false);
  });
  world_.scheduler.After(dice_.Between(5s, 7s), [this, &node] { StartWhenDown(node); });
}

void Faults::Forget() {
  NodeHost& node = SomeNode();
  if (!node.up() || node.paused()) return;
  if (dice_.Percent(50)) {
    node.Crash();
  } else {
    node.Stop();
  }
  // A daemon that does not end is killed; one that was killed must be silent first.
  world_.scheduler.After(5s, [this, &node, life = node.life()] {
    if (world_.calm || node.life() != life) return;
    if (node.up()) node.Crash();
    ForgetDown(node);
  });
}

void Faults::ForgetDown(NodeHost& node) {
  world_.Trace("forget " + node.name());
  node.MayBeGone();
  const auto start = [this, &node, life = node.life()] {
    // Not before that is over: or the judge could not say which came first.
    world_.scheduler.After(0s, [this, &node, life] {
      if (!node.up() && node.life() == life && !world_.calm) node.Start();
    });
  };
  const bool asked = coordinator_.Call([&node, start](Coordinator& coordinator) {
    coordinator.Forget(node.id(), [start](const Result<Forgotten>&) { start(); });
  });
  if (!asked) return start();
  world_.scheduler.After(4s, start);
}

void Faults::Heal() {
  world_.Trace("calm");
  world_.calm = true;
  world_.network.weather = SimNetwork::Weather{};
  world_.network.Heal();
  std::vector<Host*> all{&coordinator_};
  for (const auto& node : nodes_)
    all.push_back(node.get());
  coordinator_.file.unknown_per_thousand = 0;
  for (Host* host : all) {
    SimDisk& disk = host->disk();
    disk.errors_per_thousand = 0;
    disk.commit_max = disk.commit_min;
    host->Resume();
  }
  for (const auto& node : nodes_) {
    // One that drains takes tasks again in its next life.
    if (node->up() && (node->stopping() || !node->member())) node->Crash();
  }
  for (Host* host : all) {
    if (!host->up()) host->Start();
  }
}

}  // namespace quell::sim
