// Goal: what programs send is read strictly, and what is kept of it is kept as it was written.
// Method: texts in, values or errors out.
#include "node/local_api/json_value.h"

#include <gtest/gtest.h>

#include "tests/support/result_matchers.h"

namespace quell {
namespace {

using Kind = JsonValue::Kind;

TEST(JsonValueTest, RendersWhatItHasReadWithoutTheBlanks) {
  const char* text = R"( { "a" : [ 1.50, -2e3, true, null, "x \"y\" \u00e9" ], "b" : { } } )";
  const auto value = JsonValue::Parse(text);
  ASSERT_THAT(value, IsOk());
  EXPECT_EQ(value->Render(), "{\"a\":[1.50,-2e3,true,null,\"x \\\"y\\\" \xC3\xA9\"],\"b\":{}}");
}

TEST(JsonValueTest, ReadsEachKind) {
  EXPECT_EQ(JsonValue::Parse("null")->kind, Kind::kNull);
  EXPECT_TRUE(JsonValue::Parse("true")->truth);
  EXPECT_EQ(JsonValue::Parse("\"a\"")->text, "a");
  EXPECT_EQ(JsonValue::Parse("12")->integer(), 12);
  EXPECT_EQ(JsonValue::Parse("[1,2]")->items.size(), 2u);
  EXPECT_EQ(JsonValue::Parse("{\"a\":1}")->members[0].name, "a");
}

TEST(JsonValueTest, KnowsWholeNumbersFromOthers) {
  EXPECT_EQ(JsonValue::Parse("-7")->integer(), -7);
  EXPECT_EQ(JsonValue::Parse("1.5")->integer(), std::nullopt);
  EXPECT_EQ(JsonValue::Parse("1e3")->integer(), std::nullopt);
  EXPECT_EQ(JsonValue::Parse("99999999999999999999")->integer(), std::nullopt);
  EXPECT_EQ(JsonValue::Parse("\"7\"")->integer(), std::nullopt);
}

TEST(JsonValueTest, RefusesWhatIsNoJson) {
  for (const char* text : {"", "{", "{\"a\":}", "[1,]", "{\"a\":1} x", "'a'", "nul", "01",
                           "{\"a\" 1}", "\"\xff\"", "\"\n\"", "// c\n1"}) {
    EXPECT_THAT(JsonValue::Parse(text), FailsWith(ErrorCode::kInvalidArgument)) << text;
  }
}

TEST(JsonValueTest, RefusesAKeyThatStandsTwice) {
  EXPECT_THAT(JsonValue::Parse(R"({"a":1,"b":2,"a":3})"),
              FailsWith(ErrorCode::kInvalidArgument, "\"a\""));
  EXPECT_THAT(JsonValue::Parse(R"([{"a":{"k":1,"k":2}}])"),
              FailsWith(ErrorCode::kInvalidArgument, "\"k\""));
  EXPECT_THAT(JsonValue::Parse(R"([{"a":1},{"a":{"a":1}}])"), IsOk());
}

TEST(JsonValueTest, RefusesWhatIsTooDeep) {
  const std::string deep(32, '[');
  EXPECT_THAT(JsonValue::Parse(deep + std::string(32, ']')), IsOk());
  EXPECT_THAT(JsonValue::Parse("[" + deep + std::string(33, ']')),
              FailsWith(ErrorCode::kInvalidArgument));
}

TEST(JsonValueTest, RefusesTooManyValues) {
  std::string many = "[0";
  for (int i = 0; i < 300'000; ++i)
    many += ",0";
  EXPECT_THAT(JsonValue::Parse(many + "]"), FailsWith(ErrorCode::kInvalidArgument, "many"));
}

}  // namespace
}  // namespace quell
