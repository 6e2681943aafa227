#include "node/programs/programs.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "core/limits.h"
#include "core/validity.h"

namespace quell {
namespace {

Error NotFound(const TaskId& task) {
  return {ErrorCode::kNotFound, "task [" + task.ToString() + "] is not known to this node"};
}

}  // namespace

bool MayActFor(const Principal& who, std::uint32_t uid) {
  return who.transport == Principal::Transport::kUnixSocket && (who.uid == uid || who.uid == 0);
}

Result<Session*> Programs::FindSession(const SessionToken& token, const Principal& who) {
  Session* session = sessions_.Find(token);
  if (session == nullptr) {
    return Error{ErrorCode::kNotFound,
                 "no such session: it ended with its last task, or the node was restarted; "
                 "register without a session to get a new one"};
  }
  if (!MayActFor(who, session->uid)) {
    return Error{ErrorCode::kPermissionDenied,
                 who.name() + " may not use a session of uid " + std::to_string(session->uid)};
  }
  return session;
}

Result<LiveTask*> Programs::FindTask(const TaskId& task, const std::optional<SessionToken>& token,
                                     const Principal& who) {
  const std::uint64_t number = context_.OwnNumber(task);
  LiveTask* live = registry_.Find(number);
  if (live == nullptr) {
    const EndedTask* ended = registry_.FindEnded(number);
    if (ended == nullptr) return NotFound(task);
    return Error{ErrorCode::kFailedPrecondition, "task [" + task.ToString() + "] has ended as " +
                                                     std::string(ToString(ended->task.state))};
  }
  const bool by_token = token && *token == live->session->token;
  if (!by_token && !MayActFor(who, live->task.owner_uid)) {
    return Error{ErrorCode::kPermissionDenied,
                 who.name() + " may not speak for task [" + task.ToString() +
                     "]: call as its user, or with its session in the header Quell-Session"};
  }
  Renew(*live->session);
  return live;
}

Result<ReportReply> Programs::Report(const TaskId& task, const std::optional<SessionToken>& token,
                                     const Principal& who, const ReportRequest& report) {
  if (report.status_json) {
    if (Status fine = CheckStatus(*report.status_json); !fine) return fine.error();
  }
  Result<LiveTask*> live = FindTask(task, token, who);
  if (!live) return live.error();
  lifecycle_.Report(**live, report);
  return ReportReply{lifecycle_.TakeCommand(**live)};
}

struct Programs::Ending {
  std::vector<TaskEnd> ends;
  std::optional<SessionToken> token;
  Principal who;
  std::function<void(std::vector<Status>)> done;
  std::vector<Status> answers;      // To the first ones.
  std::set<SessionToken> sessions;  // To be settled.
  std::vector<Task> ended;          // To be journaled...
  std::vector<std::size_t> taken;   // ...and which ends they are.
};

void Programs::Finish(std::vector<TaskEnd> ends, const std::optional<SessionToken>& token,
                      const Principal& who, std::function<void(std::vector<Status>)> done) {
  const auto ending = std::make_shared<Ending>();
  ending->ends = std::move(ends);
  ending->token = token;
  ending->who = who;
  ending->done = std::move(done);
  Continue(ending);
}

void Programs::Continue(const std::shared_ptr<Ending>& ending) {
  Ending& e = *ending;
  const std::size_t upto = std::min(e.ends.size(), e.answers.size() + limits::kChangesPerTurn);
  while (e.answers.size() < upto)
    e.answers.push_back(End(e, e.answers.size()));
  for (const SessionToken& token : std::exchange(e.sessions, {})) {
    if (Session* session = sessions_.Find(token)) Settle(*session);
  }
  if (upto < e.ends.size()) {
    return context_.executor.Post(context_.lifetime.Guard([this, ending] { Continue(ending); }));
  }
  if (e.taken.empty()) return e.done(std::move(e.answers));
  journal_.RecordEnded(
      std::move(e.ended),
      context_.lifetime.Guard([this, ending](const Status& kept) { OnKept(*ending, kept); }));
}

Status Programs::End(Ending& ending, std::size_t index) {
  const auto& [task, outcome, resources] = ending.ends[index];
  if (!IsTerminal(outcome)) {
    return Error{ErrorCode::kInvalidArgument,
                 std::string(ToString(outcome)) + " is no outcome of a task"};
  }
  const EndedTask* before = registry_.FindEnded(context_.OwnNumber(task));
  if (before != nullptr && !before->durable && before->task.state == outcome &&
      MayActFor(ending.who, before->task.owner_uid)) {
    ending.ended.push_back(before->task);
    ending.taken.push_back(index);
    return {};
  }
  Result<LiveTask*> live = FindTask(task, ending.token, ending.who);
  if (!live) return live.error();
  const SessionToken session = (*live)->session->token;
  Result<Task> ended = lifecycle_.End(**live, outcome, resources);
  if (!ended) return ended.error();
  ending.sessions.insert(session);
  if (EndedTask* kept = registry_.FindEnded(task.number)) kept->durable = false;
  ending.ended.push_back(std::move(*ended));
  ending.taken.push_back(index);
  return {};
}

void Programs::OnKept(Ending& ending, const Status& kept) {
  for (const std::size_t index : ending.taken) {
    const TaskId& task = ending.ends[index].task;
    EndedTask* ended = registry_.FindEnded(task.number);
    if (kept) {
      if (ended != nullptr) ended->durable = true;
      continue;
    }
    ending.answers[index] =
        Error{kept.error().code, "task [" + task.ToString() +
                                     "] has ended, and a restart of the node may forget it: " +
                                     kept.error().message + "; then say it once more"};
  }
  ending.done(std::move(ending.answers));
}

Status Programs::OpenCommands(const SessionToken& token, const Principal& who,
                              std::shared_ptr<CommandSink> sink) {
  Result<Session*> session = FindSession(token, who);
  if (!session) return session.error();
  Renew(**session);
  const CommandSink* fresh = sink.get();
  const std::shared_ptr<CommandSink> before = std::exchange((*session)->sink, std::move(sink));
  (*session)->opener = WatchCaller(**session, who);
  (*session)->stream_ended.reset();
  Settle(**session);
  if (before != nullptr) before->OnClosed();
  SendCommands(token, fresh, 0);
  return {};
}

void Programs::SendCommands(const SessionToken& token, const CommandSink* sink,
                            std::uint64_t after) {
  const Session* session = sessions_.Find(token);
  if (session == nullptr || session->sink.get() != sink) return;
  // Their numbers first: whoever hears of a cancel may end the task at once.
  std::vector<std::uint64_t> numbers;
  auto at = session->tasks.upper_bound(after);
  for (; at != session->tasks.end() && numbers.size() < limits::kChangesPerTurn; ++at)
    numbers.push_back(*at);
  const bool more = at != session->tasks.end();
  for (const std::uint64_t number : numbers) {
    LiveTask* live = registry_.Find(number);
    if (live != nullptr && live->receipt && !live->receipt->acknowledged_at) lifecycle_.Tell(*live);
  }
  if (!more) return;
  context_.executor.Post(context_.lifetime.Guard(
      [this, token, sink, last = numbers.back()] { SendCommands(token, sink, last); }));
}

void Programs::CloseCommands(const SessionToken& token, const CommandSink* sink) {
  Session* session = sessions_.Find(token);
  if (session == nullptr || session->sink == nullptr || session->sink.get() != sink) return;
  EndStream(*session, context_.now());
  Settle(*session);
}

void Programs::CloseAll() {
  std::vector<std::shared_ptr<CommandSink>> sinks;
  for (auto& [token, session] : sessions_.all()) {
    if (session.sink != nullptr) sinks.push_back(std::move(session.sink));
    session.sink.reset();
    context_.executor.Cancel(session.timer);
  }
  for (const auto& sink : sinks)
    sink->OnClosed();
}

void Programs::Renew(Session& session) {
  session.lease_end = context_.now() + limits::kSessionLease;
}

void Programs::EndStream(Session& session, MonoTime when) {
  session.sink.reset();
  session.opener.reset();
  session.stream_ended = when;
  Renew(session);
}

void Programs::Settle(Session& session) {
  // A child that its program has forked may hold the stream's descriptor for ever.
  if (session.sink != nullptr && session.opener != nullptr && session.opener->ended) {
    const std::shared_ptr<CommandSink> sink = session.sink;
    EndStream(session, *session.opener->ended);
    sink->OnClosed();
  }
  context_.executor.Cancel(session.timer);
  session.timer = TimerId::kNone;
  if (session.idle()) return sessions_.Drop(session);
  if (const std::optional<MonoTime> loss = session.NextLoss()) {
    session.timer = context_.executor.At(
        *loss, context_.lifetime.Guard([this, token = session.token] { OnTimer(token); }));
  }
}

void Programs::OnTimer(const SessionToken& token) {
  Session* session = sessions_.Find(token);
  if (session == nullptr) return;
  session->timer = TimerId::kNone;
  const MonoTime now = context_.now();
  // Most often somebody has called meanwhile.
  if (const std::optional<MonoTime> next = session->NextLoss(); !next || *next > now) {
    return Settle(*session);
  }
  std::vector<std::uint64_t> lost;
  for (const std::uint64_t number : session->tasks) {
    if (session->IsLost(registry_.Find(number)->task, now)) lost.push_back(number);
    if (lost.size() == limits::kChangesPerTurn) break;
  }
  std::vector<Task> ended;
  for (const std::uint64_t number : lost) {
    Result<Task> task = lifecycle_.End(*registry_.Find(number), TaskState::kLost);
    if (task) ended.push_back(std::move(*task));
    parent_loss_.OnLost(context_.IdOf(number));
  }
  if (!ended.empty()) journal_.RecordEnded(std::move(ended), {});
  Settle(*session);  // What is left of them is due at once.
}

Result<std::shared_ptr<NamedProcess>> Programs::Watch(std::int32_t pid, std::uint32_t uid) {
  auto process = std::make_shared<NamedProcess>();
  process->name = {pid, processes_.BirthOf(pid)};
  const std::weak_ptr<NamedProcess> weak = process;
  auto watch = processes_.Watch(pid, uid, context_.lifetime.Guard([this, weak] {
    const auto ended = weak.lock();
    if (!ended) return;
    ended->ended = context_.now();
    Session* session = ended->session ? sessions_.Find(*ended->session) : nullptr;
    if (session != nullptr) Settle(*session);
  }));
  if (!watch) {
    Error error = watch.error();
    if (error.code == ErrorCode::kNotFound) error.code = ErrorCode::kInvalidArgument;
    return error;
  }
  process->watch = std::move(*watch);
  return process;
}

std::shared_ptr<NamedProcess> Programs::WatchCaller(const Session& session, const Principal& who) {
  if (who.pid <= 0) return nullptr;
  if (auto known = session.FindProcess(who.pid); known != nullptr && !known->ended) return known;
  // The kernel has named it: no permission is needed.
  Result<std::shared_ptr<NamedProcess>> caller = Watch(who.pid, 0);
  if (!caller) return nullptr;
  (*caller)->session = session.token;
  return std::move(*caller);
}

std::shared_ptr<NamedProcess> Programs::WatchAgain(const ProcessName& name, std::uint32_t uid) {
  auto process = std::make_shared<NamedProcess>();
  if (processes_.BirthOf(name.pid) == name.birth) {
    Result<std::shared_ptr<NamedProcess>> watched = Watch(name.pid, uid);
    if (watched) return std::move(*watched);
    // It cannot be watched: its tasks live by the lease.
    if (watched.error().code == ErrorCode::kResourceExhausted) {
      process->ended = context_.now() + limits::kSessionLease;
    }
  }
  process->name = name;
  if (!process->ended) process->ended = context_.now();
  return process;
}

}  // namespace quell
