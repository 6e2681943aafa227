// Goal: parameters are taken and refused in the words of a real server.
// Method: tables; the texts are those that an OpenSearch 3.8 was seen to say.
#include "coordinator/api/opensearch/request/params.h"

#include <gmock/gmock.h>

namespace quell::opensearch {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

http::Request WithQuery(std::vector<http::QueryParam> query) {
  http::Request request;
  request.path = "/_tasks";
  request.query = std::move(query);
  return request;
}

// The parameters of GET /_tasks.
std::optional<Problem> ReadList(const http::Request& request) {
  Params params(request);
  for (const char* of_every_answer : {"error_trace", "filter_path", "format", "human", "pretty"})
    params.Has(of_every_answer);
  params.Bool("detailed", false);
  params.List("nodes");
  params.List("actions");
  params.TaskId("parent_task_id");
  params.Bool("wait_for_completion", false);
  params.Duration("timeout");
  params.Text("group_by");
  return params.Finish();
}

TEST(ParamsTest, UnknownNamesAreToldWithTheNearestKnownOnes) {
  const std::pair<const char*, const char*> cases[] = {
      {"bogus", "[bogus]"},
      {"detaild", "[detaild] -> did you mean [detailed]?"},
      {"Detailed", "[Detailed] -> did you mean [detailed]?"},
      {"detail", "[detail] -> did you mean [detailed]?"},
      {"deta", "[deta]"},
      {"nod", "[nod] -> did you mean [nodes]?"},
      {"parents", "[parents] -> did you mean [pretty]?"},
      {"parent_id", "[parent_id] -> did you mean [parent_task_id]?"},
      {"tim", "[tim]"},
      {"time", "[time] -> did you mean [timeout]?"},
      {"wait_for_complete", "[wait_for_complete] -> did you mean [wait_for_completion]?"},
      {"formt", "[formt] -> did you mean [format]?"},
      {"size", "[size]"},
  };
  for (const auto& [name, text] : cases) {
    const std::optional<Problem> problem = ReadList(WithQuery({{name, "1", true}}));
    ASSERT_TRUE(problem) << name;
    EXPECT_EQ(problem->reason,
              std::string("request [/_tasks] contains unrecognized parameter: ") + text);
    EXPECT_EQ(problem->status, 400);
    EXPECT_EQ(problem->type, "illegal_argument_exception");
  }
}

TEST(ParamsTest, SeveralCandidatesAreListedNearestFirst) {
  EXPECT_EQ(SuggestFor("abcd", {"abcx", "abce", "abcde", "zzzz"}),
            "[abcd] -> did you mean any of [abcde, abce, abcx]?");
}

TEST(ParamsTest, SeveralUnknownNamesAreSorted) {
  EXPECT_EQ(ReadList(WithQuery({{"zeta", "1", true}, {"detaild", "1", true}}))->reason,
            "request [/_tasks] contains unrecognized parameters: [detaild] -> did you mean "
            "[detailed]?, [zeta]");
}

TEST(ParamsTest, ValuesAreJudgedBeforeNamesInTheOrderOfReading) {
  EXPECT_EQ(ReadList(WithQuery({{"bogus", "1", true}, {"detailed", "x", true}}))->reason,
            "Failed to parse value [x] as only [true] or [false] are allowed.");
  EXPECT_EQ(ReadList(WithQuery({{"timeout", "x", true}, {"detailed", "x", true}}))->reason,
            "Failed to parse value [x] as only [true] or [false] are allowed.");
  EXPECT_EQ(ReadList(WithQuery({{"bogus", "1", true}, {"parent_task_id", "x", true}}))->reason,
            "malformed task id x");
}

TEST(ParamsTest, BooleansAreTrueFalseOrBare) {
  struct Case {
    const char* value;
    bool has_value;
    std::optional<bool> taken;
  };
  const Case cases[] = {{"true", true, true}, {"false", true, false}, {"", true, true},
                        {"", false, true},    {"TRUE", true, {}},     {"1", true, {}},
                        {" true", true, {}},  {"yes", true, {}},      {"null", true, {}}};
  for (const Case& c : cases) {
    const http::Request request = WithQuery({{"detailed", c.value, c.has_value}});
    Params params(request);
    const bool value = params.Bool("detailed", false);
    const std::optional<Problem> problem = params.Finish();
    EXPECT_EQ(!problem, c.taken.has_value()) << c.value;
    if (c.taken) {
      EXPECT_EQ(value, *c.taken) << c.value;
    } else {
      EXPECT_EQ(problem->reason, "Failed to parse value [" + std::string(c.value) +
                                     "] as only [true] or [false] are allowed.");
    }
  }
}

TEST(ParamsTest, OfTwoTheLastCountsAsRecordedAndElseTheyAreRefused) {
  const http::Request request = WithQuery({{"detailed", "x", true}, {"detailed", "true", true}});
  const std::optional<Problem> problem = ReadList(request);
  ASSERT_TRUE(problem);
  EXPECT_THAT(problem->reason, testing::HasSubstr("[detailed] is given twice"));
}

TEST(ParamsTest, ListsAreSplitAtCommasAndNotTrimmed) {
  const http::Request request = WithQuery({{"nodes", ",a, b,,c*,", true}, {"actions", ",", true}});
  Params params(request);
  EXPECT_THAT(params.List("nodes"), ElementsAre("a", " b", "c*"));
  EXPECT_THAT(params.List("actions"), IsEmpty());
}

TEST(ParamsTest, DurationsAreTakenAsARealServerTakesThem) {
  const std::pair<const char*, std::chrono::nanoseconds> cases[] = {
      {"5s", 5s},
      {"5S", 5s},
      {"5MS", 5ms},
      {" 5s", 5s},
      {"5s ", 5s},
      {"5 s", 5s},
      {"007s", 7s},
      {"1m", 1min},
      {"1h", 1h},
      {"1d", 24h},
      {"0", 0ns},
      {"00", 0ns},
      {"-1", -1ns},
      {"1nanos", 1ns},
      {"1micros", 1us},
      {"+5s", 5s},
      {"99999999999999d", std::chrono::nanoseconds::max()},
  };
  for (const auto& [text, expected] : cases) {
    std::chrono::nanoseconds value{77};
    EXPECT_FALSE(ParseDuration("timeout", text, value)) << text;
    EXPECT_EQ(value, expected) << text;
  }
}

TEST(ParamsTest, DurationsAreRefusedInTheWordsOfARealServer) {
  const std::string start = "failed to parse setting [timeout] with value [";
  const std::string unit = "] as a time value: unit is missing or unrecognized";
  struct Case {
    const char* text;
    std::string reason;
    const char* number;  // In the cause; null: there is none.
  };
  const Case cases[] = {
      {"5", start + "5" + unit, nullptr},
      {"", start + unit, nullptr},
      {"abc", start + "abc" + unit, nullptr},
      {"5M", start + "5M" + unit, nullptr},
      {"1w", start + "1w" + unit, nullptr},
      {"5sec", start + "5sec" + unit, nullptr},
      {"-2", start + "-2" + unit, nullptr},
      {"-5s", start + "-5s] as a time value: negative durations are not supported", nullptr},
      {"1.5s", "failed to parse [1.5s], fractional time values are not supported", "1.5"},
      {"s", "failed to parse [s]", ""},
      {"1_0s", "failed to parse [1_0s]", "1_0"},
  };
  for (const Case& c : cases) {
    std::chrono::nanoseconds value{0};
    const std::optional<Problem> problem = ParseDuration("timeout", c.text, value);
    ASSERT_TRUE(problem) << c.text;
    EXPECT_EQ(problem->reason, c.reason);
    ASSERT_EQ(problem->caused_by.has_value(), c.number != nullptr) << c.text;
    if (c.number != nullptr) {
      EXPECT_EQ(problem->caused_by->type, "number_format_exception");
      EXPECT_EQ(problem->caused_by->reason, "For input string: \"" + std::string(c.number) + "\"");
    }
  }
}

TEST(ParamsTest, AMalformedIdNamesTheNumberThatIsNone) {
  const std::pair<const char*, std::optional<std::string>> cases[] = {
      {"abc", std::nullopt}, {"n1:x", "x"}, {"a:b:1", "b:1"},
      {"n1:", ""},           {":", ""},     {"n1:9223372036854775808", "9223372036854775808"}};
  for (const auto& [text, number] : cases) {
    const http::Request request = WithQuery({{"parent_task_id", text, true}});
    const std::optional<Problem> problem = ReadList(request);
    ASSERT_TRUE(problem) << text;
    EXPECT_EQ(problem->reason, "malformed task id " + std::string(text));
    EXPECT_EQ(problem->caused_by.has_value(), number.has_value()) << text;
    if (number && problem->caused_by) {
      EXPECT_EQ(problem->caused_by->reason, "For input string: \"" + *number + "\"");
    }
  }
}

}  // namespace
}  // namespace quell::opensearch
