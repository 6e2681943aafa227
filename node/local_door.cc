#include "node/local_door.h"

#include <atomic>
#include <optional>
#include <string>
#include <utility>

#include "core/limits.h"
#include "node/door_messages.h"
#include "transport/http/json_writer.h"

namespace quell {
namespace {

using Shared = std::shared_ptr<http::Exchange>;

constexpr std::size_t kStreamBytesMax =
    4 * 1024 * 1024;  // Written and not yet read by the program.

void Answer(const Shared& exchange, std::string body) {
  http::Response response;
  response.body = std::move(body);
  exchange->Send(std::move(response));
}

void AnswerError(const Shared& exchange, const Error& error) {
  http::Response response;
  response.status = HttpStatusOf(error);
  response.body = RenderDoorError(response.status, ToString(error.code), error.message);
  exchange->Send(std::move(response));
}

// The session that the call names, if it does. Errors: kInvalidArgument.
Result<std::optional<SessionToken>> TokenOf(const http::Request& request) {
  const auto text = request.HeaderValue("Quell-Session");
  if (!text) return std::optional<SessionToken>();
  const auto token = SessionToken::Parse(*text);
  if (!token)
    return Error{ErrorCode::kInvalidArgument, "the header Quell-Session holds no session token"};
  return std::optional(*token);
}

// A program's open stream. Its writes may be slow; what it does not read is bounded, then it is
// cut, and hears everything again on its next stream.
class HttpCommandSink final : public CommandSink,
                              public std::enable_shared_from_this<HttpCommandSink> {
 public:
  explicit HttpCommandSink(Shared exchange) : exchange_(std::move(exchange)) {}

  // Sends the head, and behind it what has come so far.
  void Start() {
    http::Response head;
    head.content_type = "application/x-ndjson";
    head.body = std::move(*early_);
    early_.reset();
    exchange_->Start(std::move(head));
  }

  void OnCancel(const CancelCommand& command) override {
    if (closed_.load()) return;
    std::string line = RenderCommand(command);
    if (early_) {
      *early_ += line;
      return;
    }
    const std::size_t size = line.size();
    if (waiting_.fetch_add(size) + size > kStreamBytesMax) return OnClosed();
    exchange_->Write(std::move(line), [weak = weak_from_this(), size] {
      if (const auto self = weak.lock()) self->waiting_.fetch_sub(size);
    });
  }

  void OnClosed() override {
    if (!closed_.exchange(true)) exchange_->End();
  }

 private:
  const Shared exchange_;
  std::optional<std::string> early_ = std::string();  // On the executor; until the head is sent.
  std::atomic<std::size_t> waiting_{0};
  std::atomic<bool> closed_{false};
};

}  // namespace

// Shared with what is posted to the executor, which may run when the door is gone.
struct LocalDoor::State : std::enable_shared_from_this<State> {
  State(Node& the_node, Executor& the_executor)
      : node(&the_node), executor(the_executor), self(the_node.info()) {}

  // Runs `work` with the node, or answers that the node stops.
  void Decide(const Shared& exchange, std::function<void(Node&)> work) {
    executor.Post([state = shared_from_this(), exchange, work = std::move(work)] {
      if (state->node != nullptr) return work(*state->node);
      AnswerError(exchange, Error{ErrorCode::kUnavailable,
                                  "the node daemon stops: try again when it is back"});
    });
  }

  void Register(const Shared& exchange);
  void Commands(const Shared& exchange);
  void Report(const Shared& exchange);
  void Finish(const Shared& exchange);
  void Describe(const Shared& exchange) const;
  // The task of the path and the session of the header.
  template <typename Body>
  void OnTask(
      const Shared& exchange, Result<Body> body,
      std::function<void(Node&, const TaskId&, const std::optional<SessionToken>&, const Body&)>
          work);

  Node* node;  // On the executor; none: closed.
  Executor& executor;
  const NodeInfo self;
};

void LocalDoor::State::Register(const Shared& exchange) {
  Result<RegisterRequest> request = ParseRegister(exchange->request().body);
  if (!request) return AnswerError(exchange, request.error());
  const auto token = TokenOf(exchange->request());
  if (!token) return AnswerError(exchange, token.error());
  request->session = *token;
  Decide(exchange, [exchange, request = std::move(*request)](Node& the_node) {
    the_node.Register(request, exchange->request().principal,
                      [exchange](const Result<RegisterReply>& reply) {
                        if (!reply) return AnswerError(exchange, reply.error());
                        Answer(exchange, RenderRegistered(*reply));
                      });
  });
}

void LocalDoor::State::Commands(const Shared& exchange) {
  const auto token = SessionToken::Parse(exchange->request().captures.at(0));
  if (!token) {
    return AnswerError(exchange,
                       Error{ErrorCode::kInvalidArgument, "the path holds no session token"});
  }
  Decide(exchange, [state = shared_from_this(), exchange, token = *token](Node& the_node) {
    auto sink = std::make_shared<HttpCommandSink>(exchange);
    if (Status opened = the_node.OpenCommands(token, exchange->request().principal, sink);
        !opened) {
      return AnswerError(exchange, opened.error());
    }
    sink->Start();
    exchange->OnGone([state, token, sink] {
      state->executor.Post([state, token, sink] {
        if (state->node != nullptr) state->node->CloseCommands(token, sink.get());
      });
    });
  });
}

template <typename Body>
void LocalDoor::State::OnTask(
    const Shared& exchange, Result<Body> body,
    std::function<void(Node&, const TaskId&, const std::optional<SessionToken>&, const Body&)>
        work) {
  const Result<TaskId> task = TaskId::Parse(exchange->request().captures.at(0));
  if (!task) return AnswerError(exchange, task.error());
  if (!body) return AnswerError(exchange, body.error());
  const auto token = TokenOf(exchange->request());
  if (!token) return AnswerError(exchange, token.error());
  Decide(exchange, [task = *task, token = *token, body = std::move(*body),
                    work = std::move(work)](Node& the_node) { work(the_node, task, token, body); });
}

void LocalDoor::State::Report(const Shared& exchange) {
  OnTask<ReportRequest>(
      exchange, ParseReport(exchange->request().body),
      [exchange](Node& the_node, const TaskId& task, const std::optional<SessionToken>& token,
                 const ReportRequest& report) {
        const Result<ReportReply> reply =
            the_node.Report(task, token, exchange->request().principal, report);
        if (!reply) return AnswerError(exchange, reply.error());
        Answer(exchange, RenderReported(*reply));
      });
}

void LocalDoor::State::Finish(const Shared& exchange) {
  OnTask<TaskState>(exchange, ParseOutcome(exchange->request().body),
                    [exchange](Node& the_node, const TaskId& task,
                               const std::optional<SessionToken>& token, const TaskState& outcome) {
                      const Status ended =
                          the_node.Finish(task, token, exchange->request().principal, outcome);
                      if (!ended) return AnswerError(exchange, ended.error());
                      Answer(exchange, "{}");
                    });
}

void LocalDoor::State::Describe(const Shared& exchange) const {
  std::string body;
  http::JsonWriter out(body);
  out.BeginObject()
      .Field("id", self.id.view())
      .Field("name", self.name)
      .Field("version", self.version);
  out.Field("incarnation", static_cast<std::uint64_t>(self.incarnation)).EndObject();
  Answer(exchange, std::move(body));
}

LocalDoor::LocalDoor(Node& node, Executor& executor)
    : state_(std::make_shared<State>(node, executor)) {}

LocalDoor::~LocalDoor() = default;

void LocalDoor::AddRoutes(http::Router& router) {
  const auto route = [&](http::Method method, const char* pattern, Permission permission,
                         void (State::*handler)(const Shared&)) {
    router.Add(method, pattern, permission, [state = state_, handler](const Shared& exchange) {
      ((*state).*handler)(exchange);
    });
  };
  route(http::Method::kPost, "/v1/tasks", Permission::kTaskRegister, &State::Register);
  route(http::Method::kGet, "/v1/sessions/{token}/commands", Permission::kTaskRegister,
        &State::Commands);
  route(http::Method::kPost, "/v1/tasks/{id}/report", Permission::kTaskRegister, &State::Report);
  route(http::Method::kPost, "/v1/tasks/{id}/finish", Permission::kTaskRegister, &State::Finish);
  router.Add(http::Method::kGet, "/v1/node", Permission::kTaskRegister,
             [state = state_](const Shared& exchange) { state->Describe(exchange); });
  router.Add(http::Method::kGet, "/livez", Permission::kNone,
             [](const Shared& exchange) { Answer(exchange, "{\"status\":\"ok\"}"); });
  router.SetErrorBody([](int status, std::string_view type, std::string_view reason) {
    return RenderDoorError(status, type, reason);
  });
}

void LocalDoor::Close() {
  state_->node = nullptr;
}

}  // namespace quell
