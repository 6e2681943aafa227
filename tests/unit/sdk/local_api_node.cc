#include "tests/unit/sdk/local_api_node.h"

#include <future>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "core/limits.h"
#include "host/asio_executor.h"
#include "host/system_clock.h"
#include "host/system_random.h"
#include "node/local_api/local_api_server.h"
#include "node/node.h"
#include "tests/support/quick_journal.h"
#include "transport/http/server.h"

namespace quell {
namespace {

// Every process lives for ever.
class Immortal final : public ProcessWatch {
 public:
  Result<std::int32_t> Find(std::int32_t, std::int32_t pid) override { return pid; }
  Result<std::shared_ptr<void>> Watch(std::int32_t, std::uint32_t, std::function<void()>) override {
    return std::shared_ptr<void>(std::make_shared<int>());
  }
  std::uint64_t BirthOf(std::int32_t) override { return 1; }
};

class ListWriter final : public ReplyWriter {
 public:
  ListWriter(Executor& executor, std::promise<std::vector<SeenTask>> promise)
      : executor_(executor), promise_(std::move(promise)) {}
  void Tasks(std::span<const TaskView> page, std::function<void()> then) override {
    for (const TaskView& view : page)
      seen_.emplace_back(view);
    executor_.Post(std::move(then));
  }
  void Finish(Result<NodeReply>) override { promise_.set_value(std::move(seen_)); }
  void OnGone(std::function<void()>) override {}

 private:
  Executor& executor_;
  std::promise<std::vector<SeenTask>> promise_;
  std::vector<SeenTask> seen_;
};

}  // namespace

class LocalApiNode::Impl {
 public:
  explicit Impl(std::string path) : path_(std::move(path)) {
    info_.id = NodeId::Make(random_);
    info_.name = "node";
    Start();
  }
  ~Impl() { Stop(); }

  void Start() {
    context_.emplace();
    guard_.emplace(context_->get_executor());
    executor_.emplace(*context_, clock_);
    journal_.emplace(*executor_);
    JournalState state;
    state.incarnation = Incarnation{++lives_};
    // Below it are the numbers of all lives before.
    state.next_number = 1 + (lives_ - 1) * kNumbersOfALife;
    node_ = std::make_unique<Node>(
        NodeOptions{info_}, NodeServices{*executor_, random_, *journal_, processes_, nullptr},
        state);
    local_api_.emplace(*node_, *executor_);
    router_.emplace();
    local_api_->AddRoutes(*router_);
    http::ServerLimits limits;
    limits.body_max = limits::kLocalBodyMax;
    server_.emplace(*context_, *router_, limits);
    if (!server_->ListenUnix(path_)) std::abort();
    thread_ = std::thread([this] { context_->run(); });
  }

  void Stop() {
    if (!thread_.joinable()) return;
    context_->stop();
    thread_.join();
    server_.reset();
    local_api_->Close();
    local_api_.reset();
    router_.reset();
    node_.reset();
    journal_.reset();
    executor_.reset();
    guard_.reset();
    context_.reset();
  }

  void SetDiskFull(bool full) {
    std::promise<void> done;
    executor_->Post([&] {
      journal_->error.reset();
      if (full) journal_->error = Error{ErrorCode::kResourceExhausted, "node.db: no space"};
      done.set_value();
    });
    done.get_future().wait();
  }

  std::vector<SeenTask> List() {
    std::promise<std::vector<SeenTask>> promise;
    auto listed = promise.get_future();
    auto writer = std::make_shared<ListWriter>(*executor_, std::move(promise));
    executor_->Post([this, writer] {
      ListRequest request;
      request.detailed = true;
      node_->OnRequest(request, Coordinator(), clock_.Now() + std::chrono::seconds(60), writer);
    });
    return listed.get();
  }

  void Apply(std::variant<TaskId, TaskFilter> target, const std::string& reason) {
    std::promise<std::vector<SeenTask>> promise;
    auto applied = promise.get_future();
    auto writer = std::make_shared<ListWriter>(*executor_, std::move(promise));
    executor_->Post([this, writer, target = std::move(target), reason] {
      Intent intent;
      intent.id = IntentId::Make(random_);
      intent.target = target;
      intent.requested_at = clock_.Wall();
      intent.by = "somebody";
      intent.reason = reason;
      intent.grace = std::chrono::seconds(10);
      node_->OnRequest(ApplyRequest{{intent}}, Coordinator(),
                       clock_.Now() + std::chrono::seconds(60), writer);
    });
    applied.get();
  }

 private:
  static constexpr std::uint64_t kNumbersOfALife = 1'000'000;

  static Principal Coordinator() {
    Principal who;
    who.transport = Principal::Transport::kLoopback;
    return who;
  }

  const std::string path_;
  SystemClock clock_;
  SystemRandom random_;
  NodeInfo info_;
  Immortal processes_;
  std::uint64_t lives_ = 0;
  std::optional<boost::asio::io_context> context_;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> guard_;
  std::optional<AsioExecutor> executor_;
  std::optional<QuickJournal> journal_;
  std::unique_ptr<Node> node_;
  std::optional<LocalApiServer> local_api_;
  std::optional<http::Router> router_;
  std::optional<http::Server> server_;
  std::thread thread_;
};

LocalApiNode::LocalApiNode(std::string path) : impl_(std::make_unique<Impl>(std::move(path))) {}
LocalApiNode::~LocalApiNode() = default;

void LocalApiNode::Stop() {
  impl_->Stop();
}

void LocalApiNode::Start() {
  impl_->Start();
}

void LocalApiNode::SetDiskFull(bool full) {
  impl_->SetDiskFull(full);
}

std::vector<SeenTask> LocalApiNode::List() {
  return impl_->List();
}

void LocalApiNode::Cancel(const TaskId& task, const std::string& reason) {
  impl_->Apply(task, reason);
}

void LocalApiNode::CancelAll() {
  for (const SeenTask& task : List())
    Cancel(task.id, "all");
}

}  // namespace quell
