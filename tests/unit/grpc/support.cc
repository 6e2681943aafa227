#include "tests/unit/grpc/support.h"

#include <algorithm>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

namespace quell {
namespace {

template <typename Id>
Id IdOf(std::uint64_t number) {
  SeededRandom random(number + 1);
  return Id::Make(random);
}

void WritePages(const ScriptedNode::Writer& writer, std::uint64_t next, std::uint64_t count,
                std::uint64_t page) {
  if (next > count) return writer->Finish(NodeReply(ListReply{count}));
  const std::uint64_t last = std::min(count, next + page - 1);
  std::vector<SeenTask> tasks;
  for (std::uint64_t number = next; number <= last; ++number)
    tasks.push_back(TaskOf(number));
  std::vector<TaskView> views;
  for (const SeenTask& task : tasks)
    views.push_back(task.View());
  writer->Tasks(views, [=] { WritePages(writer, last + 1, count, page); });
}

}  // namespace

NodeId NodeOf(std::uint64_t number) {
  return IdOf<NodeId>(number);
}

IntentId IntentOf(std::uint64_t number) {
  return IdOf<IntentId>(number + 1'000'000);
}

void Event::Set() {
  const std::lock_guard lock(mutex_);
  set_ = true;
  changed_.notify_all();
}

bool Event::Wait() {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kForever, [this] { return set_; });
}

bool Event::IsSet() {
  const std::lock_guard lock(mutex_);
  return set_;
}

void RunningLoop::Run(std::function<void()> work) {
  // Shared: if the wait ends in a failure, the work may still come.
  const auto done = std::make_shared<Event>();
  loop_.Post([work = std::move(work), done] {
    work();
    done->Set();
  });
  ASSERT_TRUE(done->Wait()) << "the loop is stuck";
}

void RecordingSink::OnTasks(std::span<const TaskView> page) {
  {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(inside_) << "told by two threads at once";
    EXPECT_EQ(ends_, 0) << "a page after the end";
    inside_ = true;
    ++pages_;
    for (const TaskView& view : page)
      tasks_.emplace_back(view);
  }
  if (on_tasks_) on_tasks_();
  const std::lock_guard lock(mutex_);
  inside_ = false;
}

void RecordingSink::OnUnreadable(std::span<const TaskFailure> tasks) {
  const std::lock_guard lock(mutex_);
  EXPECT_EQ(ends_, 0) << "a page after the end";
  unreadable_.insert(unreadable_.end(), tasks.begin(), tasks.end());
}

void RecordingSink::OnDone(Result<NodeReply> reply) {
  {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(inside_) << "told by two threads at once";
    EXPECT_EQ(++ends_, 1);
    reply_ = std::move(reply);
  }
  done_.Set();
}

Result<NodeReply> RecordingSink::Wait() {
  if (!done_.Wait()) return Error{ErrorCode::kInternal, "the test waited in vain"};
  const std::lock_guard lock(mutex_);
  return *reply_;
}

std::vector<SeenTask> RecordingSink::tasks() {
  const std::lock_guard lock(mutex_);
  return tasks_;
}

std::vector<TaskFailure> RecordingSink::unreadable() {
  const std::lock_guard lock(mutex_);
  return unreadable_;
}

int RecordingSink::pages() {
  const std::lock_guard lock(mutex_);
  return pages_;
}

int RecordingSink::ends() {
  const std::lock_guard lock(mutex_);
  return ends_;
}

TestNode::TestNode(ScriptedNode::Script script, const NodeId& id, const std::string& address)
    : id_(id), handler_(std::move(script)) {
  Result<std::unique_ptr<GrpcServer>> server = GrpcServer::Listen(*loop_, address, {&service_});
  if (!server) {
    ADD_FAILURE() << server.error();
    return;
  }
  server_ = std::move(*server);
  address_ = server_->address();
  service_.Serve(handler_, id_);
}

NodeInfo TestNode::info() const {
  NodeInfo info;
  info.id = id_;
  info.incarnation = Incarnation{1};
  info.address = address_;
  return info;
}

void TestNode::Stop() {
  if (!server_) return;
  loop_.Run([this] { service_.Close(); });
  server_->Shutdown();
  loop_->Stop();
  server_ = nullptr;
}

std::shared_ptr<RecordingSink> TestClient::Ask(const NodeId& node, NodeRequest request,
                                               MonoClock::duration time) {
  auto sink = std::make_shared<RecordingSink>();
  client.Ask(node, std::move(request), loop.In(time), sink);
  return sink;
}

void AnswerProbe(const ScriptedNode::Writer& writer, const NodeId& id) {
  writer->Finish(NodeReply(ProbeReply{id, Incarnation{1}}));
}

void AnswerList(const ScriptedNode::Writer& writer, std::uint64_t count, std::uint64_t page) {
  WritePages(writer, 1, count, page);
}

SeenTask TaskOf(std::uint64_t number) {
  SeenTask task;
  task.id = {NodeOf(1), number};
  task.type = "transport";
  task.action = "indices:data/read/search";
  task.start_wall = WallFromMicros(1'700'000'000'000'000);
  return task;
}

DeadEnd::DeadEnd(bool silent) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length), 0);
  port_ = ntohs(address.sin_port);
  // A port that is bound and not listened on refuses, and nobody else can get it.
  if (silent) {
    EXPECT_EQ(::listen(fd_, 100), 0);
  }
}

DeadEnd::~DeadEnd() {
  ::close(fd_);
}

std::string DeadEnd::address() const {
  return "127.0.0.1:" + std::to_string(port_);
}

}  // namespace quell
