// What programs do with tasks that are registered: report, finish, listen, and go away.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/principal.h"
#include "node/journal/journal.h"
#include "node/programs/parent_loss_policy.h"
#include "node/programs/process_watch.h"
#include "node/programs/sessions.h"
#include "node/tasks/node_context.h"
#include "node/tasks/registry.h"
#include "node/tasks/task_lifecycle.h"

namespace quell {

// Not thread-safe: on the node's executor. Contracts as in node/node.h.
class Programs {
 public:
  Programs(const NodeContext& context, Journal& journal, Registry& registry, Sessions& sessions,
           ProcessWatch& processes, TaskLifecycle& lifecycle, ParentLossPolicy& parent_loss)
      : context_(context),
        journal_(journal),
        registry_(registry),
        sessions_(sessions),
        processes_(processes),
        lifecycle_(lifecycle),
        parent_loss_(parent_loss) {}

  Result<ReportReply> Report(const TaskId& task, const std::optional<SessionToken>& token,
                             const Principal& who, const ReportRequest& report);
  void Finish(std::vector<TaskEnd> ends, const std::optional<SessionToken>& token,
              const Principal& who, std::function<void(std::vector<Status>)> done);
  Status OpenCommands(const SessionToken& token, const Principal& who,
                      std::shared_ptr<CommandSink> sink);
  void CloseCommands(const SessionToken& token, const CommandSink* sink);
  // All streams end.
  void CloseAll();

  // The caller speaks for this session. Errors: kNotFound, kPermissionDenied.
  Result<Session*> FindSession(const SessionToken& token, const Principal& who);
  // A call of the program: its lease begins again.
  void Renew(Session& session);
  // Its tasks, stream or registrations have changed: it is watched, or dropped. The reference is
  // dead if it had nothing left.
  void Settle(Session& session);
  // Watches a process that a task names, for FindProcess() and the session. Errors:
  // kInvalidArgument (no such process), kPermissionDenied, kResourceExhausted.
  Result<std::shared_ptr<NamedProcess>> Watch(std::int32_t pid, std::uint32_t uid);
  // One of an earlier life of the node; it may have ended.
  std::shared_ptr<NamedProcess> WatchAgain(const ProcessName& name, std::uint32_t uid);

 private:
  struct Ending;
  Result<LiveTask*> FindTask(const TaskId& task, const std::optional<SessionToken>& token,
                             const Principal& who);
  void Continue(const std::shared_ptr<Ending>& ending);
  // In `ending`, the end at `index`.
  Status End(Ending& ending, std::size_t index);
  void OnKept(Ending& ending, const Status& kept);
  void OnTimer(const SessionToken& token);
  // The process that calls, watched for as long as the session wants; null: not known, or it cannot
  // be watched.
  std::shared_ptr<NamedProcess> WatchCaller(const Session& session, const Principal& who);
  void EndStream(Session& session, MonoTime when);
  // Goes on after the task `after`, if the stream is still the same.
  void SendCommands(const SessionToken& token, const CommandSink* sink, std::uint64_t after);

  const NodeContext& context_;
  Journal& journal_;
  Registry& registry_;
  Sessions& sessions_;
  ProcessWatch& processes_;
  TaskLifecycle& lifecycle_;
  ParentLossPolicy& parent_loss_;
};

// The caller is a local user, and may act for `uid`.
bool MayActFor(const Principal& who, std::uint32_t uid);

}  // namespace quell
