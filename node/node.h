// The node's decisions: the tasks of its host, their sessions, the cancels that hit them. A plain
// class on one executor, driven by values; runs unchanged on the simulated network.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/executor.h"
#include "core/host_load.h"
#include "core/limits.h"
#include "core/node_info.h"
#include "core/principal.h"
#include "core/random.h"
#include "node/journal/journal.h"
#include "node/programs/process_watch.h"
#include "node/programs/program_messages.h"
#include "transport/membership.h"
#include "transport/node_handler.h"

namespace quell {

struct NodeOptions {
  NodeInfo info;  // incarnation is filled in from the journal.
  // Told of what people should know and the node can live with: the coordinator is silent, the
  // journal is full. May be empty.
  std::function<void(const Error&)> on_error = {};
  // Told of tasks that a cancel has spared, because nobody can tell whether they began before it.
  // May be empty.
  std::function<void(const Intent&, const std::vector<TaskId>&)> spared = {};
  // How busy the host is, for the heartbeats. On the executor: it must not wait. May be empty.
  std::function<HostLoad()> host_load = {};
  // The node has left the fleet, as it was told to: the daemon should end. May be empty.
  std::function<void()> left = {};
  std::size_t tombstones_kept = limits::kTombstonesKept;  // Of tasks that do not live.
};

struct NodeServices {
  Executor& executor;
  Random& random;
  Journal& journal;
  ProcessWatch& processes;
  MembershipClient* coordinator = nullptr;  // None: the node serves its programs alone.
};

// Not thread-safe: everything on the executor, constructor and destructor included. The services
// must outlive it. Callbacks of requests run on the executor, exactly once, possibly inside the
// call.
class Node final : public NodeHandler {
 public:
  Node(NodeOptions options, const NodeServices& services, JournalState recovered);
  ~Node() override;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Joins, and keeps on trying. `joined` (may be empty) runs after each successful join.
  // `refused` (may be empty): another living daemon has this id; the daemon should end.
  void Start(std::function<void()> joined, std::function<void(Error)> refused);
  // Says that this daemon stops (waits at most limits::kHeartbeatDeadline for the answer), closes
  // all streams; then `done`. Programs keep running, and the node stays a member, which is away.
  void Stop(std::function<void()> done);

  // Programs. Errors: kInvalidArgument, kNotFound (Register() and OpenCommands(): the session;
  // Report() and Finish(): the task), kPermissionDenied (another's), kResourceExhausted (a limit, a
  // full disk), kFailedPrecondition (the task has ended). A parent that is not known is no error:
  // see RegisterReply.
  void Register(RegisterRequest request, const Principal& who,
                std::function<void(Result<RegisterReply>)> done);
  Result<ReportReply> Report(const TaskId& task, std::optional<SessionToken> session,
                             const Principal& who, ReportRequest report);
  // Each end for itself: what is refused does not affect the others. `done` gets a status for each,
  // in their order, as soon as those that are taken are durable. After an error of the journal the
  // task has ended, and a crash may make it live again: saying it once more is answered when it is
  // durable.
  void Finish(std::vector<TaskEnd> ends, std::optional<SessionToken> session, const Principal& who,
              std::function<void(std::vector<Status>)> done);
  // At most one stream a session: a new one takes the older one's place. All cancels that have not
  // been acknowledged are sent again. The stream ends with the process that has opened it, if its
  // pid is known. `sink` must live until OnClosed() or CloseCommands().
  Status OpenCommands(const SessionToken& session, const Principal& who,
                      std::shared_ptr<CommandSink> sink);
  void CloseCommands(const SessionToken& session, const CommandSink* sink);

  // Coordinators.
  void OnRequest(NodeRequest request, const Principal& who, MonoTime deadline,
                 std::shared_ptr<ReplyWriter> writer) override;

  const NodeInfo& info() const;
  // That answered the last join; null before the first one.
  const NodeId& coordinator() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quell
