// Goal: the client sends one sound request, reads each answer, and says truthfully whether a
// request that failed may have had an effect. Method: our own server for what is sound; a scripted
// peer, which sends given bytes and closes, for what is not.
#include "transport/http/client.h"

#include <arpa/inet.h>
#include <chrono>
#include <netinet/in.h>
#include <optional>
#include <stdlib.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/http/server_fixture.h"

namespace quell::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

Address AddressOf(std::uint16_t port) {
  return *Address::Parse("http://127.0.0.1:" + std::to_string(port));
}

ClientRequest GetOf(std::string target) {
  ClientRequest request;
  request.target = std::move(target);
  return request;
}

// Accepts one connection, reads what comes first, sends `answer` and closes, unless it is to stay.
class Peer {
 public:
  explicit Peer(std::string answer, bool stay = false)
      : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address));
    ::listen(listener_, 1);
    socklen_t size = sizeof(address);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, answer = std::move(answer), stay] {
      RawClient client(::accept(listener_, nullptr, nullptr));
      char buffer[4096];
      const ssize_t bytes = ::recv(client.fd(), buffer, sizeof(buffer), 0);
      if (bytes > 0) request_.assign(buffer, static_cast<std::size_t>(bytes));
      client.Send(answer);
      if (stay) client.ReadAll();
    });
  }
  ~Peer() {
    if (thread_.joinable()) thread_.join();
    ::close(listener_);
  }
  std::uint16_t port() const { return port_; }
  std::string Request() {
    thread_.join();
    return request_;
  }

 private:
  const int listener_;
  std::uint16_t port_ = 0;
  std::string request_;
  std::thread thread_;
};

class ClientTest : public ServerTest {};

TEST_F(ClientTest, FetchesOverTcp) {
  Start();
  const Result<Response> response = Fetch(AddressOf(port_), GetOf("/hello"), seconds(10));
  ASSERT_TRUE(response) << response.error();
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->content_type, "text/plain");
  EXPECT_EQ(response->body, "hello");
}

TEST_F(ClientTest, FetchesOverAUnixSocket) {
  Start();
  const std::string path = folder_ + "/node.sock";
  OnServer([&] { ASSERT_TRUE(server_->ListenUnix(path)); });
  ClientRequest request = GetOf("/echo");
  request.method = Method::kPost;
  request.body = "a body";
  const Result<Response> response = Fetch(*Address::Parse("unix:" + path), request, seconds(10));
  ASSERT_TRUE(response) << response.error();
  EXPECT_EQ(response->body, "a body");
}

TEST_F(ClientTest, ReadsAStreamedAnswerAndAnAnswerToHead) {
  Route(Method::kGet, "/stream", [](auto exchange) {
    exchange->Start(Text("a"));
    exchange->Write("b", {});
    exchange->End();
  });
  Route(Method::kHead, "/hello", [](auto exchange) { exchange->Send(Text("hello")); });
  Start();
  EXPECT_EQ(Fetch(AddressOf(port_), GetOf("/stream"), seconds(10))->body, "ab");
  ClientRequest head = GetOf("/hello");
  head.method = Method::kHead;
  const Result<Response> response = Fetch(AddressOf(port_), head, seconds(10));
  ASSERT_TRUE(response) << response.error();
  EXPECT_EQ(response->body, "");
}

TEST_F(ClientTest, TellsAnErrorStatusAsAnAnswer) {
  Start();
  EXPECT_EQ(Fetch(AddressOf(port_), GetOf("/nothing"), seconds(10))->status, 404);
}

TEST_F(ClientTest, UsesNoProxy) {
  ::setenv("HTTP_PROXY", "http://127.0.0.1:1", 1);
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  Start();
  EXPECT_TRUE(Fetch(AddressOf(port_), GetOf("/hello"), seconds(10)));
  ::unsetenv("HTTP_PROXY");
  ::unsetenv("http_proxy");
}

TEST(ClientWireTest, SendsExactlyThis) {
  Peer peer("HTTP/1.1 204 No Content\r\n\r\n");
  ClientRequest request = GetOf("/a?b=c");
  request.method = Method::kPost;
  request.headers = {{"X-Opaque-Id", "me"}};
  EXPECT_EQ(Fetch(AddressOf(peer.port()), request, seconds(10))->status, 204);
  EXPECT_EQ(peer.Request(),
            "POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(peer.port()) +
                "\r\nX-Opaque-Id: me\r\nContent-Length: 0\r\n"
                "Connection: close\r\n\r\n");
}

TEST(ClientWireTest, SendsNothingThatIsNotOneRequest) {
  for (const char* target : {"", "x", "/a b", "/a\r\nX: y", "/\xc3\xa9"}) {
    const auto response = Fetch(AddressOf(1), GetOf(target), seconds(10));
    EXPECT_EQ(response.error().code, ErrorCode::kInvalidArgument) << target;
  }
  for (const Header& header : {Header{"", "x"}, Header{"a b", "x"}, Header{"A", "x\r\nB: y"}}) {
    ClientRequest request = GetOf("/");
    request.headers = {header};
    EXPECT_EQ(Fetch(AddressOf(1), request, seconds(10)).error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(ClientErrorTest, NothingHappenedIfNobodyListens) {
  std::uint16_t port = 0;
  {
    Peer peer("");
    port = peer.port();
    RawClient::Tcp(port);
  }
  const auto tcp = Fetch(AddressOf(port), GetOf("/"), seconds(10));
  EXPECT_EQ(tcp.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(tcp.error().message, HasSubstr("http://127.0.0.1:" + std::to_string(port)));
  const auto unix_socket = Fetch(*Address::Parse("unix:/nowhere/x.sock"), GetOf("/"), seconds(10));
  EXPECT_EQ(unix_socket.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(unix_socket.error().message, HasSubstr("/nowhere/x.sock"));
}

TEST(ClientErrorTest, APathThatNoSocketTakesIsNamed) {
  const auto response =
      Fetch(*Address::Parse("unix:/" + std::string(107, 'x')), GetOf("/"), seconds(10));
  EXPECT_EQ(response.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(response.error().message, HasSubstr("108 bytes"));
}

TEST(ClientErrorTest, TheOutcomeIsUnknownOnceTheRequestIsSent) {
  for (const char* part : {"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"}) {
    Peer peer(part);
    const auto response = Fetch(AddressOf(peer.port()), GetOf("/"), seconds(10));
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, ErrorCode::kOutcomeUnknown) << response.error();
  }
  Peer silent("HTTP/1.1 200 OK\r\n", true);
  const auto response = Fetch(AddressOf(silent.port()), GetOf("/"), milliseconds(50));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kOutcomeUnknown);
  EXPECT_THAT(response.error().message, HasSubstr("in time"));
}

TEST(ClientErrorTest, AnAnswerThatDoesNotBeginIsNotWaitedForAsLongAsAWholeOne) {
  Peer silent("", true);
  EXPECT_EQ(Fetch(AddressOf(silent.port()), GetOf("/x"),
                  FetchLimits{milliseconds(50), std::chrono::hours(1)})
                .error()
                .code,
            ErrorCode::kOutcomeUnknown);
  Peer slow("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", true);
  EXPECT_EQ(Fetch(AddressOf(slow.port()), GetOf("/x"), FetchLimits{seconds(30), milliseconds(300)})
                .error()
                .code,
            ErrorCode::kOutcomeUnknown);
}

TEST(ClientErrorTest, WhatIsNotHttpIsTold) {
  Peer peer("SSH-2.0-OpenSSH\r\n");
  const auto response = Fetch(AddressOf(peer.port()), GetOf("/"), seconds(10));
  EXPECT_EQ(response.error().code, ErrorCode::kInternal);
  EXPECT_THAT(response.error().message, HasSubstr("SSH-2.0"));
}

// Lines.

class LineStreamTest : public ServerTest {
 protected:
  std::unique_ptr<LineStream> Open() {
    std::thread opener([&] {
      auto stream = LineStream::Open(AddressOf(port_), GetOf("/held/1"), seconds(10));
      ASSERT_TRUE(stream) << stream.error();
      stream_ = std::move(*stream);
    });
    exchange_ = held_.Take();
    exchange_->Start(Text(""));
    opener.join();
    return std::move(stream_);
  }

  std::unique_ptr<LineStream> stream_;
  std::shared_ptr<Exchange> exchange_;
};

TEST_F(LineStreamTest, ReadsLinesHoweverTheyAreCut) {
  Start();
  const auto stream = Open();
  exchange_->Write("one\ntw", {});
  EXPECT_EQ(stream->ReadLine(), "one");
  exchange_->Write("o\n\nthree\r\nfo", {});
  EXPECT_EQ(stream->ReadLine(), "two");
  EXPECT_EQ(stream->ReadLine(), "");
  EXPECT_EQ(stream->ReadLine(), "three");
  exchange_->Write("ur", {});
  exchange_->End();
  EXPECT_EQ(stream->ReadLine(), "four");
  EXPECT_EQ(stream->ReadLine(), std::nullopt);
  EXPECT_EQ(stream->ReadLine(), std::nullopt);
}

TEST_F(LineStreamTest, DoesNotReturnATornLine) {
  Start();
  const auto stream = Open();
  exchange_->Write("one\ntorn", {});
  EXPECT_EQ(stream->ReadLine(), "one");
  exchange_.reset();
  EXPECT_EQ(stream->ReadLine(), std::nullopt);
}

TEST_F(LineStreamTest, CloseEndsABlockedRead) {
  Start();
  const auto stream = Open();
  std::optional<std::string> line = "x";
  std::thread reader([&] { line = stream->ReadLine(); });
  stream->Close();
  reader.join();
  EXPECT_EQ(line, std::nullopt);
}

TEST_F(LineStreamTest, ReadsManyLines) {
  Start();
  const auto stream = Open();
  std::string all;
  for (int i = 0; i < 20'000; ++i)
    all += std::to_string(i) + '\n';
  exchange_->Write(all, {});
  exchange_->End();
  for (int i = 0; i < 20'000; ++i)
    ASSERT_EQ(stream->ReadLine(), std::to_string(i));
  EXPECT_EQ(stream->ReadLine(), std::nullopt);
}

TEST_F(LineStreamTest, BoundsALine) {
  Start();
  const auto stream = Open();
  exchange_->Write(std::string((1 << 20) + 200'000, 'x') + "\n", {});
  EXPECT_EQ(stream->ReadLine(), std::nullopt);
}

TEST_F(LineStreamTest, TellsARefusalWithItsText) {
  Start();
  const auto stream = LineStream::Open(AddressOf(port_), GetOf("/nothing"), seconds(10));
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_THAT(stream.error().message, HasSubstr("404"));
  EXPECT_THAT(stream.error().message, HasSubstr("no handler found"));
}

// Addresses.

TEST(AddressTest, ReadsEachForm) {
  const auto tcp = Address::Parse("http://localhost:9480/");
  ASSERT_TRUE(tcp);
  EXPECT_EQ(tcp->host, "localhost");
  EXPECT_EQ(tcp->port, "9480");
  EXPECT_EQ(Address::Parse("HTTP://10.0.0.1")->port, "80");
  EXPECT_EQ(Address::Parse("http://[::1]:1")->host, "::1");
  EXPECT_EQ(Address::Parse("unix:/run/x.sock")->socket_path, "/run/x.sock");
  EXPECT_EQ(Address::Parse("unix:///run/x.sock")->socket_path, "/run/x.sock");
}

TEST(AddressTest, RefusesOthersWithTheFormWanted) {
  for (const char* text : {"", "localhost:9480", "https://localhost", "http://", "http://:80",
                           "http://a:0", "http://a:65536", "http://a:x", "http://a:", "http://a/b",
                           "http://u@a", "http://[::1", "http://[::1]x", "unix:", "http://a b"}) {
    const auto address = Address::Parse(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, ErrorCode::kInvalidArgument) << text;
    EXPECT_THAT(address.error().message, HasSubstr("http://HOST:PORT")) << text;
  }
}

}  // namespace
}  // namespace quell::http
