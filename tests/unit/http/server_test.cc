// Goal: over a real socket each request gets exactly its answer, framed as HTTP/1.1 says, and
// nothing that a client sends becomes a request but what is one. Method: a running server, raw
// bytes in, exact bytes out.
#include "transport/http/server.h"

#include <atomic>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/http/raw_client.h"
#include "tests/unit/http/server_fixture.h"

namespace quell::http {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const std::string kHost = "Host: localhost\r\n";

std::string Get(std::string_view target, std::string_view fields = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\n" + kHost + std::string(fields) + "\r\n";
}

std::string Post(std::string_view target, std::string_view body, std::string_view fields = "") {
  return "POST " + std::string(target) + " HTTP/1.1\r\n" + kHost + std::string(fields) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

const std::string kClose = "Connection: close\r\n";

TEST_F(ServerTest, AnswersExactlyThis) {
  Start();
  EXPECT_EQ(Answer(Get("/hello", kClose)),
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n"
            "connection: close\r\n\r\nhello");
}

TEST_F(ServerTest, ServesManyRequestsOnOneConnection) {
  Start();
  RawClient client = Connect();
  for (int i = 0; i < 100; ++i) {
    const std::string body(static_cast<std::size_t>(i) * 600, 'x');
    ASSERT_TRUE(client.Send(Post("/echo", body)));
    const auto answer = client.ReadAnswer();
    ASSERT_TRUE(answer) << i;
    EXPECT_EQ(answer->body, body);
  }
}

TEST_F(ServerTest, ServesRequestsThatArriveByteByByte) {
  Start();
  RawClient client = Connect();
  for (int round = 0; round < 2; ++round) {
    for (const char c : Post("/echo", "a body"))
      ASSERT_TRUE(client.Send({&c, 1}));
    EXPECT_EQ(client.ReadAnswer()->body, "a body");
  }
}

TEST_F(ServerTest, GivesTheHandlerTheRequest) {
  Start();
  RawClient client = Connect();
  client.Send(Post("/held/n%3A5?a=b", "body", "X-Opaque-Id: me\r\n"));
  const auto exchange = held_.Take();
  const Request& request = exchange->request();
  EXPECT_EQ(request.method, Method::kPost);
  EXPECT_THAT(request.captures, ElementsAre("n:5"));
  EXPECT_EQ(request.Param("a")->value, "b");
  EXPECT_EQ(request.HeaderValue("x-opaque-id"), "me");
  EXPECT_EQ(request.body, "body");
  EXPECT_EQ(request.principal.transport, Principal::Transport::kLoopback);
  EXPECT_THAT(request.principal.address, StartsWith("127.0.0.1:"));
}

TEST_F(ServerTest, AnswersHttp10AndCloses) {
  Start();
  EXPECT_EQ(Answer("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n"
            "connection: close\r\n\r\nhello");
}

TEST_F(ServerTest, AnswersHeadWithoutABody) {
  Route(Method::kHead, "/hello", [](auto exchange) { exchange->Send(Text("hello")); });
  Start();
  RawClient client = Connect();
  client.Send("HEAD /hello HTTP/1.1\r\n" + kHost + "\r\n" + Get("/hello", kClose));
  const std::string head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n";
  EXPECT_EQ(client.ReadAll(), head + "\r\n" + head + "connection: close\r\n\r\nhello");
}

TEST_F(ServerTest, SendsNoBodyWith204) {
  Route(Method::kGet, "/none", [](auto exchange) { exchange->Send(Text("x", 204)); });
  Start();
  EXPECT_EQ(Answer(Get("/none", kClose)), "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
}

TEST_F(ServerTest, KeepsTheHandlersHeadersToOneLineEach) {
  Route(Method::kGet, "/split", [](auto exchange) {
    Response response = Text("x");
    response.headers = {{"X-Opaque-Id", "a\r\nSet-Cookie: b"}, {"bad name", "c"}};
    exchange->Send(std::move(response));
  });
  Start();
  EXPECT_THAT(Answer(Get("/split", kClose)),
              StartsWith("HTTP/1.1 200 OK\r\nX-Opaque-Id: a  Set-Cookie: b\r\ncontent-type"));
}

TEST_F(ServerTest, TellsAnUnknownPathFromAWrongMethod) {
  Start();
  RawClient client = Connect();
  client.Send(Get("/nothing?a=b"));
  const auto unknown = client.ReadAnswer();
  EXPECT_EQ(unknown->status, 404);
  EXPECT_EQ(unknown->body,
            R"({"error":{"type":"not_found","reason":"no handler found for uri [/nothing?a=b])"
            R"( and method [GET]"},"status":404})");
  client.Send("DELETE /held/1 HTTP/1.1\r\n" + kHost + "\r\n");
  const auto wrong = client.ReadAnswer();
  EXPECT_EQ(wrong->status, 405);
  EXPECT_THAT(wrong->headers, ElementsAre(Header{"Allow", "GET,POST"}));
  EXPECT_THAT(wrong->body, HasSubstr("allowed: [GET, POST]"));
  client.Send(Get("/hello"));
  EXPECT_EQ(client.ReadAnswer()->body, "hello");
}

TEST_F(ServerTest, SomebodyElseMayAnswerWhatHasNoRoute) {
  router_.SetUnrouted([](std::shared_ptr<Exchange> exchange, const std::vector<Method>& allowed) {
    exchange->Send(Text(exchange->request().target + " " + JoinNames(allowed, "+"), 400));
  });
  Start();
  RawClient client = Connect();
  client.Send(Get("/nothing?a=b"));
  EXPECT_EQ(client.ReadAnswer()->body, "/nothing?a=b ");
  client.Send("DELETE /held/1 HTTP/1.1\r\n" + kHost + "\r\n");
  EXPECT_EQ(client.ReadAnswer()->body, "/held/1 GET+POST");
}

TEST_F(ServerTest, RendersItsErrorsInTheRoutersShape) {
  router_.SetErrorBody([](int status, std::string_view type, std::string_view) {
    return std::to_string(status) + " " + std::string(type);
  });
  Start();
  EXPECT_THAT(Answer(Get("/nothing", kClose)), EndsWith("\r\n\r\n404 not_found"));
  EXPECT_THAT(Answer("GET /hello HTTP/1.1\r\n\r\n"), EndsWith("\r\n\r\n400 invalid_argument"));
}

TEST_F(ServerTest, Answers500ForAHandlerThatThrowsOrForgets) {
  Route(Method::kGet, "/throw",
        [](std::shared_ptr<Exchange>) { throw std::runtime_error("a bug"); });
  Route(Method::kGet, "/forget", [](std::shared_ptr<Exchange>) {});
  Start();
  RawClient client = Connect();
  for (const char* path : {"/throw", "/forget", "/held/1"}) {
    client.Send(Get(path));
    if (std::string_view(path) == "/held/1") held_.Take().reset();  // On another thread.
    EXPECT_EQ(client.ReadAnswer()->status, 500) << path;
  }
  client.Send(Get("/hello"));
  EXPECT_EQ(client.ReadAnswer()->status, 200);
}

TEST_F(ServerTest, IgnoresASecondAnswer) {
  Start();
  RawClient client = Connect();
  client.Send(Get("/held/1"));
  const auto exchange = held_.Take();
  exchange->Send(Text("first"));
  exchange->Send(Text("second"));
  exchange->End();
  EXPECT_EQ(client.ReadAnswer()->body, "first");
  client.Send(Get("/hello"));
  EXPECT_EQ(client.ReadAnswer()->body, "hello");
}

// Bodies.

TEST_F(ServerTest, NeverReadsABodyAsARequest) {
  Start();
  RawClient client = Connect();
  const std::string body = Get("/admin");
  client.Send(Post("/echo", body) + Get("/hello"));
  EXPECT_EQ(client.ReadAnswer()->body, body);
  EXPECT_EQ(client.ReadAnswer()->body, "hello");
  EXPECT_EQ(admin_.count(), 0);
}

TEST_F(ServerTest, ReadsNothingAfterARefusedRequest) {
  Start();
  const std::vector<std::string> attacks = {
      "POST /echo HTTP/1.1\r\n" + kHost + "Transfer-Encoding: gzip\r\n\r\n" + Get("/admin"),
      "POST /echo HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
          Get("/admin"),
      "POST /echo HTTP/1.1\r\n" + kHost + "Content-Length: 1, 1\r\n\r\n" + Get("/admin"),
      "POST /echo HTTP/1.1\r\n" + kHost + "Content-Length: 65537\r\n\r\n" + Get("/admin"),
      "GET /hello HTTP/1.1\r\n\r\n" + Get("/admin"),
      "GET /hello HTTP/1.1\n" + Get("/admin"),
      "FOO /hello HTTP/1.1\r\n" + kHost + "\r\n" + Get("/admin"),
  };
  for (const std::string& attack : attacks) {
    const std::string answer = Answer(attack);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 4")) << attack;
    EXPECT_THAT(answer, HasSubstr("\r\nconnection: close\r\n")) << attack;
    EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos) << attack;
  }
  EXPECT_EQ(admin_.count(), 0);
}

TEST_F(ServerTest, RefusesATransferEncodingWithTheRemedy) {
  Start();
  const std::string answer =
      Answer("POST /echo HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 411 Length Required\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length"));
}

TEST_F(ServerTest, AsksForTheBodyOfAClientThatWaitsForIt) {
  Start();
  RawClient client = Connect();
  const std::string request = Post("/echo", "body", "Expect: 100-continue\r\n");
  client.Send(request.substr(0, request.size() - 4));
  const std::string interim = "HTTP/1.1 100 Continue\r\n\r\n";
  EXPECT_EQ(client.ReadBytes(interim.size()), interim);
  client.Send("body");
  EXPECT_EQ(client.ReadAnswer()->body, "body");
  // A body that comes along needs no asking.
  client.Send(request);
  EXPECT_THAT(client.ReadBytes(15), "HTTP/1.1 200 OK");
}

TEST_F(ServerTest, DoesNotAskForABodyThatItWouldRefuse) {
  Start();
  EXPECT_THAT(Answer("POST /echo HTTP/1.1\r\n" + kHost +
                     "Expect: 100-continue\r\nContent-Length: 65537\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
}

TEST_F(ServerTest, LetsAClientThatStillSendsItsTooLargeBodyReadTheRefusal) {
  Start();
  RawClient client = Connect();
  client.Send("POST /echo HTTP/1.1\r\n" + kHost + "Content-Length: 500000\r\n\r\n");
  client.Send(std::string(500'000, 'x'));
  EXPECT_EQ(client.ReadAnswer()->status, 413);
}

// Requests that are sent ahead.

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  Start();
  RawClient client = Connect();
  std::string all;
  for (int i = 0; i < 500; ++i)
    all += Post("/echo", std::to_string(i));
  std::thread sender([&] { client.Send(all); });
  for (int i = 0; i < 500; ++i) {
    const auto answer = client.ReadAnswer();
    ASSERT_TRUE(answer) << i;
    ASSERT_EQ(answer->body, std::to_string(i));
  }
  sender.join();
}

TEST_F(ServerTest, StartsTheNextRequestOnlyWhenThePreviousIsAnswered) {
  Start();
  RawClient client = Connect();
  client.Send(Get("/held/1") + Get("/admin"));
  const auto exchange = held_.Take();
  Settle();
  EXPECT_EQ(admin_.count(), 0);
  exchange->Send(Text("one"));
  EXPECT_EQ(client.ReadAnswer()->body, "one");
  EXPECT_EQ(client.ReadAnswer()->body, "admin");
}

TEST_F(ServerTest, LosesNoByteThatArrivesWhileAHandlerWorks) {
  Start();
  RawClient client = Connect();
  client.Send(Get("/held/1"));
  const auto exchange = held_.Take();
  const std::string next = Post("/echo", "sent early");
  for (const char c : next)
    client.Send({&c, 1});
  Settle();
  exchange->Send(Text("one"));
  EXPECT_EQ(client.ReadAnswer()->body, "one");
  EXPECT_EQ(client.ReadAnswer()->body, "sent early");
}

TEST_F(ServerTest, ReadsNoFurtherAheadThanOneHead) {
  Start();
  RawClient client = Connect();
  client.Send(Get("/held/1"));
  const auto exchange = held_.Take();
  // More than the server's buffers and the kernel's take: the client is stopped.
  const timeval patience{0, 200'000};
  ASSERT_EQ(::setsockopt(client.fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
  EXPECT_FALSE(client.Send(std::string(64 << 20, 'x')));
  exchange->Send(Text("one"));
  EXPECT_EQ(client.ReadAnswer()->body, "one");
}

TEST_F(ServerTest, DoesNotRunTheNextHandlerInsideTheCallThatAnswers) {
  bool inside = false;
  bool nested = false;
  Route(Method::kGet, "/nested", [&](auto exchange) {
    nested = inside;
    exchange->Send(Text(""));
  });
  Start();
  RawClient client = Connect();
  client.Send(Get("/held/1") + Get("/nested"));
  const auto exchange = held_.Take();
  Settle();
  OnServer([&] {
    inside = true;
    exchange->Send(Text("one"));
    inside = false;
  });
  EXPECT_TRUE(client.ReadAnswer());
  EXPECT_TRUE(client.ReadAnswer());
  EXPECT_FALSE(nested);
}

// Threads.

TEST_F(ServerTest, TakesAnswersFromManyThreads) {
  std::vector<std::thread> workers;
  Route(Method::kGet, "/work/{id}", [&workers](std::shared_ptr<Exchange> exchange) {
    workers.emplace_back([exchange = std::move(exchange)]() mutable {
      exchange->OnGone([] {});
      if (exchange->request().captures[0].size() % 2 == 0) {
        exchange->Send(Text(exchange->request().captures[0]));
      } else {
        exchange->Start(Text(""));
        exchange->Write(exchange->request().captures[0], {});
        exchange->End();
      }
      exchange.reset();
    });
  });
  Start();
  std::vector<std::thread> clients;
  std::atomic<int> good{0};
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([this, &good] {
      RawClient client = Connect();
      std::string name;
      for (int i = 0; i < 30; ++i) {
        name += 'x';
        client.Send(Get("/work/" + name));
        const auto answer = client.ReadAnswer();
        if (answer && answer->body == name) ++good;
      }
    });
  }
  for (std::thread& client : clients)
    client.join();
  OnServer([&] {
    for (std::thread& worker : workers)
      worker.join();
  });
  EXPECT_EQ(good, 120);
}

// Random bytes on a real connection.

TEST_F(ServerTest, SurvivesRandomMutationsOfAPipeline) {
  limits_.head_timeout = limits_.body_timeout = std::chrono::milliseconds(20);
  limits_.close_timeout = std::chrono::milliseconds(20);
  Start();
  const std::string whole = Get("/hello") + Post("/echo", Get("/admin")) + Get("/hello", kClose);
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    std::string bytes = whole;
    for (int i = 0; i < 3; ++i)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    RawClient client = Connect();
    client.Send(bytes);
    client.ShutdownSend();
    client.ReadAll();
  }
  RawClient client = Connect();
  client.Send(Get("/hello"));
  EXPECT_EQ(client.ReadAnswer()->body, "hello");
}

}  // namespace
}  // namespace quell::http
