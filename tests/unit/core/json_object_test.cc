// Goal: exactly what RFC 8259 calls an object passes; nothing else can get into an answer.
// Method: examples of every rule, and random texts compared with an independent parser.
#include "core/json_object.h"

#include <string>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "core/random.h"

namespace quell {
namespace {

TEST(JsonObjectTest, TakesObjects) {
  for (const char* text :
       {"{}", " {\t} \r\n", R"({"a":1})", R"({"a":{"b":[{},[],"x"]},"c":null})",
        R"({"":-0.5e-10,"b":0,"c":1E+2,"d":true,"e":false})", R"({"a":"\"\\\/\b\f\n\r\t\u00e9"})",
        "{\"a\":\"\xC3\xA9\"}", R"({"a":1,"a":2})"}) {
    EXPECT_TRUE(IsJsonObject(text)) << text;
  }
}

TEST(JsonObjectTest, RefusesEverythingElse) {
  for (const char* text : {"",
                           " ",
                           "[]",
                           "1",
                           "\"x\"",
                           "null",
                           "{",
                           "}",
                           "{}}",
                           "{}{}",
                           "{} x",
                           "{a:1}",
                           "{'a':1}",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{,}",
                           "{\"a\" 1}",
                           "{\"a\":01}",
                           "{\"a\":+1}",
                           "{\"a\":1.}",
                           "{\"a\":.5}",
                           "{\"a\":1e}",
                           "{\"a\":-}",
                           "{\"a\":tru}",
                           "{\"a\":nul}",
                           "{\"a\":[1,]}",
                           "{\"a\":[,]}",
                           "{\"a\":[1 2]}",
                           "{\"a\":[1}",
                           "{\"a\":{]}",
                           "{\"a\":\"x}",
                           "{\"a\":\"\\x\"}",
                           "{\"a\":\"\\u12g4\"}",
                           "{\"a\":\"\\u12\"}",
                           "{\"a\":\"\n\"}",
                           "{\"a\":NaN}",
                           "{\"a\":1}/**/",
                           "{\"a\":\"\\"}) {
    EXPECT_FALSE(IsJsonObject(text)) << text;
  }
}

TEST(JsonObjectTest, RefusesWhatIsTooDeepWithoutRecursion) {
  const auto nested = [](std::size_t depth) {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i)
      text += R"({"a":)";
    return text + "0" + std::string(depth, '}');
  };
  EXPECT_TRUE(IsJsonObject(nested(64)));
  EXPECT_FALSE(IsJsonObject(nested(65)));
  EXPECT_FALSE(IsJsonObject(nested(1'000'000)));
}

TEST(JsonObjectTest, AgreesWithBoostOnRandomTexts) {
  constexpr const char* kPieces[] = {"{", "}",  "[",   "]",   ",",     ":",  "\"a\"", "\"\"",
                                     "1", "-2", "0.5", "1e9", "true",  " ",  "null",  "\"\\n\"",
                                     "0", "-",  "e",   ".",   "false", "\\", "\"",    "{\"k\":"};
  SeededRandom random(1);
  int objects = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string text = "{";
    for (std::uint64_t i = random.Below(12); i > 0; --i)
      text += kPieces[random.Below(std::size(kPieces))];
    if (random.Below(2) == 0) text += '}';
    boost::json::error_code error;
    const boost::json::value value = boost::json::parse(text, error);
    const bool wanted = !error && value.is_object();
    objects += wanted ? 1 : 0;
    ASSERT_EQ(IsJsonObject(text), wanted) << text;
  }
  EXPECT_GT(objects, 100) << "the pieces hardly ever make an object";
}

}  // namespace
}  // namespace quell
