// Goal: what comes from elsewhere (headers, environments, answers) is taken over whole, or dropped.
// Method: the library's own parts, with good and bad texts.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <strings.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/src/context.h"
#include "sdk/src/json.h"

namespace quell::sdk {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kNode = "AbcdefghijklmnopqrstuQ";

Context Extracted(const std::map<std::string, std::string>& headers) {
  return Context::Extract([&headers](const char* name) -> std::optional<std::string> {
    // Names of headers have no case, and gRPC spells them in lower case.
    const auto found = std::find_if(headers.begin(), headers.end(), [name](const auto& header) {
      return ::strcasecmp(header.first.c_str(), name) == 0;
    });
    return found == headers.end() ? std::nullopt : std::optional(found->second);
  });
}

std::map<std::string, std::string> Injected(const Context& context, quell_carrier carrier) {
  std::map<std::string, std::string> out;
  context.Inject(carrier,
                 [&out](const char* name, const std::string& value) { out[name] = value; });
  return out;
}

TEST(ContextTest, ArrivesAsItWasSent) {
  Context sent;
  sent.task = kNode + ":7";
  sent.ancestors = {kNode + ":5", kNode + ":3"};
  sent.opaque_id = "mine";
  sent.traceparent = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";
  for (const quell_carrier carrier : {QUELL_HTTP, QUELL_GRPC}) {
    const Context seen = Extracted(Injected(sent, carrier));
    EXPECT_EQ(seen.task, sent.task);
    EXPECT_EQ(seen.ancestors, sent.ancestors);
    EXPECT_EQ(seen.opaque_id, sent.opaque_id);
    EXPECT_EQ(seen.traceparent, sent.traceparent);
  }
}

TEST(ContextTest, DropsWhatIsMalformed) {
  const std::string good = kNode + ":7";
  for (const std::string task : {"", "x", "x:7", ":7", "AbcdefghijklmnopqrstuQ:07",
                                 "AbcdefghijklmnopqrstuQ:", "AbcdefghijklmnopqrstuQ:7x"}) {
    EXPECT_EQ(Extracted({{"Quell-Task-Id", task}, {"Quell-Ancestors", good}}).task, "") << task;
  }
  EXPECT_THAT(Extracted({{"Quell-Task-Id", good}, {"Quell-Ancestors", good + ",x"}}).ancestors,
              IsEmpty());
  EXPECT_EQ(Extracted({{"traceparent", "00-xyz"}}).traceparent, "");
  EXPECT_EQ(Extracted({{"X-Opaque-Id", std::string(1025, 'x')}}).opaque_id, "");
  EXPECT_EQ(Extracted({{"X-Opaque-Id", "a\nb"}}).opaque_id, "");
}

TEST(ContextTest, KeepsTheNearestSixteenWithTheTaskItself) {
  std::string chain;
  for (int i = 1; i <= 20; ++i)
    chain += (i > 1 ? "," : "") + kNode + ":" + std::to_string(i);
  const Context seen = Extracted({{"Quell-Task-Id", kNode + ":99"}, {"Quell-Ancestors", chain}});
  ASSERT_THAT(seen.ancestors, SizeIs(kAncestorsMax - 1));
  EXPECT_EQ(seen.ancestors.back(), kNode + ":15");
}

TEST(JsonTest, QuotesWhateverComes) {
  const auto quoted = [](std::string_view text) {
    std::string out;
    AppendQuoted(out, text);
    return out;
  };
  EXPECT_EQ(quoted("a\"b\\c\n\x01"), R"("a\"b\\c\n\u0001")");
  EXPECT_EQ(quoted("\xC3\xA9"), "\"\xC3\xA9\"");
  EXPECT_EQ(quoted("\xC3"), "\"\xEF\xBF\xBD\"");
  EXPECT_EQ(quoted("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"") << "a surrogate";
  EXPECT_TRUE(IsJson(quoted(std::string(1, '\0') + "\xFF")));
}

TEST(JsonTest, ReadsAnAnswerOrNothing) {
  const auto answer = ParseRegisterAnswer(
      R"({"session":"S","tasks":[{"id":"N:1","ancestors":["N:2","M:3"],"cancel":null},)"
      R"({"id":"N:4","cancel":{"by":"me","reason":"r","grace_in_millis":5,"at_millis":6}}]})");
  ASSERT_TRUE(answer.has_value()) << "it was not read";
  ASSERT_THAT(answer->tasks, SizeIs(2));
  EXPECT_THAT(answer->tasks[0].ancestors, ElementsAre("N:2", "M:3"));
  EXPECT_FALSE(answer->tasks[0].cancel.has_value());
  EXPECT_EQ(answer->tasks[1].cancel->reason, "r");
  EXPECT_EQ(answer->tasks[1].cancel->grace_ms, 5u);
  for (const char* text : {"", "{}", "[]", R"({"session":"","tasks":[]})", R"({"session":"S"})",
                           R"({"session":"S","tasks":[{}]})", R"({"session":"S","tasks":[1]})"}) {
    EXPECT_FALSE(ParseRegisterAnswer(text).has_value()) << text;
  }
  EXPECT_EQ(ParseFinishAnswer(R"({"tasks":[{},{"error":{"type":"x"},"status":409}]})"),
            (std::vector<int>{200, 409}));
  for (const char* text : {"", "7", "{}", R"({"tasks":7})", R"({"tasks":[7]})"})
    EXPECT_EQ(ParseFinishAnswer(text), std::nullopt) << text;
  EXPECT_FALSE(ParseCommand("").has_value());
  EXPECT_FALSE(ParseCommand(R"({"dance":{}})").has_value());
  EXPECT_EQ(ParseCommand(R"({"cancel":{"task":"N:1","by":"me"}})")->task, "N:1");
}

}  // namespace
}  // namespace quell::sdk
