// Goal: a connection ends when its time is up, at the limit nobody waits in vain, and the server
// stops when it is told to.
// Method: servers with small limits, clients that stay silent, drip, or never read.
#include <cerrno>
#include <chrono>
#include <string>
#include <sys/socket.h>

#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/http/raw_client.h"
#include "tests/unit/http/server_fixture.h"
#include "transport/http/connection.h"

namespace quell::http {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kGet = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";

class LifetimeTest : public ServerTest {
 protected:
  // Sends `head`, then 'x' again and again. The answer, if one comes before the dripping ends.
  std::string DripUntilAnswered(std::string_view head) {
    RawClient client = Connect();
    client.Send(head);
    for (int i = 0; i < 2000; ++i) {
      if (client.Readable(5)) return client.ReadAll();
      client.Send("x");
    }
    return "";
  }
};

TEST_F(LifetimeTest, ClosesAnIdleConnectionWithoutAWord) {
  limits_.idle_timeout = milliseconds(20);
  Start();
  RawClient fresh = Connect();
  EXPECT_EQ(fresh.ReadAll(), "");
  RawClient used = Connect();
  used.Send(kGet);
  EXPECT_TRUE(used.ReadAnswer());
  EXPECT_EQ(used.ReadAll(), "");
}

TEST_F(LifetimeTest, Answers408ToAHeadThatDoesNotEnd) {
  limits_.head_timeout = milliseconds(20);
  Start();
  RawClient client = Connect();
  client.Send(kGet);
  EXPECT_EQ(client.ReadAnswer()->status, 200);
  client.Send("GET /hello HT");
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 408 "));
}

TEST_F(LifetimeTest, IsNotImpressedByADrippingHead) {
  limits_.head_timeout = milliseconds(100);
  Start();
  EXPECT_THAT(DripUntilAnswered("GET /"), StartsWith("HTTP/1.1 408 "));
}

TEST_F(LifetimeTest, IsNotImpressedByADrippingBody) {
  limits_.body_timeout = milliseconds(100);
  Start();
  EXPECT_THAT(DripUntilAnswered("POST /echo HTTP/1.1\r\nHost: localhost\r\n"
                                "Content-Length: 60000\r\n\r\n"),
              StartsWith("HTTP/1.1 408 "));
}

TEST_F(LifetimeTest, GivesAHandlerAllTheTimeItWants) {
  limits_.head_timeout = limits_.body_timeout = limits_.write_timeout = limits_.idle_timeout =
      milliseconds(10);
  Start();
  RawClient client = Connect();
  client.Send("GET /held/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto exchange = held_.Take();
  EXPECT_FALSE(client.Readable(100));
  exchange->Start(Text(""));
  client.ReadBytes(1);
  EXPECT_TRUE(client.Readable(0));
  exchange->Write("x", {});
  exchange->End();
  EXPECT_EQ(client.ReadAll().substr(0, 8), "TTP/1.1 ");
}

TEST_F(LifetimeTest, CutsAReaderThatDoesNotRead) {
  limits_.write_timeout = milliseconds(50);
  Start();
  RawClient client = Connect();
  client.ShrinkReceiveBuffer();
  client.Send("GET /held/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto exchange = held_.Take();
  Counter gone;
  exchange->OnGone([&] { gone.Add(); });
  exchange->Start(Text(std::string(64 << 20, 'x')));
  EXPECT_TRUE(gone.Reaches(1));
  EXPECT_LT(client.ReadAll().size(), std::size_t{64} << 20);
}

TEST_F(LifetimeTest, ClosesAfterTheLastAnswerThoughTheClientStays) {
  limits_.close_timeout = milliseconds(20);
  Start();
  RawClient client = Connect();
  client.Send("nonsense\r\n\r\n");
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 400 "));
  // The client has not closed; the server lets go all the same, so its place is free.
  OnServer([this] { server_->Stop(std::chrono::hours(1), [] {}); });
  char byte = 'x';
  while (::send(client.fd(), &byte, 1, MSG_NOSIGNAL) == 1)
    client.Readable(1);
  EXPECT_THAT(errno, testing::AnyOf(EPIPE, ECONNRESET));
}

TEST_F(LifetimeTest, TheConnectionThatWaitsLongestMakesRoomAtTheLimit) {
  limits_.connections_max = 2;
  Start();
  RawClient first = Connect();
  first.Send(kGet);
  EXPECT_TRUE(first.ReadAnswer());
  RawClient second = Connect();
  second.Send(kGet);
  EXPECT_TRUE(second.ReadAnswer());
  first.Send(kGet);  // Now the second one waits longest.
  EXPECT_TRUE(first.ReadAnswer());
  RawClient third = Connect();
  third.Send(kGet);
  EXPECT_EQ(third.ReadAnswer()->body, "hello");
  EXPECT_EQ(second.ReadAll(), "");
  first.Send(kGet);
  EXPECT_EQ(first.ReadAnswer()->body, "hello");
}

TEST_F(LifetimeTest, WhoDribblesAHeadOrABodyMakesRoomToo) {
  limits_.connections_max = 2;
  Start();
  RawClient head = Connect();
  head.Send("GET /hello HTTP/1.1\r\nHost: loc");
  RawClient body = Connect();
  body.Send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\nabc");
  for (int i = 0; i < 3; ++i) {
    RawClient next = Connect();
    next.Send(kGet);
    EXPECT_EQ(next.ReadAnswer()->body, "hello");
    next.Close();
  }
  EXPECT_TRUE(head.AtEnd());
}

TEST_F(LifetimeTest, BeyondTheLimitACancelIsServedAndTheRestToldToComeBack) {
  limits_.connections_max = 2;
  router_.Add(Method::kPost, "/cancel", Permission::kTaskCancel,
              [](auto exchange) { exchange->Send(Text("cancelled")); });
  Start();
  RawClient first = Connect();
  RawClient second = Connect();
  first.Send("GET /held/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  second.Send("GET /held/2 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto one = held_.Take();
  const auto two = held_.Take();
  ASSERT_TRUE(one && two);
  const std::string refusal = Answer(kGet);
  EXPECT_THAT(refusal, StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_THAT(refusal, HasSubstr("2 connections"));
  EXPECT_THAT(refusal, HasSubstr("Retry-After: 1"));
  const std::string served =
      Answer("POST /cancel HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  EXPECT_THAT(served, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(served, HasSubstr("connection: close"));
  one->Send(Text("one"));
  EXPECT_EQ(first.ReadAnswer()->body, "one");
  two->Send(Text("two"));
  EXPECT_EQ(second.ReadAnswer()->body, "two");
  RawClient third = Connect();
  third.Send(kGet);
  EXPECT_EQ(third.ReadAnswer()->body, "hello");
}

TEST_F(LifetimeTest, AConnectionWithoutADescriptorOfItsOwnIsTold) {
  limits_.descriptors_max = 1;
  Counter met;
  limits_.no_descriptors = [&] { met.Add(); };
  Start();
  const std::string refusal = Connect().ReadAll();
  EXPECT_THAT(refusal, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(refusal, HasSubstr("raise its limit of open files"));
  EXPECT_EQ(met.count(), 1);
}

TEST_F(LifetimeTest, BeyondTheReserveEachIsToldAndClosed) {
  limits_.connections_max = 1;
  limits_.connections_reserve = 1;
  Start();
  RawClient first = Connect();
  first.Send("GET /held/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto one = held_.Take();
  ASSERT_TRUE(one);
  RawClient reserved = Connect();
  RawClient next = Connect();  // The one that sends nothing makes room for it.
  next.Send(kGet);
  EXPECT_THAT(next.ReadAll(), StartsWith("HTTP/1.1 503 "));
  EXPECT_TRUE(reserved.AtEnd());
}

TEST_F(LifetimeTest, RefusesWhoMayNotUseARoute) {
  // Remote clients have no way to a server yet, so one is handed to the connection itself.
  Start();
  boost::asio::local::stream_protocol::socket ours(context_);
  boost::asio::local::stream_protocol::socket theirs(context_);
  boost::asio::local::connect_pair(ours, theirs);
  RawClient client(theirs.release());
  OnServer([&] {
    ours.non_blocking(true);
    auto state = std::make_shared<ServerState>(context_, router_, limits_);
    Principal remote;
    remote.transport = Principal::Transport::kRemote;
    remote.address = "10.0.0.7:1234";
    std::make_shared<Connection>(state, StreamSocket(std::move(ours)), remote, state->tcp_rules)
        ->Start(false);
  });
  client.Send("GET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto answer = client.ReadAnswer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 403);
  EXPECT_THAT(answer->body, HasSubstr(R"("type":"permission_denied")"));
  EXPECT_EQ(admin_.count(), 0);
  client.Close();
}

// Stopping.

TEST_F(LifetimeTest, StopsAtOnceWhenNothingIsUnderWay) {
  Start();
  RawClient idle = Connect();
  idle.Send(kGet);
  EXPECT_TRUE(idle.ReadAnswer());
  Counter done;
  OnServer([&] { server_->Stop(std::chrono::hours(1), [&] { done.Add(); }); });
  EXPECT_TRUE(done.Reaches(1));
  EXPECT_EQ(idle.ReadAll(), "");
  EXPECT_EQ(Connect().fd(), -1);
  // Once more is no harm.
  OnServer([&] { server_->Stop(std::chrono::hours(1), [&] { done.Add(); }); });
  EXPECT_TRUE(done.Reaches(2));
}

TEST_F(LifetimeTest, LetsARequestFinishWhenItStops) {
  Start();
  RawClient client = Connect();
  client.Send("GET /held/1 HTTP/1.1\r\nHost: localhost\r\n\r\n" + kGet);
  const auto exchange = held_.Take();
  Counter done;
  OnServer([&] { server_->Stop(std::chrono::hours(1), [&] { done.Add(); }); });
  Settle();
  EXPECT_EQ(done.count(), 0);
  exchange->Send(Text("finished"));
  EXPECT_EQ(client.ReadAll(),
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 8\r\n"
            "connection: close\r\n\r\nfinished");
  client.Close();
  EXPECT_TRUE(done.Reaches(1));
}

TEST_F(LifetimeTest, CutsWhatIsLeftAfterTheGrace) {
  Start();
  RawClient client = Connect();
  client.Send("GET /held/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto exchange = held_.Take();
  Counter gone;
  Counter done;
  exchange->OnGone([&] { gone.Add(); });
  OnServer([&] { server_->Stop(milliseconds(10), [&] { done.Add(); }); });
  EXPECT_TRUE(done.Reaches(1));
  EXPECT_TRUE(gone.Reaches(1));
  EXPECT_EQ(client.ReadAll(), "");
}

TEST_F(LifetimeTest, RunsNoCallbackOnceItIsDestroyed) {
  Start();
  RawClient client = Connect();
  client.Send("GET /held/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto exchange = held_.Take();
  Counter called;
  exchange->OnGone([&] { called.Add(); });
  OnServer([&] {
    server_->Stop(std::chrono::hours(1), [&] { called.Add(); });
    server_.reset();
  });
  EXPECT_EQ(client.ReadAll(), "");
  exchange->Send(Text("for nobody"));
  Settle();
  EXPECT_EQ(called.count(), 0);
}

}  // namespace
}  // namespace quell::http
