// Goal: programs can do all of it with HTTP and JSON alone; what is wrong is refused by name.
// Method: the local API over a real unix socket, a node with doubles behind it, and sockets of the
// test's own. The test runs the one loop that both share until what it waits for has come.
#include "node/local_api/local_api_server.h"

#include <cstdlib>
#include <filesystem>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "host/asio_executor.h"
#include "host/file.h"
#include "host/system_clock.h"
#include "tests/support/quick_journal.h"
#include "tests/support/result_matchers.h"
#include "transport/http/server.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::SizeIs;
using testing::StartsWith;

class NoProcesses final : public ProcessWatch {
 public:
  Result<std::int32_t> Find(std::int32_t, std::int32_t pid) override { return pid; }
  Result<std::shared_ptr<void>> Watch(std::int32_t, std::uint32_t, std::function<void()>) override {
    return Error{ErrorCode::kNotFound, "no such process"};
  }
  std::uint64_t BirthOf(std::int32_t) override { return 0; }
};

class NullWriter final : public ReplyWriter {
 public:
  void Tasks(std::span<const TaskView>, std::function<void()>) override {}
  void Finish(Result<NodeReply>) override {}
  void OnGone(std::function<void()>) override {}
};

class LocalApiServerTest : public testing::Test {
 protected:
  LocalApiServerTest() {
    std::string name = testing::TempDir() + "/quell-local-api-XXXXXX";
    directory_ = ::mkdtemp(name.data());
    NodeInfo info;
    info.id = NodeId::Make(random_);
    info.name = "node";
    info.roles = {"data"};
    JournalState state;
    state.incarnation = Incarnation{3};
    node_ = std::make_unique<Node>(
        NodeOptions{info}, NodeServices{executor_, random_, journal_, processes_, nullptr}, state);
    local_api_ = std::make_unique<LocalApiServer>(*node_, executor_);
    local_api_->AddRoutes(router_);
    server_ = std::make_unique<http::Server>(context_, router_, http::ServerLimits{});
    EXPECT_THAT(server_->ListenUnix(path()), IsOk());
  }
  ~LocalApiServerTest() override {
    server_.reset();
    local_api_->Close();
    node_.reset();
    std::filesystem::remove_all(directory_);
  }
  std::string path() const { return directory_ + "/quell.sock"; }

  // Runs the loop until `done` says so.
  void RunUntil(const std::function<bool()>& done) {
    for (int i = 0; i < 60'000 && !done(); ++i)
      context_.run_one_for(1ms);
    EXPECT_TRUE(done()) << "it has not come";
  }

  FileDescriptor Connect() {
    FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }
  void Send(const FileDescriptor& fd, const std::string& bytes) {
    std::size_t sent = 0;
    RunUntil([&] {
      const ssize_t n = ::send(fd.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n > 0) sent += static_cast<std::size_t>(n);
      return sent == bytes.size();
    });
  }
  // Takes what has come. False: the other end has closed.
  static bool Receive(const FileDescriptor& fd, std::string& to) {
    char buffer[65536];
    for (;;) {
      const ssize_t n = ::recv(fd.get(), buffer, sizeof(buffer), 0);
      if (n <= 0) return n < 0 && errno == EAGAIN;
      to.append(buffer, static_cast<std::size_t>(n));
    }
  }
  static std::string Head(const char* method, const std::string& target,
                          const std::string& headers = "") {
    return std::string(method) + " " + target + " HTTP/1.1\r\nHost: x\r\n" + headers;
  }

  // One request on a connection of its own: "STATUS BODY".
  std::string Ask(const std::string& request) {
    const FileDescriptor fd = Connect();
    Send(fd, request);
    std::string answer;
    RunUntil([&] { return !Receive(fd, answer); });
    const std::size_t body = answer.find("\r\n\r\n");
    if (body == std::string::npos) return "no answer: " + answer;
    return answer.substr(9, 3) + " " + answer.substr(body + 4);
  }
  std::string Post(const std::string& target, const std::string& body,
                   const std::string& headers = "") {
    return Ask(Head("POST", target, headers) + "Connection: close\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  std::string Get(const std::string& target) {
    return Ask(Head("GET", target, "Connection: close\r\n\r\n"));
  }
  // What stands behind `key":"` in an answer.
  static std::string Field(const std::string& answer, const std::string& key) {
    const std::size_t at = answer.find("\"" + key + "\":\"");
    if (at == std::string::npos) return "";
    const std::size_t begin = at + key.size() + 4;
    return answer.substr(begin, answer.find('"', begin) - begin);
  }
  struct Registered {
    std::string session;
    std::string task;
  };
  Registered Register() {
    const std::string answer = Post("/v1/tasks", R"({"action":"work"})");
    EXPECT_THAT(answer, StartsWith("200"));
    return {Field(answer, "session"), Field(answer, "id")};
  }
  FileDescriptor OpenStream(const std::string& session, std::string& received) {
    FileDescriptor fd = Connect();
    Send(fd, Head("GET", "/v1/sessions/" + session + "/commands", "\r\n"));
    RunUntil([&] { return Receive(fd, received), received.find("\r\n\r\n") != std::string::npos; });
    return fd;
  }
  void Cancel(const std::string& task, std::string reason = "for a test") {
    Intent intent;
    intent.id = IntentId::Make(random_);
    intent.target = *TaskId::Parse(task);
    intent.by = "somebody";
    intent.reason = std::move(reason);
    intent.grace = 1500ms;
    Principal who;
    who.transport = Principal::Transport::kLoopback;
    node_->OnRequest(ApplyRequest{{intent}}, who, clock_.Now() + 5s,
                     std::make_shared<NullWriter>());
  }

  std::string directory_;
  SystemClock clock_;
  boost::asio::io_context context_;
  const boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{
      context_.get_executor()};
  AsioExecutor executor_{context_, clock_};
  SeededRandom random_{1};
  QuickJournal journal_{executor_};
  NoProcesses processes_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<LocalApiServer> local_api_;
  http::Router router_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(LocalApiServerTest, RegistersOneTaskAndKnowsWhoAsks) {
  const std::string answer = Post("/v1/tasks", R"({"action":"work","description":"d","parent":null,
      "status":{"phase":1.0},"headers":{"X-Opaque-Id":"mine"},"cancellable":false})");
  EXPECT_THAT(answer, StartsWith("200 {\"session\":\""));
  EXPECT_THAT(answer, HasSubstr("\"tasks\":[{\"id\":\"" + node_->info().id.ToString() +
                                ":1\",\"ancestors\":[],\"cancel\":null}]}"));
  Principal other;
  other.transport = Principal::Transport::kUnixSocket;
  other.uid = ::getuid() + 1;
  std::vector<Status> refused;
  node_->Finish({{*TaskId::Parse(Field(answer, "id"))}}, std::nullopt, other,
                [&refused](std::vector<Status> answers) { refused = std::move(answers); });
  ASSERT_THAT(refused, SizeIs(1));
  EXPECT_THAT(refused[0], FailsWith(ErrorCode::kPermissionDenied));
}

TEST_F(LocalApiServerTest, RegistersManyInOneSession) {
  const Registered first = Register();
  const std::string answer = Post("/v1/tasks", R"([{"action":"a"},{"action":"b"}])",
                                  "Quell-Session: " + first.session + "\r\n");
  EXPECT_THAT(answer, StartsWith("200"));
  EXPECT_EQ(Field(answer, "session"), first.session);
  EXPECT_THAT(answer, HasSubstr(":2\""));
  EXPECT_THAT(answer, HasSubstr(":3\""));
}

TEST_F(LocalApiServerTest, RefusesWhatIsWrongByName) {
  const auto refuse = [&](const std::string& body, const char* what) {
    const std::string answer = Post("/v1/tasks", body);
    EXPECT_THAT(answer, StartsWith("400 {\"error\":{\"type\":\"invalid_argument\""));
    EXPECT_THAT(answer, HasSubstr(what)) << body;
  };
  refuse("", "no JSON");
  refuse("7", "must be an object");
  refuse("[]", "no task");
  refuse("[7]", "task 0");
  refuse(R"({"acton":"x"})", "acton");
  refuse(R"({"acton":"x"})", "action, description, parent");
  refuse(R"({"action":"x","action":"y"})", "twice");
  refuse(R"({"action":7})", "\\\"action\\\" is a number");
  refuse(R"({"action":"x","status":[1]})", "status");
  refuse(R"({"action":"x","headers":{"a":1}})", "a string");
  refuse(R"({"action":"x","parent":"nonsense"})", "nonsense");
  refuse(R"({"action":"x","ancestors":"nonsense"})", "ancestors");
  refuse(R"({"action":"x","ancestors":[1]})", "ancestors");
  refuse(R"({"action":"x","pid":-5})", "pid");
  refuse(R"({"action":"x","pid":1.5})", "pid");
  refuse(R"({"action":"x","pid":42})", "no such process");
  refuse(R"({"action":"x","cancellable":"no"})", "cancellable");
  refuse(R"({"action":"x","on_parent_lost":"kill"})", "keep or cancel");
  refuse(R"({"action":"x","on_parent_lost":1})", "keep or cancel");
  refuse(R"({"action":"x","key":7})", "key");
  refuse(R"({"action":"x","start_time_in_millis":9007199254740993})", "2262");
  refuse(R"({"action":"x","start_time_in_millis":1.5})", "start_time_in_millis");
  refuse(R"({"action":"x","id":"x:1"})", "id");
  refuse(R"({"action":"x","parent":"AAAAAAAAAAAAAAAAAAAAAA:3"})", "malformed task id");
  refuse(R"({"action":"x","parent":""})", "malformed task id");
  refuse(R"({"action":"x","key":""})", "key");
  refuse(R"({"action":"x\u0000y"})", "control character");
  refuse(R"({"action":"x\n"})", "control character");
  refuse(R"({"action":"x","headers":{"a":"b\r\nc"}})", "control character");
  refuse(R"({"action":"x","start_time_in_millis":-1})", "1970");
  refuse(R"({"action":"x","start_time_in_millis":9223372036855})", "2262");
  refuse(R"({"action":"x","Parent":"x:1"})", "unknown key");
}

TEST_F(LocalApiServerTest, RefusesWhatItWouldNotRead) {
  EXPECT_THAT(Post("/v1/tasks?parent=x:1", R"({"action":"x"})"),
              AllOf(StartsWith("400"), HasSubstr("[parent]")));
  const Registered task = Register();
  EXPECT_THAT(
      Post("/v1/tasks/" + task.task + "/finish?outcome=failure", R"({"outcome":"success"})"),
      StartsWith("400"));
  EXPECT_THAT(
      Post("/v1/tasks", R"({"action":"x"})",
           "Quell-Session: " + task.session + "\r\nQuell-Session: AAAAAAAAAAAAAAAAAAAAAQ\r\n"),
      AllOf(StartsWith("400"), HasSubstr("twice")));
}

TEST_F(LocalApiServerTest, ReportsAndFinishes) {
  const Registered task = Register();
  const std::string target = "/v1/tasks/" + task.task;
  EXPECT_EQ(Post(target + "/report", R"({"status":{"phase":"on"}})"), "200 {\"cancel\":null}");
  Cancel(task.task);
  RunUntil([&] {
    return Post(target + "/report", "{}").find("\"reason\":\"for a test\"") != std::string::npos;
  });
  EXPECT_THAT(Post(target + "/report", R"({"stopping":true,"deferred":"d","ignoring":"i",
      "killed":true})"),
              HasSubstr("\"by\":\"somebody\",\"reason\":\"for a test\",\"grace_in_millis\":1500"));
  EXPECT_THAT(Post(target + "/finish", R"({"outcome":"splendid"})"), StartsWith("400"));
  EXPECT_EQ(Post(target + "/finish", R"({"outcome":"cancelled"})"), "200 {}");
  EXPECT_THAT(Post(target + "/finish", R"({"outcome":"success"})"),
              StartsWith("409 {\"error\":{\"type\":\"failed_precondition\""));
  EXPECT_THAT(
      Post("/v1/tasks/" + node_->info().id.ToString() + ":77/finish", R"({"outcome":"success"})"),
      StartsWith("404"));
  EXPECT_THAT(Post("/v1/tasks/nonsense/finish", R"({"outcome":"success"})"), StartsWith("400"));
}

TEST_F(LocalApiServerTest, TakesWhatATaskHasUsedAndRefusesWhatCannotBe) {
  const Registered task = Register();
  auto report = [&](const std::string& resources) {
    return Post("/v1/tasks/" + task.task + "/report", R"({"resources":)" + resources + "}");
  };
  for (const char* good :
       {"{}", "null", R"({"memory_in_bytes":0})", R"({"cpu_time_in_nanos":0})",
        R"({"cpu_time_in_nanos":9,"least_cpu_time_in_nanos":2,"most_cpu_time_in_nanos":4,
            "executions":3,"active":0,"memory_in_bytes":4096})",
        // Less CPU time than is known: it was overtaken, which is no mistake.
        R"({"cpu_time_in_nanos":8})"}) {
    EXPECT_EQ(report(good), "200 {\"cancel\":null}") << good;
  }
  auto refuse = [&](const std::string& resources, const std::string& why) {
    EXPECT_THAT(report(resources), AllOf(StartsWith("400"), HasSubstr(why))) << resources;
  };
  refuse("7", "must be an object");
  refuse(R"({"cpu":7})", "known are: cpu_time_in_nanos, least_cpu_time_in_nanos");
  refuse(R"({"cpu_time_in_nanos":-1})", "whole number from 0 to 9223372036854775807");
  refuse(R"({"cpu_time_in_nanos":1.5})", "whole number");
  refuse(R"({"cpu_time_in_nanos":9223372036854775808})", "whole number");
  refuse(R"({"memory_in_bytes":-4096})", "whole number");
  refuse(R"({"cpu_time_in_nanos":9,"executions":0})", "at least one execution");
  refuse(R"({"cpu_time_in_nanos":9,"executions":2,"active":3})", "more executions are active");
  refuse(R"({"cpu_time_in_nanos":9,"executions":2})", "in this order");
  refuse(R"({"executions":1})", "need \\\"cpu_time_in_nanos\\\"");
  const std::string finish = "/v1/tasks/" + task.task + "/finish";
  EXPECT_THAT(Post(finish, R"({"outcome":"success","resources":{"cpu_time_in_nanos":-1}})"),
              StartsWith("400"));
  EXPECT_EQ(Post(finish, R"({"outcome":"success","resources":{"cpu_time_in_nanos":10}})"),
            "200 {}");
}

TEST_F(LocalApiServerTest, FinishesManyAndARefusalSpoilsNothing) {
  const Registered task = Register();
  const Registered other = Register();
  const Registered before = Register();
  const std::string gone = node_->info().id.ToString() + ":77";
  const auto end = [](const std::string& id) {
    return R"({"id":")" + id + R"(","outcome":"success"})";
  };
  EXPECT_THAT(Post("/v1/tasks/finish", "[" + end(before.task) + "]"), StartsWith("200"));
  EXPECT_THAT(
      Post("/v1/tasks/finish", "[" + end(task.task) + "," + end(gone) + "," + end(before.task) +
                                   "," + end(other.task) + "]"),
      MatchesRegex(R"re(200 \{"tasks":\[\{\},\{"error":.*"task_not_found".*"status":404\},)re"
                   R"re(\{"error":.*has ended as succeeded.*"status":409\},\{\}\]\})re"));
  EXPECT_EQ(Post("/v1/tasks/finish", "[]"), "200 {\"tasks\":[]}");
}

TEST_F(LocalApiServerTest, EachThingThatIsNotKnownHasATypeOfItsOwn) {
  const std::string gone = node_->info().id.ToString() + ":9000000";
  const std::string child = R"({"action":"x","parent":")" + gone + "\"";
  const auto error = [](const char* type) {
    return AllOf(StartsWith("404"),
                 HasSubstr("{\"error\":{\"type\":\"" + std::string(type) + "\""));
  };
  EXPECT_THAT(Post("/v1/tasks/" + gone + "/report", "{}"), error("task_not_found"));
  EXPECT_THAT(Post("/v1/tasks/" + gone + "/finish", R"({"outcome":"success"})"),
              error("task_not_found"));
  EXPECT_THAT(Post("/v1/tasks", child + R"(,"parent_required":true})"), error("parent_not_found"));
  EXPECT_THAT(Post("/v1/tasks", child + "}"),
              AllOf(StartsWith("200"), HasSubstr(R"("warning":{"type":"parent_not_found")"),
                    HasSubstr(gone)));
  EXPECT_THAT(Post("/v1/tasks", R"({"action":"x"})"),
              AllOf(StartsWith("200"), testing::Not(HasSubstr("warning"))));
  EXPECT_THAT(Post("/v1/nothing", "{}"), error("not_found"));
  const std::string stranger = "AbcdefghijklmnopqrstuQ";
  EXPECT_THAT(Post("/v1/tasks", R"({"action":"x"})", "Quell-Session: " + stranger + "\r\n"),
              error("session_not_found"));
  EXPECT_THAT(Get("/v1/sessions/" + stranger + "/commands"), error("session_not_found"));
}

TEST_F(LocalApiServerTest, MalformedEndsFinishNothing) {
  const Registered task = Register();
  const std::string fine = R"({"id":")" + task.task + R"(","outcome":"success"})";
  const auto refuse = [&](const std::string& body, const char* what) {
    EXPECT_THAT(Post("/v1/tasks/finish", body), AllOf(StartsWith("400"), HasSubstr(what)));
  };
  refuse(fine, "array");
  refuse("[" + fine + ",7]", "task 1");
  refuse("[" + fine + R"(,{"outcome":"success"}])", "task 1: the id is missing");
  refuse("[" + fine + R"(,{"id":"x","outcome":"success"}])", "task 1");
  refuse("[" + fine + R"(,{"id":")" + task.task + R"(","outcome":"fine"}])", "task 1");
  std::string many = "[{}";
  for (std::size_t i = 0; i < limits::kFinishBatchMax; ++i)
    many += ",{}";
  refuse(many + "]", "10000");
  EXPECT_EQ(Post("/v1/tasks/" + task.task + "/finish", R"({"outcome":"success"})"), "200 {}");
}

TEST_F(LocalApiServerTest, RefusesATokenThatIsNone) {
  const Registered task = Register();
  EXPECT_THAT(Post("/v1/tasks/" + task.task + "/report", "{}", "Quell-Session: x\r\n"),
              StartsWith("400"));
  EXPECT_THAT(Get("/v1/sessions/x/commands"), StartsWith("404"));
  EXPECT_THAT(Get("/v1/sessions/AbcdefghijklmnopqrstuQ/commands"), StartsWith("404"));
}

TEST_F(LocalApiServerTest, AFullDiskIsNoOrdinaryLimit) {
  journal_.error = Error{ErrorCode::kResourceExhausted, "cannot write node.db: the disk is full",
                         ErrorCause::kStorage};
  std::string many = "[";
  for (std::size_t i = 0; i < 2 * limits::kIdBlock; ++i)
    many += std::string(i > 0 ? "," : "") + R"({"action":"x"})";
  EXPECT_THAT(Post("/v1/tasks", many + "]"), StartsWith("507"));
  EXPECT_EQ(StatusOf(Error{ErrorCode::kResourceExhausted, "too many tasks"}), 429);
}

TEST_F(LocalApiServerTest, SaysWhoseItIsAndThatItLives) {
  EXPECT_THAT(Get("/v1/node"),
              StartsWith("200 {\"id\":\"" + node_->info().id.ToString() + "\",\"name\":\"node\""));
  EXPECT_THAT(Get("/v1/node"), HasSubstr("\"incarnation\":3"));
  EXPECT_EQ(Get("/livez"), "200 ok\n");
  EXPECT_THAT(Get("/v1/tasks"), StartsWith("405"));
}

TEST_F(LocalApiServerTest, OnceClosedItAnswersThatTheNodeIsStopping) {
  local_api_->Close();
  EXPECT_THAT(Post("/v1/tasks", R"({"action":"x"})"), StartsWith("503"));
}

// ---- Streams.

TEST_F(LocalApiServerTest, AStreamBringsALineForEachCancel) {
  const Registered task = Register();
  std::string received;
  const FileDescriptor stream = OpenStream(task.session, received);
  EXPECT_THAT(received, HasSubstr("content-type: application/x-ndjson"));
  Cancel(task.task);
  RunUntil([&] { return Receive(stream, received), received.find("}}\n") != std::string::npos; });
  EXPECT_THAT(received, HasSubstr("{\"cancel\":{\"task\":\"" + task.task + "\",\"intent\":\""));
  EXPECT_THAT(received, HasSubstr("\"grace_in_millis\":1500,\"at_millis\":"));
}

TEST_F(LocalApiServerTest, ASecondStreamEndsTheFirstAndHearsItAllAgain) {
  const Registered task = Register();
  std::string first;
  const FileDescriptor one = OpenStream(task.session, first);
  Cancel(task.task);
  RunUntil([&] { return Receive(one, first), first.find("}}\n") != std::string::npos; });
  std::string second;
  const FileDescriptor two = OpenStream(task.session, second);
  RunUntil([&] { return Receive(two, second), second.find("}}\n") != std::string::npos; });
  RunUntil([&] { return Receive(one, first), first.find("0\r\n\r\n") != std::string::npos; });
}

TEST_F(LocalApiServerTest, TheNodeNoticesThatAProgramHasGone) {
  const Registered task = Register();
  std::string received;
  { const FileDescriptor stream = OpenStream(task.session, received); }
  // The session has no stream any more: with its last task it is over.
  RunUntil([&] {
    Post("/v1/tasks/" + task.task + "/finish", R"({"outcome":"success"})");
    return Get("/v1/sessions/" + task.session + "/commands").substr(0, 3) == "404";
  });
}

}  // namespace
}  // namespace quell
