// Goal: an answer is read as HTTP/1.1 frames it, in whatever pieces it comes; what is no answer, or
// half of one, is never taken for a whole.
// Method: raw answers, whole and byte by byte.
#include "transport/http/response_reader.h"

#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quell::http {
namespace {

using testing::ElementsAre;

struct ResponseOutcome {
  Status status;
  bool complete = false;
  Response response;
  std::size_t used = 0;
};

ResponseOutcome ReadResponse(std::string_view bytes, bool ends = false, bool to_head = false,
                             std::size_t step = SIZE_MAX) {
  ResponseReader reader(to_head, 100);
  ResponseOutcome outcome;
  while (!bytes.empty() && outcome.status) {
    const std::string_view piece = bytes.substr(0, step);
    const Result<std::size_t> used = reader.Feed(piece);
    if (!used) {
      outcome.status = used.error();
    } else {
      outcome.used += *used;
    }
    bytes.remove_prefix(piece.size());
  }
  if (ends && outcome.status) outcome.status = reader.End();
  outcome.complete = reader.complete();
  outcome.response = reader.response();
  return outcome;
}

void ExpectBody(std::string_view bytes, std::string_view body, bool ends = false) {
  for (const std::size_t step : {SIZE_MAX, std::size_t{1}}) {
    const ResponseOutcome outcome = ReadResponse(bytes, ends, false, step);
    EXPECT_TRUE(outcome.status) << bytes;
    EXPECT_TRUE(outcome.complete) << bytes;
    EXPECT_EQ(outcome.response.body, body) << bytes;
  }
}

const std::string kOk = "HTTP/1.1 200 OK\r\n";

TEST(ResponseReaderTest, ReadsStatusAndHeaders) {
  const ResponseOutcome outcome = ReadResponse(
      "HTTP/1.1 404 Not Found\r\nContent-Type:  text/plain \r\nX-A: b\r\nConnection: close\r\n"
      "Content-Length: 2\r\n\r\nnoHTTP");
  EXPECT_TRUE(outcome.complete);
  EXPECT_EQ(outcome.response.status, 404);
  EXPECT_EQ(outcome.response.content_type, "text/plain");
  EXPECT_THAT(outcome.response.headers, ElementsAre(Header{"X-A", "b"}));
  EXPECT_EQ(outcome.response.body, "no");
  EXPECT_EQ(outcome.used, 104U - 2U);
}

TEST(ResponseReaderTest, ReadsEachKindOfBody) {
  ExpectBody(kOk + "Content-Length: 5\r\n\r\nhello", "hello");
  ExpectBody(kOk + "content-length: 0\r\n\r\n", "");
  ExpectBody(
      kOk + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
      "hello0123456789");
  ExpectBody(kOk + "Transfer-Encoding: Chunked\r\n\r\n0\r\nTrailer: x\r\nY: z\r\n\r\n", "");
  ExpectBody(kOk + "\r\nuntil the end", "until the end", true);
  ExpectBody("HTTP/1.0 200\r\n\r\nx", "x", true);
}

TEST(ResponseReaderTest, SkipsInterimAnswers) {
  ExpectBody("HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 103 Early\r\n\r\n" + kOk +
                 "Content-Length: 1\r\n\r\nx",
             "x");
}

TEST(ResponseReaderTest, KnowsAnswersWithoutABody) {
  EXPECT_TRUE(ReadResponse("HTTP/1.1 204 No Content\r\n\r\n").complete);
  EXPECT_TRUE(ReadResponse("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n").complete);
  EXPECT_TRUE(ReadResponse(kOk + "Content-Length: 9\r\n\r\n", false, true).complete);
}

TEST(ResponseReaderTest, NeverTakesAPartForTheWhole) {
  for (const std::string& part :
       {std::string(), std::string("HTTP/1.1 2"), kOk, kOk + "Content-Length: 5\r\n\r\nhell",
        kOk + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        kOk + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"}) {
    const ResponseOutcome outcome = ReadResponse(part, true);
    EXPECT_FALSE(outcome.complete) << part;
    ASSERT_FALSE(outcome.status) << part;
    EXPECT_EQ(outcome.status.error().code, ErrorCode::kOutcomeUnknown) << part;
  }
}

TEST(ResponseReaderTest, TellsWhatIsNotHttp) {
  const std::string chunked = kOk + "Transfer-Encoding: chunked\r\n\r\n";
  for (const std::string& bytes :
       {std::string("SSH-2.0-x\r\n"), std::string("HTTP/2 200\r\n"),
        std::string("HTTP/1.1 2x0 \r\n"), std::string("HTTP/1.1 20\r\n"),
        std::string("HTTP/1.1 099 \r\n"), kOk + "no colon\r\n", kOk + "Content-Length: x\r\n",
        kOk + "Content-Length: 1\r\nContent-Length: 2\r\n", kOk + "Transfer-Encoding: gzip\r\n",
        chunked + "x\r\n", chunked + "\r\n", chunked + "-1\r\n", chunked + "1\r\nxy\r\n",
        chunked + "ffffffffffffffff\r\n", kOk + std::string(70'000, 'a')}) {
    const ResponseOutcome outcome = ReadResponse(bytes);
    ASSERT_FALSE(outcome.status) << bytes.substr(0, 80);
    EXPECT_EQ(outcome.status.error().code, ErrorCode::kInternal) << bytes.substr(0, 80);
  }
}

TEST(ResponseReaderTest, BoundsTheBody) {
  const ResponseOutcome outcome =
      ReadResponse(kOk + "Content-Length: 101\r\n\r\n" + std::string(101, 'x'));
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.status.error().code, ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace quell::http
