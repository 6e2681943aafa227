// What the tests of node/ share: a node on simulated time with all that it is handed, and ends for
// what it says.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/limits.h"
#include "node/node.h"
#include "tests/support/memory_journal.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seen_task.h"
#include "tests/support/sim_executor.h"
#include "tests/support/sim_processes.h"

namespace quell {

// A coordinator as its node sees it. Answers at once and well, unless told otherwise.
class FakeCoordinator final : public MembershipClient {
 public:
  explicit FakeCoordinator(SimExecutor& executor) : executor_(executor) {}

  void Join(JoinRequest request, MonoTime deadline,
            std::function<void(Result<JoinReply>)> done) override;
  void Heartbeat(HeartbeatRequest request, MonoTime deadline,
                 std::function<void(Result<HeartbeatReply>)> done) override;
  void Leave(LeaveRequest request, MonoTime deadline, std::function<void(Status)> done) override;

  std::vector<JoinRequest> joins;
  std::vector<HeartbeatRequest> heartbeats;
  std::vector<LeaveRequest> leaves;

  std::optional<Error> error;     // Every call fails with it.
  std::vector<Intent> pending;    // Handed over once, with the next answer.
  bool settles = false;           // Its store takes what is owed.
  bool rejoin = false;            // The next heartbeat is told to join again.
  std::uint64_t next_number = 1;  // Of a join's answer.
  std::string boot_id = "coordinator's boot";
  BootClock::duration ahead{0};  // Its boot clock, minus the node's.
  MonoClock::duration way{0};    // How long each message takes.
  bool silent = false;           // Calls end by their deadlines.
  NodeId id;

 private:
  template <typename Reply>
  void Answer(MonoTime deadline, std::function<void(Result<Reply>)> done, Reply reply);

  SimExecutor& executor_;
};

// Keeps what it is told.
class RecordingSink final : public CommandSink {
 public:
  void OnCancel(const CancelCommand& command) override { commands.push_back(command); }
  void OnClosed() override { closed = true; }

  std::vector<CancelCommand> commands;
  bool closed = false;
};

class RecordingWriter final : public ReplyWriter {
 public:
  explicit RecordingWriter(Executor& executor) : executor_(executor) {}
  void Tasks(std::span<const TaskView> page, std::function<void()> then) override;
  void Finish(Result<NodeReply> reply) override;
  void OnGone(std::function<void()> gone) override { gone_ = std::move(gone); }

  // The coordinator has gone away.
  void Leave();

  std::vector<SeenTask> tasks;
  std::vector<std::size_t> pages;  // Their sizes.
  std::optional<Result<NodeReply>> reply;
  bool hold = false;  // The reader takes no more.

 private:
  Executor& executor_;
  std::function<void()> gone_;
};

// One host with a node, life after life.
class NodeWorld {
 public:
  static constexpr std::uint32_t kUid = 1000;

  // Starts the first life, joined, with its first numbers reserved.
  NodeWorld();
  ~NodeWorld();

  // Kill -9, and a new daemon over what is durable.
  void Crash();
  void Start();
  void Restart() {
    Crash();
    Start();
  }

  static Principal User(std::uint32_t uid = kUid);
  NewTask Work(std::string action = "work") const;
  // Registers as `who` and runs until it is answered.
  Result<RegisterReply> Register(RegisterRequest request, const Principal& who = User());
  // One task; its answer must be a value.
  RegisteredTask RegisterOne(NewTask task);
  RegisteredTask RegisterChild(const TaskId& parent);

  // Says how they went; runs until that is answered.
  Status Finish(const TaskId& task, TaskState outcome = TaskState::kSucceeded);
  std::vector<Status> FinishAll(std::vector<TaskEnd> ends, const Principal& who = User(),
                                std::optional<SessionToken> session = {});

  Intent Cancel(const TaskId& task);
  Intent Cancel(TaskFilter filter);
  // As a coordinator's push; runs until the node has answered, or nothing happens any more.
  std::shared_ptr<RecordingWriter> Ask(NodeRequest request);
  // Asks for all; the tasks by number.
  std::vector<SeenTask> List(ListRequest request = {});
  SeenTask Show(const TaskId& task);
  Result<NodeReply> Get(const TaskId& task);

  void Settle() { scheduler.Advance(std::chrono::milliseconds(50)); }
  WallTime wall() const { return clock.Wall(); }
  TaskId Id(std::uint64_t number) const { return {info.id, number}; }

  // Of the lives that start from now on.
  std::size_t tombstones_kept = limits::kTombstonesKept;
  // Makes ready the coordinator of the lives that start from now on.
  std::function<void(FakeCoordinator&)> prepare;

  SimScheduler scheduler;
  SimClock clock{scheduler};
  SeededRandom random{7};
  NodeInfo info;
  HostLoad load;
  JournalFile file;
  SimProcesses processes;

  // Of the present life.
  std::unique_ptr<SimExecutor> executor;
  std::unique_ptr<MemoryJournal> journal;
  std::unique_ptr<SimProcessWatch> watch;
  std::unique_ptr<FakeCoordinator> coordinator;
  std::unique_ptr<Node> node;
  std::size_t joined = 0;
  std::size_t left = 0;  // The fleet, for good.
  std::optional<Error> refused;
  std::vector<Error> troubles;
  std::vector<TaskId> spared;  // Over all lives.
};

// The task ids of what was listed.
std::vector<std::uint64_t> NumbersOf(const std::vector<SeenTask>& tasks);

}  // namespace quell
