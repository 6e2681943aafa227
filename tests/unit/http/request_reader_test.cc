// Goal: request validation takes exactly the requests that can be read in one way only, and says of
// each other one what is wrong. Every case of the attacks that Beast 1.81 lets through is here.
// Method: raw heads against the expected status; each is also fed in pieces. Random mutations check
// that nothing crashes, that how the bytes are cut does not matter, and that Beast's parser, which
// shares no code with it, reads what it takes in the same way.
#include "transport/http/request_reader.h"

#include <ostream>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quell::http {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Outcome {
  int status = 0;  // 0: taken; -1: not all there.
  std::size_t length = 0;
  Head head;
  Refusal refusal;
};

// Feeds `bytes` so that the scanner sees first `step` bytes, then twice that, ...
Outcome Read(std::string_view bytes, const RequestRules& rules = {}, std::size_t step = SIZE_MAX) {
  HeadScanner scanner(rules);
  Outcome outcome;
  for (std::size_t seen = 0; seen < bytes.size();) {
    seen += std::min(step, bytes.size() - seen);
    const Checked<std::size_t> length = scanner.Scan(bytes.substr(0, seen));
    if (!length) {
      outcome.refusal = length.error();
      outcome.status = outcome.refusal.status;
      return outcome;
    }
    outcome.length = *length;
    if (*length > 0) break;
  }
  if (outcome.length == 0) {
    outcome.status = -1;
    return outcome;
  }
  Checked<Head> head = ReadHead(bytes.substr(0, outcome.length), rules);
  if (head) {
    outcome.head = std::move(*head);
  } else {
    outcome.refusal = head.error();
    outcome.status = outcome.refusal.status;
  }
  return outcome;
}

// A head with these lines after a request line and, unless `host` is empty, a Host.
std::string With(std::string_view fields, std::string_view line = "POST /x HTTP/1.1",
                 std::string_view host = "Host: localhost\r\n") {
  return std::string(line) + "\r\n" + std::string(host) + std::string(fields) + "\r\n";
}

std::string RawGet(std::string_view target) {
  return With("", "GET " + std::string(target) + " HTTP/1.1");
}

TEST(GateTest, ReadsAPlainRequest) {
  const Outcome outcome =
      Read(With("X-Opaque-Id: \t a b \t\r\nContent-Length: 5\r\n", "POST /a/b?c=d HTTP/1.1"));
  ASSERT_EQ(outcome.status, 0) << outcome.refusal.reason;
  const Request& request = outcome.head.request;
  EXPECT_EQ(request.method, Method::kPost);
  EXPECT_EQ(request.target, "/a/b?c=d");
  EXPECT_EQ(request.path, "/a/b");
  EXPECT_EQ(request.HeaderValue("x-opaque-id"), "a b");
  EXPECT_EQ(outcome.head.content_length, 5U);
  EXPECT_FALSE(outcome.head.close);
  EXPECT_FALSE(outcome.head.expects_continue);
}

struct Case {
  std::string bytes;
  int status;
  std::string reason;  // Part of it.
};

// As a failed test shows it.
std::ostream& operator<<(std::ostream& out, const Case& attack) {
  return out << testing::PrintToString(attack.bytes);
}

class GateRefusalTest : public testing::TestWithParam<Case> {};

TEST_P(GateRefusalTest, RefusesItHoweverItArrives) {
  const Case& attack = GetParam();
  for (const std::size_t step : {SIZE_MAX, std::size_t{1}, std::size_t{7}}) {
    const Outcome outcome = Read(attack.bytes, {}, step);
    EXPECT_EQ(outcome.status, attack.status) << attack.bytes << outcome.refusal.reason;
    EXPECT_THAT(outcome.refusal.reason, HasSubstr(attack.reason)) << attack.bytes;
  }
}

const std::string kNul(1, '\0');

INSTANTIATE_TEST_SUITE_P(
    Framing, GateRefusalTest,
    testing::Values(Case{With("Transfer-Encoding: chunked\r\n"), 411, "Content-Length"},
                    Case{With("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n"), 411, ""},
                    Case{With("Transfer-Encoding: gzip\r\n"), 411, ""},
                    Case{With("Transfer-Encoding: chunked, identity\r\n"), 411, ""},
                    Case{With("Transfer-Encoding: chunked, chunked\r\n"), 411, ""},
                    Case{With("Transfer-Encoding: identity\r\n"), 411, ""},
                    Case{With("Transfer-Encoding:\r\n"), 411, ""},
                    Case{With("transfer-ENCODING: \x0b"
                              "chunked\r\n"),
                         400, "control character"},
                    Case{With("tRANSFER-eNCODING: chunked\r\n"), 411, ""},
                    Case{With("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 411, ""},
                    Case{With("Transfer-Encoding: chunked\r\n", "POST /x HTTP/1.0"), 411, ""},
                    Case{With("Transfer-Encoding : chunked\r\n"), 400,
                         "directly followed by a colon"},
                    Case{With("Content-Length: 5\r\nContent-Length: 5\r\n"), 400, "more than one"},
                    Case{With("Content-Length: 5\r\ncontent-length: 6\r\n"), 400, "more than one"},
                    Case{With("Content-Length: 5, 5\r\n"), 400, "no number"},
                    Case{With("Content-Length: +5\r\n"), 400, "no number"},
                    Case{With("Content-Length: -1\r\n"), 400, "no number"},
                    Case{With("Content-Length: 0x5\r\n"), 400, "no number"},
                    Case{With("Content-Length: 5 5\r\n"), 400, "no number"},
                    Case{With("Content-Length: 5a\r\n"), 400, "no number"},
                    Case{With("Content-Length: 5.0\r\n"), 400, "no number"},
                    Case{With("Content-Length:\r\n"), 400, "no number"},
                    Case{With("Content-Length: \xd9\xa5\r\n"), 400, "no number"},
                    Case{With("Content-Length: 65537\r\n"), 413, "65536"},
                    Case{With("Content-Length: 18446744073709551621\r\n"), 413, ""},  // 2^64 + 5.
                    Case{With("Content-Length: 99999999999999999999999999\r\n"), 413, ""}));

INSTANTIATE_TEST_SUITE_P(
    Lines, GateRefusalTest,
    testing::Values(
        Case{"GET / HTTP/1.1\nHost: x\n\n", 400, "CR LF"},
        Case{"GET / HTTP/1.1\r\nHost: x\n\r\n", 400, "CR LF"},
        Case{"GET / HTTP/1.1\r\nHost: x\r\n\n", 400, "CR LF"},
        Case{"GET / HTTP/1.1\rHost: x\r\r", 400, "CR LF"},
        Case{With("A: b\rContent-Length: 5\r\n"), 400, "CR LF"},
        Case{With("A: b\r\r\n"), 400, "CR LF"}, Case{With("A: b\r\n c\r\n"), 400, "folded"},
        Case{With("A: b\r\n\tc\r\n"), 400, "folded"},
        Case{With("", "GET / HTTP/1.1", " Host: localhost\r\n"), 400, "folded"},
        Case{With("A: b" + kNul + "c\r\n"), 400, "control character"},
        Case{With("A: b\x01\r\n"), 400, "control character"},
        Case{With("A: b\x7f\r\n"), 400, "control character"},
        Case{With("A" + kNul + ": b\r\n"), 400, "control character"},
        Case{With("no colon\r\n"), 400, "malformed"}, Case{With(": no name\r\n"), 400, "malformed"},
        Case{With("A B: c\r\n"), 400, "malformed"}, Case{With("A\t: c\r\n"), 400, "malformed"},
        Case{With("\xc3\xa9: c\r\n"), 400, "malformed"},
        Case{With("A(b): c\r\n"), 400, "malformed"},
        Case{"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "empty line"},
        Case{"\x16\x03\x01\x02" + kNul + "\x01\x01\xfc", 400, "no TLS"}));

INSTANTIATE_TEST_SUITE_P(
    RequestLines, GateRefusalTest,
    testing::Values(Case{With("", "GET /"), 400, "no HTTP version"},
                    Case{With("", "GET"), 400, "no HTTP request"},
                    Case{With("", " GET / HTTP/1.1"), 400, "no HTTP request"},
                    Case{With("", "G<T / HTTP/1.1"), 400, "no HTTP request"},
                    Case{With("", "GET  / HTTP/1.1"), 400, ""},
                    Case{With("", "GET /a b HTTP/1.1"), 400, "does not end with HTTP/1.1"},
                    Case{With("", "GET / HTTP/1.1 "), 400, "does not end with HTTP/1.1"},
                    Case{With("", "GET\t/\tHTTP/1.1"), 400, ""},
                    Case{With("", "GET / http/1.1"), 400, "does not end with HTTP/1.1"},
                    Case{With("", "GET / HTTP/1.10"), 400, "does not end with HTTP/1.1"},
                    Case{With("", "GET / HTTP/1."), 400, "does not end with HTTP/1.1"},
                    Case{With("", "GET / HTTP/1.2"), 505, "HTTP/1.1"},
                    Case{With("", "GET / HTTP/1.9"), 505, "HTTP/1.1"},
                    Case{With("", "GET / HTTP/0.9"), 505, "HTTP/1.1"},
                    Case{With("", "GET / HTTP/2.0"), 505, "HTTP/1.1"},
                    Case{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.1"},
                    Case{With("", "get / HTTP/1.1"), 405, "[get]"},
                    Case{With("", "FOO / HTTP/1.1"), 405, "[FOO]"},
                    Case{With("", "CONNECT localhost:80 HTTP/1.1"), 400, "no path"},
                    Case{RawGet("http://localhost/x"), 400, "no path"},
                    Case{RawGet("http://other/x"), 400, "no path"},
                    Case{RawGet("localhost:80"), 400, "no path"},
                    Case{With("", "OPTIONS * HTTP/1.1"), 400, "no path"},
                    Case{RawGet("x"), 400, "no path"},
                    Case{RawGet("/\xc3\xa9"), 400, "percent-encode"},
                    Case{RawGet("/\x80"), 400, "percent-encode"}, Case{RawGet("/a#b"), 400, "%23"},
                    Case{RawGet("/a%00b"), 400, "NUL"}, Case{RawGet("/a?b=%00"), 400, "NUL"},
                    Case{RawGet("/a%"), 400, "[%]"}, Case{RawGet("/a%4"), 400, "[%4]"},
                    Case{RawGet("/a%zz"), 400, "[%zz]"}, Case{RawGet("/a%%34"), 400, "[%%3]"},
                    Case{RawGet("/?a=%g1"), 400, "[%g1]"}));

INSTANTIATE_TEST_SUITE_P(
    Hosts, GateRefusalTest,
    testing::Values(Case{With("", "GET / HTTP/1.1", ""), 400, "no Host"},
                    Case{With("Host: localhost\r\n"), 400, "more than one Host"},
                    Case{With("Host: other\r\n"), 400, "more than one Host"},
                    Case{With("Host: other\r\n", "GET / HTTP/1.0"), 400, "more than one Host"},
                    Case{With("", "GET / HTTP/1.1", "Host: a b\r\n"), 400, "malformed"},
                    Case{With("", "GET / HTTP/1.1", "Host: a/b\r\n"), 400, "malformed"},
                    Case{With("", "GET / HTTP/1.1", "Host: a@b\r\n"), 400, "malformed"},
                    Case{With("", "GET / HTTP/1.1", "Host: a,b\r\n"), 400, "malformed"},
                    Case{With("", "GET / HTTP/1.1", "Host: a:b\r\n"), 400, "malformed"},
                    Case{With("", "GET / HTTP/1.1", "Host: a:1:2\r\n"), 400, "malformed"},
                    Case{With("", "GET / HTTP/1.1", "Host: [::1\r\n"), 400, "malformed"},
                    Case{With("", "GET / HTTP/1.1", "Host: [::1]x\r\n"), 400, "malformed"},
                    Case{With("", "GET / HTTP/1.1", "Host: \xc3\xa9\r\n"), 400, "malformed"},
                    Case{With("", "GET / HTTP/1.1", "Host: evil.example\r\n"), 421, "localhost"},
                    Case{With("", "GET / HTTP/1.1", "Host: 127.0.0.1.evil.example\r\n"), 421, ""},
                    Case{With("", "GET / HTTP/1.1", "Host: notlocalhost\r\n"), 421, ""},
                    Case{With("", "GET / HTTP/1.1", "Host: .localhost\r\n"), 421, ""},
                    Case{With("", "GET / HTTP/1.1", "Host: [127.0.0.1]\r\n"), 421, ""},
                    Case{With("", "GET / HTTP/1.1", "Host:\r\n"), 421, ""},
                    Case{With("", "GET / HTTP/1.0", "Host: evil.example\r\n"), 421, ""}));

INSTANTIATE_TEST_SUITE_P(
    Others, GateRefusalTest,
    testing::Values(Case{With("Connection: \"close\"\r\n"), 400, "Connection"},
                    Case{With("Connection: keep-alive close\r\n"), 400, "Connection"},
                    Case{With("Expect: 200-ok\r\n"), 417, "[200-ok]"},
                    Case{With("Expect: 100-continue, x\r\n"), 417, ""},
                    Case{With("Expect: 100-continue\r\nExpect: x\r\n"), 417, ""},
                    Case{With("Origin: http://evil.example\r\n"), 403, "evil.example"},
                    Case{With("Origin: null\r\n"), 403, "[null]"},
                    Case{With("Origin: http://localhost.evil.example\r\n"), 403, ""},
                    Case{With("Origin: http://localhost:1\r\n"), 403, ""},
                    Case{With("Origin: http://localhost\r\nOrigin: http://e\r\n"), 403, ""},
                    Case{With("", "DELETE / HTTP/1.1", "Host: localhost\r\nOrigin: http://e\r\n"),
                         403, ""}));

TEST(GateTest, TakesTheHostsOfThisMachine) {
  for (const char* host : {"localhost", "LocalHost:9480", "127.0.0.1", "127.0.0.1:9480", "[::1]",
                           "[::1]:9480", "10.1.2.3:1", "n1.localhost:80", "localhost:"}) {
    EXPECT_EQ(Read(With("", "GET / HTTP/1.1", "Host: " + std::string(host) + "\r\n")).status, 0)
        << host;
  }
}

TEST(GateTest, TakesConfiguredHostsAndAnyOnAUnixSocket) {
  const std::string bytes = With("", "GET / HTTP/1.1", "Host: Quell.example:80\r\n");
  EXPECT_EQ(Read(bytes).status, 421);
  RequestRules named;
  named.host_names = {"quell.example"};
  EXPECT_EQ(Read(bytes, named).status, 0);
  RequestRules on_unix;
  on_unix.browsers_may_reach = false;
  EXPECT_EQ(Read(bytes, on_unix).status, 0);
  EXPECT_EQ(Read(With("", "GET / HTTP/1.1", "Host:\r\n"), on_unix).status, 0);
  EXPECT_EQ(Read(With("Origin: http://evil.example\r\n"), on_unix).status, 0);
  EXPECT_EQ(Read(With("", "GET / HTTP/1.1", ""), on_unix).status, 400);
}

TEST(GateTest, LetsAPageOfThisServerChangeThingsAndAnyPageReadNothingNew) {
  const std::string host = "Host: localhost:9480\r\n";
  EXPECT_EQ(Read(With("Origin: http://localhost:9480\r\n", "POST / HTTP/1.1", host)).status, 0);
  EXPECT_EQ(Read(With("Origin: http://evil.example\r\n", "GET / HTTP/1.1", host)).status, 0);
}

TEST(GateTest, TakesHttp10AndClosesAfterIt) {
  const Outcome outcome = Read(With("Connection: keep-alive\r\n", "GET / HTTP/1.0", ""));
  ASSERT_EQ(outcome.status, 0) << outcome.refusal.reason;
  EXPECT_TRUE(outcome.head.http_1_0);
  EXPECT_TRUE(outcome.head.close);
  // Version 1.0 knows no expectations.
  EXPECT_FALSE(Read(With("Expect: 100-continue\r\n", "POST / HTTP/1.0")).head.expects_continue);
}

TEST(GateTest, FindsCloseAmongTheConnectionOptionsAndIgnoresTheOthers) {
  const auto closes = [](std::string_view fields) { return Read(With(fields)).head.close; };
  EXPECT_TRUE(closes("Connection: close\r\n"));
  EXPECT_TRUE(closes("Connection: keep-alive , CLOSE\r\n"));
  EXPECT_TRUE(closes("Connection: x\r\nconnection: close\r\n"));
  EXPECT_FALSE(closes("Connection: closed\r\n"));
  EXPECT_FALSE(closes("Connection: upgrade\r\nUpgrade: h2c\r\n"));
  // An option that names the framing does not take it away.
  EXPECT_EQ(Read(With("Connection: content-length\r\nContent-Length: 3\r\n")).head.content_length,
            3U);
}

TEST(GateTest, KnowsWhoWaitsForContinue) {
  EXPECT_TRUE(Read(With("Expect: 100-Continue\r\n")).head.expects_continue);
}

TEST(GateTest, TakesBytesAboveAsciiInValues) {
  EXPECT_EQ(Read(With("X: \xc3\xa9\xff\r\n")).head.request.HeaderValue("X"), "\xc3\xa9\xff");
}

TEST(GateTest, DecodesSegmentsAfterItHasSplitThem) {
  const auto segments = [](std::string_view target) {
    return Read(RawGet(target)).head.request.segments;
  };
  EXPECT_THAT(segments("/_tasks/n%3A5/_cancel"), ElementsAre("_tasks", "n:5", "_cancel"));
  EXPECT_THAT(segments("/_tasks/n%2F7"), ElementsAre("_tasks", "n/7"));
  EXPECT_THAT(segments("/_tasks/n%2f7%3f%26"), ElementsAre("_tasks", "n/7?&"));
  EXPECT_THAT(segments("/a+b"), ElementsAre("a+b"));
  EXPECT_THAT(segments("/%252F"), ElementsAre("%2F"));
  EXPECT_THAT(segments("/"), IsEmpty());
  EXPECT_THAT(segments("/_tasks//"), ElementsAre("_tasks"));
  EXPECT_THAT(segments("//_tasks"), ElementsAre("", "_tasks"));
  EXPECT_THAT(segments("/a//b"), ElementsAre("a", "", "b"));
  EXPECT_THAT(segments("/../a/."), ElementsAre("..", "a", "."));
  EXPECT_THAT(segments("/?/a/b"), IsEmpty());
}

TEST(GateTest, SplitsTheQueryAsOpenSearchDoes) {
  const auto query = [](std::string_view target) {
    std::string text;
    for (const QueryParam& param : Read(RawGet(target)).head.request.query) {
      text += "<" + param.name + (param.has_value ? "=" + param.value : "") + ">";
    }
    return text;
  };
  EXPECT_EQ(query("/?a=1&b=2;c=3"), "<a=1><b=2><c=3>");
  EXPECT_EQ(query("/?a&b="), "<a><b=>");
  EXPECT_EQ(query("/?&&;a&"), "<a>");
  EXPECT_EQ(query("/?=1&==2&="), "<1><2>");
  EXPECT_EQ(query("/?a=b=c"), "<a=b=c>");
  EXPECT_EQ(query("/?a+b=c+d%2B%26%3b"), "<a b=c d+&;>");
  EXPECT_EQ(query("/?a=?"), "<a=?>");
  EXPECT_EQ(query("/?"), "");
  EXPECT_EQ(query("/"), "");
}

TEST(GateTest, NamesTheMethodsItTakes) {
  EXPECT_EQ(Read(With("", "FOO / HTTP/1.1")).refusal.allow,
            "GET,HEAD,POST,PUT,DELETE,OPTIONS,PATCH");
}

// Limits: what is exactly at one passes, one more does not, and is refused before it ends.

TEST(GateLimitsTest, OfTheRequestLine) {
  const auto line = [](std::size_t size) {
    return "GET /" + std::string(size - 14, 'a') + " HTTP/1.1";
  };
  RequestRules rules;
  rules.request_line_max = 100;
  EXPECT_EQ(Read(With("", line(100)), rules).status, 0);
  EXPECT_EQ(Read(With("", line(101)), rules).status, 414);
  EXPECT_EQ(Read(std::string(101, 'a'), rules).status, 414);
}

TEST(GateLimitsTest, OfAllHeaders) {
  RequestRules rules;
  rules.header_bytes_max = 100;
  const std::string host = "Host: localhost\r\n";
  const auto fields = [&host](std::size_t size) {
    return "A: " + std::string(size - host.size() - 5, 'a') + "\r\n";
  };
  EXPECT_EQ(Read(With(fields(100)), rules).status, 0);
  EXPECT_EQ(Read(With(fields(101)), rules).status, 431);
  EXPECT_EQ(Read("GET / HTTP/1.1\r\n" + std::string(101, 'a'), rules).status, 431);
}

TEST(GateLimitsTest, OfHeaderFields) {
  RequestRules rules;
  rules.header_fields_max = 3;
  EXPECT_EQ(Read(With("A:\r\nB:\r\n"), rules).status, 0);
  EXPECT_EQ(Read(With("A:\r\nB:\r\nC:\r\n"), rules).status, 431);
}

TEST(GateLimitsTest, OfOneField) {
  RequestRules rules;
  rules.field_name_max = 8;
  rules.field_value_max = 16;
  EXPECT_EQ(Read(With("Abcdefgh: 0123456789abcdef\r\n"), rules).status, 0);
  EXPECT_EQ(Read(With("Abcdefghi: 0\r\n"), rules).status, 431);
  EXPECT_EQ(Read(With("A: 0123456789abcdefg\r\n"), rules).status, 431);
}

TEST(GateLimitsTest, OfQueryParameters) {
  RequestRules rules;
  rules.query_params_max = 3;
  EXPECT_EQ(Read(RawGet("/?a&b&c"), rules).status, 0);
  EXPECT_EQ(Read(RawGet("/?a&b&c&d"), rules).status, 400);
}

TEST(GateLimitsTest, OfTheBody) {
  RequestRules rules;
  rules.body_max = 10;
  EXPECT_EQ(Read(With("Content-Length: 10\r\n"), rules).head.content_length, 10U);
  EXPECT_EQ(Read(With("Content-Length: 11\r\n"), rules).status, 413);
}

TEST(GateLimitsTest, HeadMaxHoldsTheLongestHead) {
  RequestRules rules;
  rules.request_line_max = 30;
  rules.header_bytes_max = 40;
  const std::string head = "GET /" + std::string(16, 'a') +
                           " HTTP/1.1\r\nHost: localhost\r\nA: " + std::string(18, 'a') +
                           "\r\n\r\n";
  ASSERT_EQ(Read(head, rules).status, 0);
  EXPECT_EQ(head.size(), rules.head_max());
}

// Random changes of sound and hostile heads.
class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  std::string Next() {
    std::string bytes = Seeds()[random_() % Seeds().size()];
    for (std::size_t left = 1 + random_() % 6; left > 0; --left) {
      const std::size_t at = random_() % (bytes.size() + 1);
      switch (random_() % 5) {
        case 0:
          bytes.insert(at, Pieces()[random_() % Pieces().size()]);
          break;
        case 1:
          bytes.erase(at, random_() % 4);
          break;
        case 2:
          if (at < bytes.size()) bytes[at] = static_cast<char>(random_());
          break;
        case 3:
          bytes.insert(at, bytes.substr(random_() % (bytes.size() + 1), random_() % 40));
          break;
        default:
          if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ 0x20);
      }
    }
    return bytes;
  }

  std::size_t Step() { return 1 + random_() % 50; }

 private:
  static const std::vector<std::string>& Seeds() {
    static const std::vector<std::string> seeds = {
        RawGet("/_tasks/n%3A5?nodes=a,b&actions=*;x=+y"),
        With("Content-Length: 5\r\nExpect: 100-continue\r\n"),
        With("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        With("X-Opaque-Id: a\r\nConnection: keep-alive, close\r\nOrigin: http://localhost\r\n"),
        With("Content-Length: 0\r\n", "POST / HTTP/1.0", ""),
    };
    return seeds;
  }
  static const std::vector<std::string>& Pieces() {
    static const std::vector<std::string> pieces = {"\r\n",
                                                    "\r",
                                                    "\n",
                                                    "\r\n\r\n",
                                                    " ",
                                                    "\t",
                                                    ":",
                                                    ",",
                                                    "%",
                                                    "%00",
                                                    "%2F",
                                                    "HTTP/1.1",
                                                    "http",
                                                    "5",
                                                    "-",
                                                    std::string(1, '\0'),
                                                    "\xff",
                                                    "/",
                                                    "?a=b",
                                                    "#",
                                                    "[",
                                                    "]:1",
                                                    "chunked",
                                                    "Content-Length: 7\r\n",
                                                    "\r\n ",
                                                    "Host: a\r\n",
                                                    "Transfer-Encoding: gzip\r\n"};
    return pieces;
  }

  std::mt19937 random_;
};

TEST(GateFuzzTest, GivesTheSameAnswerHoweverTheBytesAreCut) {
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    Mutator mutator(seed);
    const std::string bytes = mutator.Next();
    const Outcome whole = Read(bytes);
    const Outcome pieces = Read(bytes, {}, mutator.Step());
    ASSERT_EQ(whole.status, pieces.status) << "seed " << seed;
    ASSERT_EQ(whole.length, pieces.length) << "seed " << seed;
    ASSERT_EQ(whole.refusal.reason, pieces.refusal.reason) << "seed " << seed;
  }
}

TEST(GateFuzzTest, ReadsWhatItTakesAsAnotherParserDoes) {
  namespace beast = boost::beast::http;
  int taken = 0;
  for (unsigned seed = 0; seed < 40'000; ++seed) {
    const std::string bytes = Mutator(seed).Next();
    const Outcome outcome = Read(bytes);
    if (outcome.status != 0) continue;
    ++taken;
    beast::request_parser<beast::string_body> parser;
    parser.eager(true);
    boost::system::error_code error;
    const std::string request =
        bytes.substr(0, outcome.length) + std::string(outcome.head.content_length, 'b');
    const std::size_t used = parser.put(boost::asio::buffer(request), error);
    ASSERT_FALSE(error) << "seed " << seed << ": " << error.message() << "\n" << bytes;
    ASSERT_TRUE(parser.is_done()) << "seed " << seed << "\n" << bytes;
    ASSERT_EQ(used, request.size()) << "seed " << seed << "\n" << bytes;
    const auto& message = parser.get();
    ASSERT_EQ(std::string_view(message.target()), outcome.head.request.target) << "seed " << seed;
    ASSERT_EQ(std::string_view(message.method_string()), ToString(outcome.head.request.method));
    ASSERT_EQ(message.body().size(), outcome.head.content_length) << "seed " << seed;
    // Beast puts fields of one name together, so the order is not compared.
    std::multiset<std::pair<std::string, std::string>> theirs;
    for (const auto& field : message) {
      theirs.emplace(std::string(field.name_string()), std::string(field.value()));
    }
    std::multiset<std::pair<std::string, std::string>> ours;
    for (const Header& field : outcome.head.request.headers)
      ours.emplace(field.name, field.value);
    ASSERT_EQ(ours, theirs) << "seed " << seed;
  }
  EXPECT_GT(taken, 2'000);  // Else the comparison says little.
}

}  // namespace
}  // namespace quell::http
