// Goal: no address that the world can reach passes for loopback; addresses are read and printed in
// one way.
// Method: examples at the edges.
#include "host/loopback.h"

#include <gtest/gtest.h>

#include "tests/support/result_matchers.h"

namespace quell {
namespace {

TEST(IsLoopbackTest, KnowsThisHost) {
  for (const char* host : {"127.0.0.1", "127.0.0.0", "127.255.255.255", "127.9.8.7", "::1",
                           "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "localhost"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
}

TEST(IsLoopbackTest, TakesNothingElseForIt) {
  for (const char* host :
       {"0.0.0.0", "126.255.255.255", "128.0.0.0", "10.0.0.1", "::", "::2", "fe80::1",
        "::ffff:10.0.0.1", "::127.0.0.1", "", "localhost.example", "LOCALHOST", "127.1",
        "2130706433", "0177.0.0.1", "127.0.0.1 ", "[::1]", "127.0.0.1.evil.example"}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

TEST(HostPortTest, ReadsBothFamilies) {
  EXPECT_THAT(ParseHostPort("127.0.0.1:9400"), IsOkAnd(HostPort{"127.0.0.1", 9400}));
  EXPECT_THAT(ParseHostPort("[::1]:80"), IsOkAnd(HostPort{"::1", 80}));
  EXPECT_THAT(ParseHostPort("0.0.0.0:0"), IsOkAnd(HostPort{"0.0.0.0", 0}));
  EXPECT_THAT(ParseHostPort("127.0.0.1:65535"), IsOkAnd(HostPort{"127.0.0.1", 65535}));
}

TEST(HostPortTest, TakesLocalhostForTheOlderFamily) {
  EXPECT_THAT(ParseHostPort("localhost:80"), IsOkAnd(HostPort{"127.0.0.1", 80}));
}

TEST(HostPortTest, PrintsWhatItReads) {
  for (const std::string text : {"127.0.0.1:9400", "[::1]:80", "[fe80::1]:0"}) {
    const auto address = ParseHostPort(text);
    ASSERT_THAT(address, IsOk());
    EXPECT_EQ(address->ToString(), text);
  }
}

TEST(HostPortTest, NamesTextAndFormWhenItRefuses) {
  for (const std::string text : {"",
                                 ":",
                                 "9400",
                                 "127.0.0.1",
                                 "127.0.0.1:",
                                 ":9400",
                                 "127.0.0.1:-1",
                                 "127.0.0.1:+1",
                                 "127.0.0.1:65536",
                                 "127.0.0.1:80x",
                                 "127.0.0.1: 80",
                                 "example.org:80",
                                 "::1:80",
                                 "[::1]",
                                 "[::1]80",
                                 "[127.0.0.1]:80",
                                 "[::1:80",
                                 "127.0.0.1:80:90",
                                 "http://127.0.0.1:80",
                                 "[]:80"}) {
    const auto address = ParseHostPort(text);
    EXPECT_THAT(address, FailsWith(ErrorCode::kInvalidArgument, "malformed address " + text));
    EXPECT_THAT(address, FailsWith(ErrorCode::kInvalidArgument, "HOST:PORT"));
  }
}

}  // namespace
}  // namespace quell
