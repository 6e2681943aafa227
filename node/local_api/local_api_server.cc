#include "node/local_api/local_api_server.h"

#include <optional>
#include <utility>

#include "node/local_api/command_stream.h"
#include "node/local_api/local_messages.h"
#include "transport/http/ascii.h"

namespace quell {
namespace {

using ExchangePtr = std::shared_ptr<http::Exchange>;

constexpr std::string_view kSessionHeader = "Quell-Session";

http::Response Json(int status, std::string body) {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

// Whatever the route: what it does not read would count as not said.
Status CheckAllIsRead(const http::Request& request) {
  if (!request.query.empty()) {
    return Error{ErrorCode::kInvalidArgument, "[" + request.path + "] takes no parameters, but [" +
                                                  request.query.front().name +
                                                  "] was given: what it reads stands in the body"};
  }
  if (request.method == http::Method::kGet && !request.body.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "GET [" + request.path + "] does not support having a body: send it without one"};
  }
  return {};
}

// Nullopt within: there is no such header.
Result<std::optional<SessionToken>> SessionOf(const http::Request& request) {
  const auto text = request.HeaderValue(kSessionHeader);
  if (!text) return std::optional<SessionToken>();
  for (const Header& header : request.headers) {
    if (http::EqualIgnoringCase(header.name, kSessionHeader) && header.value != *text) {
      return Error{ErrorCode::kInvalidArgument,
                   "the header Quell-Session is there twice: send one session"};
    }
  }
  const auto token = SessionToken::Parse(*text);
  if (!token) {
    return Error{ErrorCode::kInvalidArgument,
                 "the header Quell-Session is no token: send what the registration answered"};
  }
  return std::optional(*token);
}

Result<TaskId> TaskOf(const http::Request& request) {
  return TaskId::Parse(request.captures.front());
}

}  // namespace

int StatusOf(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
      return 400;
    case ErrorCode::kUnauthenticated:
      return 401;
    case ErrorCode::kPermissionDenied:
      return 403;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kFailedPrecondition:
      return 409;
    case ErrorCode::kResourceExhausted:
      return error.cause == ErrorCause::kStorage ? 507 : 429;
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kUnavailable:
    case ErrorCode::kDraining:
    case ErrorCode::kCancelled:
    case ErrorCode::kOutcomeUnknown:
      return 503;
    case ErrorCode::kInternal:
      return 500;
  }
  return 500;
}

struct LocalApiServer::Shared : std::enable_shared_from_this<LocalApiServer::Shared> {
  Node* node = nullptr;  // On the executor only; null once it is closed.
  Executor& executor;

  Shared(Node& to, Executor& on) : node(&to), executor(on) {}

  // `missing`: which thing was not found, if that is why.
  Refusal RefusalOf(const Error& error, std::string_view missing) const {
    const bool known = error.code != ErrorCode::kNotFound;
    return {StatusOf(error), known ? ToString(error.code) : missing, error.message};
  }
  static http::Response Refused(const Refusal& refusal) {
    return Json(refusal.status, RenderError(refusal));
  }
  void Fail(const ExchangePtr& exchange, const Error& error,
            std::string_view missing = "not_found") const {
    exchange->Send(Refused(RefusalOf(error, missing)));
  }

  // `work` gets the node, on the executor.
  template <typename Work>
  void OnNode(const ExchangePtr& exchange, Work work) {
    executor.Post([self = shared_from_this(), exchange, work = std::move(work)]() mutable {
      if (self->node != nullptr) return work(*self->node);
      self->Fail(exchange, Error{ErrorCode::kUnavailable, "the node is stopping"});
    });
  }

  void Register(const ExchangePtr& exchange) {
    const http::Request& request = exchange->request();
    auto session = SessionOf(request);
    if (!session) return Fail(exchange, session.error());
    Result<RegisterRequest> parsed = ParseRegister(request.body);
    if (!parsed) return Fail(exchange, parsed.error());
    parsed->session = *session;
    OnNode(exchange, [this, exchange, parsed = std::move(*parsed)](Node& to) mutable {
      to.Register(std::move(parsed), exchange->request().principal,
                  [self = shared_from_this(), exchange](const Result<RegisterReply>& reply) {
                    if (!reply) return self->Fail(exchange, reply.error(), kSessionNotFound);
                    if (reply->missing_parent) {
                      return self->Fail(exchange,
                                        Error{ErrorCode::kNotFound,
                                              "the parent [" + reply->missing_parent->ToString() +
                                                  "] is not known to this node"},
                                        kParentNotFound);
                    }
                    exchange->Send(Json(200, RenderRegistered(*reply)));
                  });
    });
  }

  void Report(const ExchangePtr& exchange) {
    const http::Request& request = exchange->request();
    auto session = SessionOf(request);
    if (!session) return Fail(exchange, session.error());
    const Result<TaskId> task = TaskOf(request);
    if (!task) return Fail(exchange, task.error());
    Result<ReportRequest> report = ParseReport(request.body);
    if (!report) return Fail(exchange, report.error());
    OnNode(exchange, [this, exchange, task = *task, session = *session,
                      report = std::move(*report)](Node& to) mutable {
      const Result<ReportReply> reply =
          to.Report(task, session, exchange->request().principal, std::move(report));
      if (!reply) return Fail(exchange, reply.error(), kTaskNotFound);
      exchange->Send(Json(200, RenderReported(*reply)));
    });
  }

  void FinishOne(const ExchangePtr& exchange) {
    const http::Request& request = exchange->request();
    auto session = SessionOf(request);
    if (!session) return Fail(exchange, session.error());
    const Result<TaskId> task = TaskOf(request);
    if (!task) return Fail(exchange, task.error());
    const Result<TaskEnd> end = ParseFinish(request.body, *task);
    if (!end) return Fail(exchange, end.error());
    Finish(exchange, *session, {*end},
           [self = shared_from_this(), exchange](const std::vector<Status>& answers) {
             if (!answers.front()) {
               return self->Fail(exchange, answers.front().error(), kTaskNotFound);
             }
             exchange->Send(Json(200, "{}"));
           });
  }

  void FinishMany(const ExchangePtr& exchange) {
    auto session = SessionOf(exchange->request());
    if (!session) return Fail(exchange, session.error());
    Result<std::vector<TaskEnd>> ends = ParseFinishMany(exchange->request().body);
    if (!ends) return Fail(exchange, ends.error());
    Finish(exchange, *session, std::move(*ends),
           [self = shared_from_this(), exchange](const std::vector<Status>& answers) {
             exchange->Send(Json(200, RenderFinished(answers, [&self](const Error& error) {
                                   return self->RefusalOf(error, kTaskNotFound);
                                 })));
           });
  }

  void Finish(const ExchangePtr& exchange, std::optional<SessionToken> session,
              std::vector<TaskEnd> ends, std::function<void(std::vector<Status>)> done) {
    OnNode(exchange,
           [exchange, session, ends = std::move(ends), done = std::move(done)](Node& to) mutable {
             to.Finish(std::move(ends), session, exchange->request().principal, std::move(done));
           });
  }

  void Commands(const ExchangePtr& exchange) {
    const auto token = SessionToken::Parse(exchange->request().captures.front());
    if (!token) {
      return Fail(exchange, Error{ErrorCode::kNotFound, "no such session: the token is malformed"},
                  kSessionNotFound);
    }
    OnNode(exchange, [this, exchange, token = *token](Node& to) { Open(to, token, exchange); });
  }

  void Open(Node& to, const SessionToken& token, const ExchangePtr& exchange) {
    const auto gone = std::make_shared<std::weak_ptr<CommandStream>>();
    // The stream ends at the node too. Posted, since the node may be in the middle of something.
    auto close = [self = shared_from_this(), token, gone] {
      self->executor.Post([self, token, gone] {
        const auto stream = gone->lock();
        if (stream && self->node != nullptr) self->node->CloseCommands(token, stream.get());
      });
    };
    const auto stream = std::make_shared<CommandStream>(exchange, close);
    *gone = stream;
    const Status opened = to.OpenCommands(token, exchange->request().principal, stream);
    if (!opened) return stream->Refuse(Refused(RefusalOf(opened.error(), kSessionNotFound)));
    stream->Begin();
    exchange->OnGone(close);
  }

  void Describe(const ExchangePtr& exchange) {
    OnNode(exchange, [exchange](Node& to) { exchange->Send(Json(200, RenderNode(to.info()))); });
  }
};

LocalApiServer::LocalApiServer(Node& node, Executor& executor)
    : shared_(std::make_shared<Shared>(node, executor)) {}

void LocalApiServer::AddRoutes(http::Router& router) const {
  const auto add = [&](http::Method method, std::string pattern, Permission permission,
                       void (Shared::*handle)(const ExchangePtr&)) {
    router.Add(method, std::move(pattern), permission,
               [shared = shared_, handle](const ExchangePtr& exchange) {
                 if (Status read = CheckAllIsRead(exchange->request()); !read) {
                   return shared->Fail(exchange, read.error());
                 }
                 ((*shared).*handle)(exchange);
               });
  };
  using http::Method;
  add(Method::kPost, "/v1/tasks", Permission::kTaskRegister, &Shared::Register);
  add(Method::kPost, "/v1/tasks/finish", Permission::kTaskRegister, &Shared::FinishMany);
  add(Method::kPost, "/v1/tasks/{id}/report", Permission::kTaskRegister, &Shared::Report);
  add(Method::kPost, "/v1/tasks/{id}/finish", Permission::kTaskRegister, &Shared::FinishOne);
  add(Method::kGet, "/v1/sessions/{token}/commands", Permission::kTaskRegister, &Shared::Commands);
  add(Method::kGet, "/v1/node", Permission::kTaskList, &Shared::Describe);
  router.Add(Method::kGet, "/livez", Permission::kNone, [](const ExchangePtr& exchange) {
    http::Response response;
    response.content_type = "text/plain; charset=UTF-8";
    response.body = "ok\n";
    exchange->Send(std::move(response));
  });
}

void LocalApiServer::Close() {
  shared_->node = nullptr;
}

}  // namespace quell
