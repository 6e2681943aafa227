#include "tests/unit/node/fixtures.h"

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

namespace quell {

using namespace std::chrono_literals;

template <typename Reply>
void FakeCoordinator::Answer(MonoTime deadline, std::function<void(Result<Reply>)> done,
                             Reply reply) {
  const MonoTime now = executor_.clock().Now();
  if (silent) {
    executor_.At(deadline, [done] { done(Error{ErrorCode::kDeadlineExceeded, "silent"}); });
    return;
  }
  if (error) {
    executor_.At(now + 2 * way, [done, error = *error] { done(error); });
    return;
  }
  executor_.At(now + way, [this, done, reply, now]() mutable {
    if constexpr (!std::is_same_v<Reply, bool>) {
      reply.clock = {boot_id, executor_.clock().Boot() + ahead};
    }
    executor_.At(now + 2 * way, [done, reply] { done(reply); });
  });
}

void FakeCoordinator::Join(JoinRequest request, MonoTime deadline,
                           std::function<void(Result<JoinReply>)> done) {
  joins.push_back(std::move(request));
  JoinReply reply;
  reply.coordinator = id;
  reply.next_number = next_number;
  if (!error && !silent) reply.pending = std::exchange(pending, {});
  Answer(deadline, std::move(done), std::move(reply));
}

void FakeCoordinator::Heartbeat(HeartbeatRequest request, MonoTime deadline,
                                std::function<void(Result<HeartbeatReply>)> done) {
  heartbeats.push_back(std::move(request));
  HeartbeatReply reply;
  if (!error && !silent) {
    reply.rejoin = std::exchange(rejoin, false);
    if (!reply.rejoin) reply.pending = std::exchange(pending, {});
    for (const Intent& intent : heartbeats.back().handoff) {
      if (settles) reply.settled.push_back(intent.id);
    }
  }
  Answer(deadline, std::move(done), std::move(reply));
}

void FakeCoordinator::Leave(LeaveRequest request, MonoTime deadline,
                            std::function<void(Status)> done) {
  leaves.push_back(std::move(request));
  Answer<bool>(
      deadline,
      [done = std::move(done)](const Result<bool>& reply) {
        done(reply ? Status() : Status(reply.error()));
      },
      true);
}

void RecordingWriter::Tasks(std::span<const TaskView> page, std::function<void()> then) {
  EXPECT_FALSE(reply.has_value()) << "a page after the end";
  EXPECT_LE(page.size(), limits::kPageTasks);
  for (const TaskView& view : page)
    tasks.emplace_back(view);
  pages.push_back(page.size());
  if (!hold) executor_.Post(std::move(then));
}

void RecordingWriter::Finish(Result<NodeReply> end) {
  EXPECT_FALSE(reply.has_value()) << "finished twice";
  reply = std::move(end);
  gone_ = nullptr;
}

void RecordingWriter::Leave() {
  if (gone_) executor_.Post(std::exchange(gone_, nullptr));
}

NodeWorld::NodeWorld() {
  info.id = NodeId::Make(random);
  info.name = "node";
  info.address = "host:9300";
  info.host = "host";
  info.boot_id = "boot";
  Start();
}

NodeWorld::~NodeWorld() {
  if (executor) Crash();
}

void NodeWorld::Crash() {
  executor->Kill();
  node.reset();
  coordinator.reset();
  watch.reset();
  journal.reset();
  executor.reset();
}

void NodeWorld::Start() {
  executor = std::make_unique<SimExecutor>(scheduler, clock);
  journal = std::make_unique<MemoryJournal>(*executor, file);
  watch = std::make_unique<SimProcessWatch>(*executor, processes);
  coordinator = std::make_unique<FakeCoordinator>(*executor);
  coordinator->id = NodeId::Make(random);
  if (prepare) prepare(*coordinator);
  NodeOptions options{info,
                      [this](const Error& error) { troubles.push_back(error); },
                      [this](const Intent&, const std::vector<TaskId>& tasks) {
                        spared.insert(spared.end(), tasks.begin(), tasks.end());
                      },
                      [this] { return load; },
                      [this] { ++left; },
                      tombstones_kept};
  node = std::make_unique<Node>(
      std::move(options), NodeServices{*executor, random, *journal, *watch, coordinator.get()},
      file.Open(random));
  node->Start([this] { ++joined; }, [this](Error error) { refused = std::move(error); });
  Settle();
}

Principal NodeWorld::User(std::uint32_t uid) {
  Principal who;
  who.transport = Principal::Transport::kUnixSocket;
  who.uid = uid;
  return who;
}

NewTask NodeWorld::Work(std::string action) const {
  NewTask task;
  task.action = std::move(action);
  return task;
}

Result<RegisterReply> NodeWorld::Register(RegisterRequest request, const Principal& who) {
  std::optional<Result<RegisterReply>> answer;
  node->Register(std::move(request), who, [&answer](Result<RegisterReply> reply) {
    EXPECT_FALSE(answer.has_value()) << "answered twice";
    answer = std::move(reply);
  });
  scheduler.RunUntil([&answer] { return answer.has_value(); }, 10s);
  if (!answer) return Error{ErrorCode::kInternal, "the node has not answered"};
  return *answer;
}

RegisteredTask NodeWorld::RegisterOne(NewTask task) {
  RegisterRequest request;
  request.tasks.push_back(std::move(task));
  const Result<RegisterReply> reply = Register(std::move(request));
  EXPECT_THAT(reply, IsOk());
  return reply ? reply->tasks.front() : RegisteredTask{};
}

RegisteredTask NodeWorld::RegisterChild(const TaskId& parent) {
  NewTask task = Work("child");
  task.parent = parent;
  return RegisterOne(std::move(task));
}

Status NodeWorld::Finish(const TaskId& task, TaskState outcome) {
  return FinishAll({{task, outcome}}).front();
}

std::vector<Status> NodeWorld::FinishAll(std::vector<TaskEnd> ends, const Principal& who,
                                         std::optional<SessionToken> session) {
  std::vector<Status> none(ends.size(), Error{ErrorCode::kInternal, "the node has not answered"});
  std::optional<std::vector<Status>> answer;
  node->Finish(std::move(ends), session, who, [&answer](std::vector<Status> answers) {
    EXPECT_FALSE(answer.has_value()) << "answered twice";
    answer = std::move(answers);
  });
  scheduler.RunUntil([&answer] { return answer.has_value(); }, 10s);
  return answer.value_or(none);
}

Intent NodeWorld::Cancel(const TaskId& task) {
  Intent intent;
  intent.id = IntentId::Make(random);
  intent.target = task;
  intent.requested_at = wall();
  intent.moment = {coordinator->boot_id, clock.Boot() + coordinator->ahead};
  intent.by = "somebody";
  intent.reason = "for a test";
  intent.grace = 10s;
  return intent;
}

Intent NodeWorld::Cancel(TaskFilter filter) {
  Intent intent = Cancel(TaskId());
  intent.target = std::move(filter);
  return intent;
}

std::shared_ptr<RecordingWriter> NodeWorld::Ask(NodeRequest request) {
  auto writer = std::make_shared<RecordingWriter>(*executor);
  Principal who;
  who.transport = Principal::Transport::kLoopback;
  node->OnRequest(std::move(request), who, clock.Now() + 5s, writer);
  scheduler.RunUntil([&writer] { return writer->reply.has_value(); }, 5s);
  return writer;
}

std::vector<SeenTask> NodeWorld::List(ListRequest request) {
  const auto writer = Ask(std::move(request));
  EXPECT_TRUE(writer->reply.has_value()) << "the list has no end";
  return writer->tasks;
}

SeenTask NodeWorld::Show(const TaskId& task) {
  const auto writer = Ask(GetRequest{task.number});
  EXPECT_EQ(writer->tasks.size(), 1u) << "no task " << task;
  return writer->tasks.empty() ? SeenTask() : writer->tasks.front();
}

Result<NodeReply> NodeWorld::Get(const TaskId& task) {
  const auto writer = Ask(GetRequest{task.number});
  if (!writer->reply) return Error{ErrorCode::kInternal, "the node has not answered"};
  return *writer->reply;
}

std::vector<std::uint64_t> NumbersOf(const std::vector<SeenTask>& tasks) {
  std::vector<std::uint64_t> numbers;
  for (const SeenTask& task : tasks)
    numbers.push_back(task.id.number);
  return numbers;
}

}  // namespace quell
