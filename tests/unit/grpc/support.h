// What the tests of this folder share: loops, nodes and sinks over real sockets in one process.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "core/random.h"
#include "host/system_clock.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seen_task.h"
#include "transport/grpc/cq_loop.h"
#include "transport/grpc/node_client.h"
#include "transport/grpc/node_server.h"
#include "transport/grpc/server.h"

namespace quell {

// Nothing that these tests wait for takes so long, unless it never comes.
inline constexpr std::chrono::seconds kForever{20};

NodeId NodeOf(std::uint64_t number);
IntentId IntentOf(std::uint64_t number);

// Something that another thread brings about.
class Event {
 public:
  void Set();
  // False: it did not happen.
  bool Wait();
  bool IsSet();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

// A loop that runs as long as this lives.
class RunningLoop {
 public:
  RunningLoop() : loop_(clock_) { loop_.Start(); }
  CqLoop& operator*() { return loop_; }
  CqLoop* operator->() { return &loop_; }
  MonoTime In(MonoClock::duration time) const { return clock_.Now() + time; }
  // Runs `work` on the loop and waits until it has run.
  void Run(std::function<void()> work);

 private:
  SystemClock clock_;
  CqLoop loop_;
};

// A sink that remembers what it was told, and fails the test if it is told in a way that is not
// allowed.
class RecordingSink final : public ReplySink {
 public:
  RecordingSink() = default;
  // `on_tasks` runs for each page, on the thread that brings it.
  explicit RecordingSink(std::function<void()> on_tasks) : on_tasks_(std::move(on_tasks)) {}

  void OnTasks(std::span<const TaskView> page) override;
  void OnUnreadable(std::span<const TaskFailure> tasks) override;
  void OnDone(Result<NodeReply> reply) override;

  // Waits for the end. An error of its own if it does not come.
  Result<NodeReply> Wait();
  std::vector<SeenTask> tasks();
  std::vector<TaskFailure> unreadable();
  int pages();
  int ends();

 private:
  const std::function<void()> on_tasks_;
  Event done_;
  std::mutex mutex_;
  bool inside_ = false;
  int pages_ = 0;
  int ends_ = 0;
  std::vector<SeenTask> tasks_;
  std::vector<TaskFailure> unreadable_;
  std::optional<Result<NodeReply>> reply_;
};

// A NodeHandler made of a function.
class ScriptedNode final : public NodeHandler {
 public:
  using Writer = std::shared_ptr<ReplyWriter>;
  using Script = std::function<void(NodeRequest, MonoTime, Writer)>;
  explicit ScriptedNode(Script script) : script_(std::move(script)) {}

  void OnRequest(NodeRequest request, const Principal& who, MonoTime deadline,
                 Writer writer) override {
    who_ = who;
    script_(std::move(request), deadline, std::move(writer));
  }
  const Principal& who() const { return who_; }

 private:
  Script script_;
  Principal who_;
};

// A node daemon's way to the world: loop, server, handler. Goes away in the order that a daemon
// does it in.
class TestNode {
 public:
  explicit TestNode(ScriptedNode::Script script, const NodeId& id = NodeOf(1),
                    const std::string& address = "127.0.0.1:0");
  ~TestNode() { Stop(); }

  NodeInfo info() const;
  RunningLoop& loop() { return loop_; }
  ScriptedNode& handler() { return handler_; }
  void Stop();

 private:
  NodeId id_;
  std::string address_;
  RunningLoop loop_;
  ScriptedNode handler_;
  GrpcNodeServer service_{*loop_};
  std::unique_ptr<GrpcServer> server_;
};

// A coordinator's way to the nodes.
struct TestClient {
  ~TestClient() { client.Close(); }
  std::shared_ptr<RecordingSink> Ask(const NodeId& node, NodeRequest request,
                                     MonoClock::duration time = kForever);

  RunningLoop loop;
  GrpcNodeClient client{*loop};
};

// Answers a probe as `id`, in its first life.
void AnswerProbe(const ScriptedNode::Writer& writer, const NodeId& id = NodeOf(1));
// A node that takes each request for a probe.
inline void AnswerProbes(NodeRequest, MonoTime, ScriptedNode::Writer writer) {
  AnswerProbe(writer);
}
// Writes `count` tasks, in pages of `page`, and the end.
void AnswerList(const ScriptedNode::Writer& writer, std::uint64_t count, std::uint64_t page = 500);

// The default task with a number.
SeenTask TaskOf(std::uint64_t number);

// Addresses at which nobody is to be found.
class DeadEnd {
 public:
  // Somebody listens and never says a word, if `silent`; else the connection is refused.
  explicit DeadEnd(bool silent);
  ~DeadEnd();
  DeadEnd(const DeadEnd&) = delete;
  DeadEnd& operator=(const DeadEnd&) = delete;
  std::string address() const;

 private:
  int fd_ = -1;
  int port_ = 0;
};

MATCHER_P(IsReply, matcher, "") {
  if (!arg.has_value()) {
    *result_listener << arg.error();
    return false;
  }
  return testing::ExplainMatchResult(matcher, *arg, result_listener);
}

// The end of a list of `count` tasks.
inline auto IsListOf(std::uint64_t count) {
  return IsReply(testing::VariantWith<ListReply>(testing::Field(&ListReply::count, count)));
}

}  // namespace quell
