// Goal: an answer leaves packed if the client asks for it and it is worth it, and unpacks to what
// it was; a long one leaves in slices.
// Method: headers in a table; a real server, and zlib's own reader at the other end.
#include "transport/http/gzip.h"

#include <cstdint>
#include <memory>
#include <string>
#include <zlib.h>

#include <gmock/gmock.h>

#include "core/limits.h"
#include "tests/unit/http/server_fixture.h"

namespace quell::http {
namespace {

std::string Unpacked(const std::string& packed, std::size_t most) {
  z_stream zlib = {};
  if (inflateInit2(&zlib, 15 + 16) != Z_OK) return "cannot unpack";
  std::string out(most + 1, '\0');
  std::string in = packed;
  zlib.next_in = reinterpret_cast<Bytef*>(in.data());
  zlib.avail_in = static_cast<uInt>(in.size());
  zlib.next_out = reinterpret_cast<Bytef*>(out.data());
  zlib.avail_out = static_cast<uInt>(out.size());
  const int ended = inflate(&zlib, Z_FINISH);
  out.resize(out.size() - zlib.avail_out);
  inflateEnd(&zlib);
  return ended == Z_STREAM_END ? out : "not a whole gzip file";
}

std::string TaskIdAllocator(std::size_t bytes) {
  std::string text;
  for (int i = 0; text.size() < bytes; ++i)
    text += std::to_string(i) + ",";
  text.resize(bytes);
  return text;
}

// What cannot be packed.
std::string Noise(std::size_t bytes) {
  std::string text(bytes, '\0');
  std::uint32_t state = 1;
  for (char& c : text) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24U);
  }
  return text;
}

TEST(GzipTest, IsTakenByThoseWhoSaySo) {
  for (const char* yes : {"gzip", "GZIP", "x-gzip", "br, gzip", "gzip, x-gzip, deflate", "*",
                          "gzip;q=0.5", "deflate, gzip;q=1.0", "gzip; q=0.001"}) {
    EXPECT_TRUE(TakesGzip(yes)) << yes;
  }
  for (const char* no :
       {"", "identity", "br, zstd", "gzip;q=0", "gzip; q=0.0", "gzipped", "deflate"}) {
    EXPECT_FALSE(TakesGzip(no)) << no;
  }
}

TEST(GzipTest, PiecesMakeOneFile) {
  const std::string text = TaskIdAllocator(300'000);
  GzipWriter writer;
  std::string packed;
  for (std::size_t at = 0; at < text.size(); at += 1000)
    packed += writer.Pack(std::string_view(text).substr(at, 1000), at + 1000 >= text.size());
  EXPECT_EQ(Unpacked(packed, text.size()), text);
  EXPECT_LT(packed.size(), text.size() / 2);
}

class GzipServerTest : public ServerTest {
 protected:
  Response Ask(std::size_t bytes, const std::string& encoding, const char* method = "GET") {
    Route(Method::kGet, "/long", [bytes](std::shared_ptr<Exchange> exchange) {
      exchange->Send(Text(TaskIdAllocator(bytes)));
    });
    Route(Method::kHead, "/long", [bytes](std::shared_ptr<Exchange> exchange) {
      exchange->Send(Text(TaskIdAllocator(bytes)));
    });
    Start();
    RawClient client = Connect();
    client.Send(std::string(method) +
                " /long HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: " + encoding + "\r\n\r\n");
    const std::optional<Response> answer = client.ReadAnswer(std::string(method) == "HEAD");
    EXPECT_TRUE(answer.has_value()) << bytes;
    return answer.value_or(Response{});
  }
  static std::string Encoding(const Response& response) {
    for (const Header& header : response.headers) {
      if (header.name == "content-encoding") return header.value;
    }
    return "";
  }
};

TEST_F(GzipServerTest, AnAnswerIsPackedWhole) {
  const Response got = Ask(limits::kGzipMin, "gzip");
  EXPECT_EQ(Encoding(got), "gzip");
  EXPECT_EQ(Unpacked(got.body, limits::kGzipMin), TaskIdAllocator(limits::kGzipMin));
}

TEST_F(GzipServerTest, ALongAnswerIsPackedInSlices) {
  constexpr std::size_t kBytes = 10 * limits::kGzipSlice + 7;
  const Response got = Ask(kBytes, "gzip, deflate");
  EXPECT_EQ(Encoding(got), "gzip");
  EXPECT_EQ(Unpacked(got.body, kBytes), TaskIdAllocator(kBytes));
}

TEST_F(GzipServerTest, AShortAnswerIsLeftAlone) {
  const Response got = Ask(limits::kGzipMin - 1, "gzip");
  EXPECT_EQ(Encoding(got), "");
  EXPECT_EQ(got.body, TaskIdAllocator(limits::kGzipMin - 1));
}

TEST_F(GzipServerTest, NobodyGetsWhatHeDidNotAskFor) {
  const Response got = Ask(limits::kGzipSlice + 1, "identity");
  EXPECT_EQ(Encoding(got), "");
  EXPECT_EQ(got.body, TaskIdAllocator(limits::kGzipSlice + 1));
}

TEST_F(GzipServerTest, AHeadHasNothingToPack) {
  EXPECT_EQ(Encoding(Ask(limits::kGzipSlice, "gzip", "HEAD")), "");
}

TEST_F(GzipServerTest, ReadersOfLongAnswersThatGoAwayAreLetGo) {
  // Held by the handler too: a slow machine may run it after the test has given up.
  auto watched = std::make_shared<std::weak_ptr<Exchange>>();
  auto taken = std::make_shared<Counter>();
  Route(Method::kGet, "/endless",
        [watched, taken, body = Noise(8'000'000)](std::shared_ptr<Exchange> exchange) {
          *watched = exchange;
          exchange->Send(Text(body));
          taken->Add();
        });
  Start();
  RawClient client = Connect();
  client.ShrinkReceiveBuffer();
  client.Send("GET /endless HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
  ASSERT_TRUE(taken->Reaches(1)) << "the request did not arrive";
  client.Close();
  // Each turn of the server writes or notices; nobody waits for a clock.
  bool expired = false;
  for (int i = 0; i < 1000 && !expired; ++i) {
    RawClient other = Connect();
    other.Send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    other.ReadAnswer();
    OnServer([&] { expired = watched->expired(); });
  }
  EXPECT_TRUE(expired) << "the exchange is still held";
}

}  // namespace
}  // namespace quell::http
