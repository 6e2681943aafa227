// Goal: whatever is told to a JsonWriter, the text is valid JSON that reads back as what was told.
// Method: exact texts for the shapes; Boost.JSON as an independent reader for hostile strings.
#include "transport/http/json_writer.h"

#include <cstdint>
#include <limits>
#include <random>
#include <string>

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace quell::http {
namespace {

std::string Quoted(std::string_view text) {
  std::string out;
  JsonWriter(out).String(text);
  return out;
}

TEST(JsonWriterTest, PutsCommasBetweenMembersAndElementsOnly) {
  std::string out;
  JsonWriter json(out);
  json.BeginObject().Field("a", 1).Key("b").BeginArray().Int(1).Null().BeginObject().EndObject();
  json.BeginArray().EndArray().Bool(false).EndArray().Field("c", true).Key("d").Raw("{\"x\":[]}");
  json.Field("e", "text").EndObject();
  EXPECT_EQ(out, R"({"a":1,"b":[1,null,{},[],false],"c":true,"d":{"x":[]},"e":"text"})");
  EXPECT_TRUE(json.complete());
}

TEST(JsonWriterTest, AppendsToWhatIsThere) {
  std::string out = "head ";
  JsonWriter(out).BeginArray().EndArray();
  EXPECT_EQ(out, "head []");
}

TEST(JsonWriterTest, WritesAFragmentOfMembersOutsideOfBrackets) {
  std::string out;
  JsonWriter json(out);
  json.Key("n1").BeginObject().EndObject().Key("n2").BeginObject().Field("x", 1).EndObject();
  EXPECT_EQ(out, R"("n1":{},"n2":{"x":1})");
}

TEST(JsonWriterTest, IsNotCompleteBeforeTheLastEnd) {
  std::string out;
  JsonWriter json(out);
  EXPECT_TRUE(json.complete());
  json.BeginObject();
  EXPECT_FALSE(json.complete());
  json.EndObject().Key("k");
  EXPECT_FALSE(json.complete());
  json.Null();
  EXPECT_TRUE(json.complete());
}

TEST(JsonWriterTest, WritesTheExtremesOfNumbers) {
  std::string out;
  JsonWriter json(out);
  json.BeginArray().Int(std::numeric_limits<std::int64_t>::min());
  json.Int(std::numeric_limits<std::int64_t>::max());
  json.Uint(std::numeric_limits<std::uint64_t>::max()).Int(0).EndArray();
  EXPECT_EQ(out, "[-9223372036854775808,9223372036854775807,18446744073709551615,0]");
}

TEST(JsonWriterTest, EscapesQuotesBackslashesAndControlCharacters) {
  EXPECT_EQ(Quoted(std::string_view("a\"b\\c/\b\f\n\r\t\0\x1f\x7f", 14)),
            "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0000\\u001F\x7f\"");
}

TEST(JsonWriterTest, EscapesKeysAsItEscapesValues) {
  std::string out;
  JsonWriter(out).BeginObject().Field("a\"\n", 1).EndObject();
  EXPECT_EQ(out, R"({"a\"\n":1})");
}

TEST(JsonWriterTest, KeepsValidUtf8AsItIs) {
  const std::string text = "\u00e9 \u20ac \U0001F600 \uD7FF\uE000\U0010FFFF";
  EXPECT_EQ(Quoted(text), "\"" + text + "\"");
}

TEST(JsonWriterTest, ReplacesEachByteThatIsNotUtf8) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(Quoted("a\x80z"), "\"a" + bad + "z\"");                            // Lone continuation.
  EXPECT_EQ(Quoted("\xC3"), "\"" + bad + "\"");                                // Cut short.
  EXPECT_EQ(Quoted("\xC0\xAF"), "\"" + bad + bad + "\"");                      // Overlong.
  EXPECT_EQ(Quoted("\xE0\x80\x80"), "\"" + bad + bad + bad + "\"");            // Overlong.
  EXPECT_EQ(Quoted("\xED\xA0\x80"), "\"" + bad + bad + bad + "\"");            // A surrogate.
  EXPECT_EQ(Quoted("\xF4\x90\x80\x80"), "\"" + bad + bad + bad + bad + "\"");  // Too high.
  EXPECT_EQ(Quoted("\xE2\x82"
                   "A"),
            "\"" + bad + bad + "A\"");
  EXPECT_EQ(Quoted("\xFF\xC3\xA9"), "\"" + bad + "\xC3\xA9\"");
}

TEST(JsonWriterTest, IsValidJsonForRandomBytes) {
  std::mt19937 random(20240607);
  for (int round = 0; round < 5000; ++round) {
    std::string text(random() % 24, '\0');
    // Bytes around the borders of the UTF-8 classes, so that long sequences happen often.
    constexpr std::string_view kBytes =
        "aA\"\\\x01\x1f\x7f\x80\x8f\x90\x9f\xa0\xbf\xc1\xc2\xdf\xe0"
        "\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff";
    for (char& c : text)
      c = kBytes[random() % kBytes.size()];
    boost::json::error_code error;
    const boost::json::value value = boost::json::parse(Quoted(text), error);
    ASSERT_FALSE(error) << "round " << round << ": " << error.message();
    ASSERT_TRUE(value.is_string());
  }
}

#ifndef NDEBUG
TEST(JsonWriterDeathTest, NoticesLostBalance) {
  std::string out;
  EXPECT_DEATH(JsonWriter(out).EndObject(), "wrong End");
  EXPECT_DEATH(JsonWriter(out).BeginArray().EndObject(), "wrong End");
  EXPECT_DEATH(JsonWriter(out).BeginObject().Int(1), "needs a key");
  EXPECT_DEATH(JsonWriter(out).BeginObject().Key("a").EndObject(), "without its value");
  EXPECT_DEATH(JsonWriter(out).BeginArray().Key("a"), "in an object");
}
#endif

}  // namespace
}  // namespace quell::http
