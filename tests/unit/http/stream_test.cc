// Goal: a streamed answer reaches its reader as it is written, holds bounded memory however slow
// the reader is, and its writer learns when the reader has gone. Method: exchanges that are held by
// the test, raw bytes at the other end.
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/http/raw_client.h"
#include "tests/unit/http/server_fixture.h"

namespace quell::http {
namespace {

using testing::EndsWith;

class StreamTest : public ServerTest {
 protected:
  // A client whose request, with these extra fields, is with the test.
  std::shared_ptr<Exchange> Hold(RawClient& client, std::string_view fields = "") {
    client.Send("GET /held/1 HTTP/1.1\r\nHost: localhost\r\n" + std::string(fields) + "\r\n");
    return held_.Take();
  }
};

const std::string kHead =
    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n";

TEST_F(StreamTest, SendsEachWriteAsAChunkAtOnce) {
  Start();
  RawClient client = Connect();
  const auto exchange = Hold(client);
  exchange->Start(Text("first"));
  const std::string begin = kHead + "\r\n5\r\nfirst\r\n";
  EXPECT_EQ(client.ReadBytes(begin.size()), begin);
  exchange->Write(std::string(17, 'x'), {});
  EXPECT_EQ(client.ReadBytes(23), "11\r\n" + std::string(17, 'x') + "\r\n");
  exchange->Write("", {});  // Not the end.
  exchange->End();
  EXPECT_EQ(client.ReadBytes(5), "0\r\n\r\n");
  client.Send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(client.ReadAnswer()->body, "hello");
}

TEST_F(StreamTest, ClosesAfterItWhenAskedTo) {
  Start();
  RawClient client = Connect();
  const auto exchange = Hold(client, "Connection: close\r\n");
  exchange->Start(Text(""));
  exchange->End();
  EXPECT_EQ(client.ReadAll(), kHead + "connection: close\r\n\r\n0\r\n\r\n");
}

TEST_F(StreamTest, SendsNoChunksToHttp10) {
  Start();
  RawClient client = Connect();
  client.Send("GET /held/1 HTTP/1.0\r\n\r\n");
  const auto exchange = held_.Take();
  exchange->Start(Text("a"));
  exchange->Write("b", {});
  exchange->End();
  EXPECT_EQ(client.ReadAll(),
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\nab");
}

TEST_F(StreamTest, SendsNoBodyToHead) {
  Route(Method::kHead, "/stream", [](auto exchange) {
    exchange->Start(Text("a"));
    exchange->Write("b", {});
    exchange->End();
  });
  Start();
  EXPECT_EQ(Answer("HEAD /stream HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
            kHead + "connection: close\r\n\r\n");
}

TEST_F(StreamTest, RunsDrainedForEachWriteAndNeverInsideIt) {
  Start();
  RawClient client = Connect();
  const auto exchange = Hold(client);
  Counter drained;
  int inside = 0;
  OnServer([&] {
    exchange->Start(Text(""));
    exchange->Write("a", [&] { drained.Add(); });
    exchange->Write("", [&] { drained.Add(); });
    inside = drained.count();
  });
  EXPECT_TRUE(drained.Reaches(2));
  EXPECT_EQ(inside, 0);
}

TEST_F(StreamTest, HoldsOneChunkForASlowReaderIfTheWriterWaits) {
  Start();
  RawClient client = Connect();
  const auto exchange = Hold(client);
  constexpr int kChunks = 12;
  const std::string chunk(1 << 20, 'x');
  // The queue takes 4 MiB; 12 MiB pass through it only because each write waits for the last.
  int written = 0;
  std::function<void()> next = [&] {
    if (written++ == kChunks) {
      exchange->End();
    } else {
      exchange->Write(chunk, next);
    }
  };
  exchange->Start(Text(""));
  OnServer(next);
  const auto answer = client.ReadAnswer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body.size(), kChunks * chunk.size());
}

TEST_F(StreamTest, CutsAReaderWhoseQueueIsFull) {
  limits_.stream_queue_max = 100'000;
  Start();
  RawClient client = Connect();
  client.ShrinkReceiveBuffer();
  const auto exchange = Hold(client);
  Counter gone;
  exchange->OnGone([&] { gone.Add(); });
  exchange->Start(Text(""));
  for (int i = 0; i < 10'000 && gone.count() == 0; ++i) {
    exchange->Write(std::string(10'000, 'x'), {});
  }
  EXPECT_TRUE(gone.Reaches(1));
  EXPECT_THAT(client.ReadAll(), testing::Not(EndsWith("0\r\n\r\n")));
}

TEST_F(StreamTest, TakesOneChunkOfAnySize) {
  limits_.stream_queue_max = 1000;
  Start();
  RawClient client = Connect();
  const auto exchange = Hold(client);
  exchange->Start(Text(""));
  exchange->Write(std::string(1 << 20, 'x'), [&] { exchange->End(); });
  const auto answer = client.ReadAnswer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body.size(), std::size_t{1} << 20);
}

TEST_F(StreamTest, IsCutIfItsWriterForgetsToEndIt) {
  Start();
  RawClient client = Connect();
  auto exchange = Hold(client);
  exchange->Start(Text("part"));
  exchange.reset();
  EXPECT_FALSE(client.ReadAnswer());
}

TEST_F(StreamTest, IsCutIfAWholeAnswerIsSentIntoIt) {
  Start();
  RawClient client = Connect();
  auto exchange = Hold(client);
  exchange->Start(Text("part"));
  exchange->Send(Text("whole"));
  EXPECT_FALSE(client.ReadAnswer());
}

TEST_F(StreamTest, KeepsTheOrderOfCallsFromTwoThreads) {
  Start();
  RawClient client = Connect();
  const auto exchange = Hold(client);
  OnServer([&] {
    // The other thread's calls are on their way when the server's own thread makes the last.
    std::thread([&] {
      exchange->Start(Text(""));
      exchange->Write("a", {});
    }).join();
    exchange->Write("b", {});
    exchange->End();
  });
  EXPECT_EQ(client.ReadAnswer()->body, "ab");
}

// The client goes.

TEST_F(StreamTest, TellsThatTheClientLeftWhileTheHandlerWorks) {
  Start();
  RawClient client = Connect();
  const auto exchange = Hold(client);
  Counter gone;
  exchange->OnGone([&] { gone.Add(); });
  client.Close();
  EXPECT_TRUE(gone.Reaches(1));
  exchange->Send(Text("for nobody"));
  Settle();
  EXPECT_EQ(gone.count(), 1);
}

TEST_F(StreamTest, TellsThatTheClientLeftAnIdleStream) {
  Start();
  RawClient client = Connect();
  const auto exchange = Hold(client);
  Counter gone;
  Counter drained;
  exchange->OnGone([&] { gone.Add(); });
  exchange->Start(Text(""));
  client.ReadBytes(kHead.size());
  client.Close();
  EXPECT_TRUE(gone.Reaches(1));
  exchange->Write("x", [&] { drained.Add(); });
  exchange->End();
  Settle();
  Settle();
  EXPECT_EQ(drained.count(), 0);
}

TEST_F(StreamTest, TellsItThoughTheClientHadSentMore) {
  Start();
  RawClient client = Connect();
  const auto exchange = Hold(client);
  Counter gone;
  exchange->OnGone([&] { gone.Add(); });
  client.Send("GET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n");
  Settle();
  client.Close();
  EXPECT_TRUE(gone.Reaches(1));
}

TEST_F(StreamTest, TellsItAlsoToWhoAsksLate) {
  Start();
  RawClient client = Connect();
  const auto exchange = Hold(client);
  exchange->Start(Text(""));
  client.ReadBytes(kHead.size());
  client.Close();
  Counter gone;
  // Until the server has seen the end, the question is early rather than late; both must be told.
  exchange->OnGone([&] { gone.Add(); });
  ASSERT_TRUE(gone.Reaches(1));
  exchange->OnGone([&] { gone.Add(); });
  EXPECT_TRUE(gone.Reaches(2));
}

TEST_F(StreamTest, DoesNotTellItOnceTheAnswerIsGiven) {
  Start();
  RawClient client = Connect();
  const auto exchange = Hold(client);
  Counter gone;
  const auto token = std::make_shared<int>(0);
  exchange->OnGone([&gone, token] { gone.Add(); });
  exchange->Send(Text("all"));
  EXPECT_EQ(client.ReadAnswer()->body, "all");
  client.Close();
  Settle();
  EXPECT_EQ(gone.count(), 0);
  EXPECT_EQ(token.use_count(), 1);  // What the callback held is free.
}

TEST_F(StreamTest, AnswersAClientThatHasClosedItsSendingSide) {
  Start();
  RawClient client = Connect();
  const auto exchange = Hold(client);
  Counter gone;
  exchange->OnGone([&] { gone.Add(); });
  client.ShutdownSend();
  EXPECT_TRUE(gone.Reaches(1));
  exchange->Send(Text("still here"));
  EXPECT_THAT(client.ReadAll(), EndsWith("\r\n\r\nstill here"));
}

TEST_F(StreamTest, SurvivesAnExceptionInACallback) {
  Start();
  RawClient client = Connect();
  const auto exchange = Hold(client);
  exchange->Start(Text(""));
  exchange->Write("a", [] { throw std::runtime_error("a bug"); });
  exchange->Write("b", [&] { exchange->End(); });
  EXPECT_EQ(client.ReadAnswer()->body, "ab");
}

}  // namespace
}  // namespace quell::http
