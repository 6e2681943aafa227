// What the tests of the coordinator share: ids, nodes with defaults, and nodes that answer as told.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/coordinator.h"
#include "core/limits.h"
#include "tests/support/memory_store.h"
#include "tests/support/sim_clock.h"
#include "tests/support/sim_executor.h"
#include "tests/support/sim_scheduler.h"
#include "transport/node_client.h"

namespace quell {

// The same number gives the same id; they sort as their numbers do.
inline NodeId Id(int n) {
  std::string text = "node" + std::string(17, '0') + "A";
  text[18] = static_cast<char>('0' + n / 100);
  text[19] = static_cast<char>('0' + n / 10 % 10);
  text[20] = static_cast<char>('0' + n % 10);
  return *NodeId::Parse(text);
}

inline NodeInfo Info(int n, std::string name = "", std::uint64_t incarnation = 1) {
  NodeInfo info;
  info.id = Id(n);
  info.incarnation = static_cast<Incarnation>(incarnation);
  info.name = name.empty() ? "node" + std::to_string(n) : std::move(name);
  info.address = "127.0.0.1:" + std::to_string(9300 + n);
  info.host = "127.0.0.1";
  info.version = "0.1.0";
  return info;
}

inline NodeInfo Self() {
  NodeInfo self = Info(0, "coordinator");
  self.boot_id = "boot-of-the-coordinator";
  return self;
}

inline KnownNode Known(int n, std::string name = "") {
  return KnownNode{Info(n, std::move(name)), 100, 100, false};
}

// A live task; set what matters.
inline TaskView MakeTask(int node, std::uint64_t number) {
  TaskView task;
  task.id = {Id(node), number};
  task.type = "transport";
  task.action = "job:run";
  return task;
}

// Remembers the numbers it got.
class NumbersSink final : public TaskSink {
 public:
  void OnTasks(std::span<const TaskView> page) override {
    for (const TaskView& task : page)
      numbers.push_back(task.id.number);
  }
  std::vector<std::uint64_t> numbers;
};

inline TaskSinkFactory NumberSinks() {
  return [](const NodeInfo&) { return std::make_shared<NumbersSink>(); };
}

// Nodes that keep each ask until the test answers it.
class AskedNodes final : public NodeClient {
 public:
  struct Asked {
    NodeId node;
    NodeRequest request;
    MonoTime deadline;
    std::shared_ptr<ReplySink> sink;
  };

  void Connect(const NodeInfo& node) override { connected.push_back(node); }
  void Disconnect(const NodeId& node) override { disconnected.push_back(node); }
  void Ask(const NodeId& node, NodeRequest request, MonoTime deadline,
           std::shared_ptr<ReplySink> sink) override {
    asks.push_back({node, std::move(request), deadline, std::move(sink)});
    if (answer) answer(asks.back());
  }
  void Withdraw(const NodeId&, const ReplySink& sink) override { withdrawn.push_back(&sink); }

  // The last ask of a node that is not taken yet.
  std::optional<Asked> Take(int n) {
    for (auto it = asks.begin(); it != asks.end(); ++it) {
      if (it->node != Id(n)) continue;
      Asked ask = std::move(*it);
      asks.erase(it);
      return ask;
    }
    return std::nullopt;
  }

  std::vector<Asked> asks;
  std::vector<NodeInfo> connected;
  std::vector<NodeId> disconnected;
  std::vector<const ReplySink*> withdrawn;
  std::function<void(const Asked&)> answer;  // Called with each ask, if set.
};

// What a coordinator needs around it, on simulated time.
class CoordinatorServicesTest : public testing::Test {
 protected:
  SimScheduler scheduler_;
  SimClock clock_{scheduler_};
  SimExecutor executor_{scheduler_, clock_};
  SeededRandom random_{7};
  StoreFile file_;
  MemoryStore store_{executor_, file_};
  AskedNodes nodes_;
  Principal who_{Principal::Transport::kLoopback, 0, 0, "127.0.0.1"};
};

}  // namespace quell
