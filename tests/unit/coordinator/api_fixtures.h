// An API with its router, coordinator and nodes that answer as told, as the tests of the OpenSearch
// API share it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/api/native/native_api.h"
#include "coordinator/api/opensearch/opensearch_api.h"
#include "tests/unit/coordinator/fixtures.h"
#include "tests/unit/coordinator/http_fixtures.h"

namespace quell::opensearch {

using namespace std::chrono_literals;

class ApiTest : public CoordinatorServicesTest {
 protected:
  // Without numbers the requests of a test are no tasks, and its lists hold what it put there.
  static constexpr std::uint64_t kNoNumbers = TaskId::kNumberMax + 1;
  explicit ApiTest(std::uint64_t next_number = kNoNumbers)
      : coordinator_({Self(), [this] { return load_; }}, {executor_, random_, store_, nodes_},
                     {next_number, {}, {}}) {
    api_.AddRoutes(router_);
    native_.AddRoutes(router_);
  }

  // Two nodes as the documentation has them; the last character of the second id is ours, since
  // 128 bits cannot be spelled as the documentation does it.
  static NodeInfo Documented(int n) {
    NodeInfo node;
    node.id = *NodeId::Parse(n == 1 ? "JzrCxdtFTCO_RaINw8ckNA" : "K8iyDdtGQCO_SbJNw9dkMA");
    node.incarnation = Incarnation{1};
    node.name = "opensearch-node" + std::to_string(n);
    node.address = n == 1 ? "127.0.0.1:9300" : "127.0.0.1:9301";
    node.host = "127.0.0.1";
    node.roles = {"data", "ingest", n == 1 ? "cluster_manager" : "master", "remote_cluster_client"};
    return node;
  }
  static TaskView DocumentedTask(int n) {
    TaskView task;
    task.id = {Documented(n).id, n == 1 ? 54u : 78u};
    task.type = "transport";
    task.action = n == 1 ? "indices:data/write/bulk" : "indices:data/write/update";
    task.description =
        n == 1 ? "bulk request to [test_index]" : "updating document in [another_index]";
    task.start_wall = WallFromMicros(n == 1 ? 1625145678901000 : 1625145679012000);
    task.running = std::chrono::nanoseconds(n == 1 ? 2345678 : 1234567);
    return task;
  }

  void Join(const NodeInfo& node) {
    coordinator_.OnJoin({node, 1}, who_, [](Result<JoinReply>) {});
    scheduler_.Advance(10ms);
  }

  // Answers every ask: tasks in `tasks_` that belong to the node, an ack for what is applied.
  void NodesAnswer() {
    nodes_.answer = [this](const AskedNodes::Asked& ask) {
      executor_.Post([this, ask] {
        std::vector<TaskView> mine;
        for (const TaskView& task : tasks_) {
          if (task.id.node == ask.node) mine.push_back(task);
        }
        if (std::holds_alternative<GetRequest>(ask.request)) {
          const std::uint64_t number = std::get<GetRequest>(ask.request).number;
          std::erase_if(mine, [&](const TaskView& t) { return t.id.number != number; });
          if (mine.empty()) return ask.sink->OnDone(Error{ErrorCode::kNotFound, "no"});
          if (ended_ && !IsTerminal(mine.front().state)) mine.front().state = TaskState::kSucceeded;
          ask.sink->OnTasks(mine);
          return ask.sink->OnDone(NodeReply(GetReply{ended_, {}}));
        }
        if (const auto* apply = std::get_if<ApplyRequest>(&ask.request)) {
          for (TaskView& task : mine) {
            task.cancelled = true;
            task.cancelled_at = WallFromMicros(1625145680000000);
          }
          if (!mine.empty()) ask.sink->OnTasks(mine);
          ApplyReply reply;
          reply.acks.push_back({apply->intents.front().id, {}, {}});
          for (const TaskId& task : spared_) {
            if (task.node == ask.node) reply.acks.back().doubtful.push_back(task);
          }
          return ask.sink->OnDone(NodeReply(reply));
        }
        if (std::holds_alternative<AwaitRequest>(ask.request)) return Await(ask, mine);
        const auto& list = std::get<ListRequest>(ask.request);
        std::erase_if(mine, [&](const TaskView& task) { return task.id.number <= list.after; });
        const bool more = list.limit > 0 && mine.size() > list.limit;
        if (more) mine.erase(mine.begin() + static_cast<std::ptrdiff_t>(list.limit), mine.end());
        if (!mine.empty()) ask.sink->OnTasks(mine);
        ask.sink->OnDone(NodeReply(ListReply{mine.size(), more}));
      });
    };
  }

  // All have ended when a minute is over, unless the wait is over before.
  void Await(const AskedNodes::Asked& ask, const std::vector<TaskView>& mine) {
    const auto limit = std::get<AwaitRequest>(ask.request).limit;
    const bool ends = limit >= 1min || mine.empty();
    executor_.After(ends ? (mine.empty() ? 0s : 60s) : limit, [this, ask, mine, ends] {
      std::vector<TaskView> shown = mine;
      for (TaskView& task : shown) {
        if (ends) task.state = TaskState::kSucceeded;
      }
      ended_ = ends;
      if (!shown.empty()) ask.sink->OnTasks(shown);
      ask.sink->OnDone(NodeReply(AwaitReply{shown.size(), ends ? 0 : shown.size()}));
    });
  }

  TestResponse Send(http::Method method, const std::string& target,
                    std::vector<Header> headers = {}, std::string body = {}) {
    return Finish(Begin(router_, method, target, std::move(headers), std::move(body)));
  }
  TestResponse Finish(const std::shared_ptr<TestExchange>& exchange) {
    const auto answered = [&] {
      while (exchange->Drain()) {
      }
      return exchange->response.has_value();
    };
    scheduler_.RunUntil(answered, 120s);
    return exchange->response.value_or(http::Response{});
  }
  TestResponse Get(const std::string& target, std::vector<Header> headers = {}) {
    return Send(http::Method::kGet, target, std::move(headers));
  }
  TestResponse Post(const std::string& target, std::vector<Header> headers = {}) {
    return Send(http::Method::kPost, target, std::move(headers));
  }
  static std::vector<Header> Strict() { return {{"quell-profile", "strict"}}; }
  static std::string Refusal(const std::string& reason,
                             const std::string& type = "illegal_argument_exception") {
    const std::string cause = R"({"type":")" + type + R"(","reason":")" + reason + "\"";
    return R"({"error":{"root_cause":[)" + cause + "}]," + cause.substr(1) + R"(},"status":400})";
  }

  HostLoad load_;  // The coordinator's own.
  Coordinator coordinator_;
  http::Router router_;
  OpenSearchApi api_{coordinator_, {Profile::kDocumented, {"quell", "0.1.0"}}};
  bool ready_ = true;
  native::NativeApi native_{coordinator_, [this] { return ready_; }};
  std::vector<TaskView> tasks_;
  std::vector<TaskId> spared_;  // By a cancel: its node cannot tell which began first.
  bool ended_ = false;
};

}  // namespace quell::opensearch
