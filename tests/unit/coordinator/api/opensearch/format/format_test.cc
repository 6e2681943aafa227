// Goal: an answer leaves in the format and with the parts that were asked for.
// Method: tables of JSON and what becomes of it; what an OpenSearch 3.8 was seen to send, or the
// examples of RFC 8949 and of the Smile specification.
#include <algorithm>

#include <gmock/gmock.h>

#include "coordinator/api/opensearch/format/binary.h"
#include "coordinator/api/opensearch/format/filter_path.h"
#include "coordinator/api/opensearch/format/human.h"
#include "coordinator/api/opensearch/format/pretty.h"
#include "coordinator/api/opensearch/format/yaml.h"
#include "core/limits.h"
#include "core/random.h"
#include "core/wildcard.h"
#include "tests/support/result_matchers.h"

namespace quell::opensearch {
namespace {

std::string Filtered(const std::string& json, const std::string& paths) {
  Result<FilterPath> filter = FilterPath::Parse(paths);
  EXPECT_TRUE(filter.has_value()) << paths;
  return filter ? filter->Apply(json) : "";
}

TEST(FilterPathTest, KeepsWhatThePathsLeadTo) {
  const std::string json =
      R"({"node_failures":[],"nodes":{"n1":{"name":"one","roles":["data","ingest"],)"
      R"("tasks":{"n1:1":{"id":1,"headers":{}},"n1:2":{"id":2,"headers":{"a.b":"c"}}}}}})";
  const std::pair<const char*, const char*> cases[] = {
      {"nodes.*.name", R"({"nodes":{"n1":{"name":"one"}}})"},
      {"**.id", R"({"nodes":{"n1":{"tasks":{"n1:1":{"id":1},"n1:2":{"id":2}}}}})"},
      {"nodes.*.tasks.*:2.id", R"({"nodes":{"n1":{"tasks":{"n1:2":{"id":2}}}}})"},
      {"nodes.*.roles", R"({"nodes":{"n1":{"roles":["data","ingest"]}}})"},
      {"node_failures", R"({"node_failures":[]})"},
      {"**.headers",
       R"({"nodes":{"n1":{"tasks":{"n1:1":{"headers":{}},"n1:2":{"headers":{"a.b":"c"}}}}}})"},
      {R"(**.a\.b)", R"({"nodes":{"n1":{"tasks":{"n1:2":{"headers":{"a.b":"c"}}}}}})"},
      {"nodes.n1.name.more", "{}"},
      {"nosuch", "{}"},
      {"name", "{}"},
      {"nodes.*.name,nodes.*.roles,-nodes.*.roles", R"({"nodes":{"n1":{"name":"one"}}})"},
      {"-nodes", R"({"node_failures":[]})"},
      {"-nodes.*.tasks,-node_failures",
       R"({"nodes":{"n1":{"name":"one","roles":["data","ingest"]}}})"},
      {"-**", "{}"},
      {"**", json.c_str()},
      {",", json.c_str()},
  };
  for (const auto& [paths, kept] : cases)
    EXPECT_EQ(Filtered(json, paths), kept) << paths;
}

TEST(FilterPathTest, ArraysAreNoStep) {
  const std::string rows = R"([{"action":"a","id":"1"},{"action":"b"}])";
  EXPECT_EQ(Filtered(rows, "action"), R"([{"action":"a"},{"action":"b"}])");
  EXPECT_EQ(Filtered(rows, "id"), R"([{"id":"1"}])");
  EXPECT_EQ(Filtered(rows, "-action"), R"([{"id":"1"}])");
  // "**" is one key at least, and a row has no more.
  EXPECT_EQ(Filtered(rows, "**.action"), "");
  EXPECT_EQ(Filtered(R"({"a":[[{"b":1},2],{"c":3}]})", "a.b"), R"({"a":[[{"b":1}]]})");
  EXPECT_EQ(Filtered(R"({"a":[1,{"c":3}]})", "-a.c"), R"({"a":[1]})");
}

// The definition, word for word: does the path lead to the value below these keys, or to one that
// it is in?
bool Leads(const FilterPath::Path& path, std::size_t step, const std::vector<std::string>& keys,
           std::size_t key) {
  if (step == path.size()) return true;
  if (key == keys.size()) return false;
  if (path[step] != "**") {
    return WildcardMatch(path[step], keys[key]) && Leads(path, step + 1, keys, key + 1);
  }
  return Leads(path, step + 1, keys, key + 1) || Leads(path, step, keys, key + 1);
}

TEST(FilterPathTest, IsWhatItsDefinitionSays) {
  SeededRandom random(11);
  const std::vector<std::string> steps = {"**", "*", "a", "b", "a*", "c"};
  for (int round = 0; round < 300; ++round) {
    std::vector<FilterPath::Path> paths(1 + random.Below(3));
    std::string text;
    for (FilterPath::Path& path : paths) {
      text += text.empty() ? "" : ",";
      for (std::size_t i = 1 + random.Below(4); i > 0; --i) {
        path.push_back(steps[random.Below(steps.size())]);
        text += (path.size() > 1 ? "." : "") + path.back();
      }
    }
    // A chain of keys with one value at its end is kept whole or not at all.
    std::vector<std::string> keys;
    std::string json;
    for (std::size_t i = 1 + random.Below(5); i > 0; --i) {
      keys.push_back(std::string(1 + random.Below(2), static_cast<char>('a' + random.Below(3))));
      json += "{\"" + keys.back() + "\":";
    }
    json += "1" + std::string(keys.size(), '}');
    const bool kept = std::any_of(paths.begin(), paths.end(), [&](const FilterPath::Path& path) {
      return Leads(path, 0, keys, 0);
    });
    EXPECT_EQ(Filtered(json, text), kept ? json : "{}") << json << " " << text;
    std::string taken_out = "-" + text;
    for (std::size_t at = 0; (at = taken_out.find(',', at)) != std::string::npos; at += 2)
      taken_out.insert(at + 1, "-");
    EXPECT_EQ(Filtered(json, taken_out) == json, !kept) << json << " " << taken_out;
  }
}

TEST(FilterPathTest, APathThatStandsTwiceCountsOnce) {
  std::string paths = "a";
  for (std::size_t i = 0; i < 10 * limits::kFilterPathsMax; ++i)
    paths += ",a";
  EXPECT_THAT(FilterPath::Parse(paths), IsOk());
}

TEST(FilterPathTest, ManyStepsAreRefused) {
  std::string path = "**";
  for (std::size_t i = 1; i < limits::kFilterPathStepsMax; ++i)
    path += i % 2 == 0 ? ".**" : ".*";
  EXPECT_THAT(FilterPath::Parse(path), IsOk());
  const Result<FilterPath> more = FilterPath::Parse(path + ",-b");
  ASSERT_FALSE(more.has_value());
  EXPECT_THAT(more.error().message, testing::HasSubstr("[256] steps"));
}

TEST(FilterPathTest, ManyPathsAreRefused) {
  std::string paths = "a0";
  for (std::size_t i = 1; i < limits::kFilterPathsMax; ++i)
    paths += ",a" + std::to_string(i);
  EXPECT_TRUE(FilterPath::Parse(paths).has_value()) << paths;
  const Result<FilterPath> more = FilterPath::Parse(paths + ",-a");
  ASSERT_FALSE(more.has_value());
  EXPECT_THAT(more.error().message, testing::HasSubstr("[64] paths"));
}

TEST(YamlTest, IsLaidOutAsARealServerDoes) {
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "--- {}\n"},
      {"[]", "--- []\n"},
      {"", ""},
      {R"({"nodes":{"hbmz7RahScGeGyyUOnVgIg":{"name":"n","roles":["data","ingest"],"tasks":)"
       R"({"hbmz7RahScGeGyyUOnVgIg:5":{"id":5,"cancelled":false,"headers":{}}}}}})",
       "---\nnodes:\n  hbmz7RahScGeGyyUOnVgIg:\n    name: \"n\"\n    roles:\n    - \"data\"\n"
       "    - \"ingest\"\n    tasks:\n      hbmz7RahScGeGyyUOnVgIg:5:\n        id: 5\n"
       "        cancelled: false\n        headers: {}\n"},
      {R"({"error":{"root_cause":[{"type":"t","reason":"r"}],"type":"t"},"status":400})",
       "---\nerror:\n  root_cause:\n  - type: \"t\"\n    reason: \"r\"\n  type: \"t\"\n"
       "status: 400\n"},
      {R"([{"a":"-","b":[]},{"a":null}])", "---\n- a: \"-\"\n  b: []\n- a: null\n"},
      {R"({"a":[[1,2],[],[{"b":1}]]})", "---\na:\n- - 1\n  - 2\n- []\n- - b: 1\n"},
  };
  for (const auto& [json, yaml] : cases)
    EXPECT_EQ(ToYaml(json), yaml);
}

TEST(YamlTest, NothingIsReadAsSomethingElse) {
  EXPECT_EQ(ToYaml(R"({"t":"a\"\\\n\u0007\u00e9\ud83d\ude00: #"})"),
            "---\nt: \"a\\\"\\\\\\n\\x07\u00e9\U0001F600: #\"\n");
  EXPECT_EQ(ToYaml(R"({"no":1,"12":2,"1e5":3,"":4,"a b":5,"x:":6,"-a":7,"X-Opaque-Id":8})"),
            "---\n\"no\": 1\n\"12\": 2\n\"1e5\": 3\n\"\": 4\n\"a b\": 5\n\"x:\": 6\n\"-a\": 7\n"
            "X-Opaque-Id: 8\n");
}

std::string Hex(const std::string& bytes) {
  std::string text;
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += "0123456789abcdef"[byte >> 4U];
    text += "0123456789abcdef"[byte & 0xFU];
  }
  return text;
}

TEST(CborTest, IsWrittenAsTheStandardHasIt) {
  const std::pair<const char*, const char*> cases[] = {
      {"[0,10,23,24,100,1000,1000000,1000000000000]",
       "9f000a1718181864"
       "1903e8"
       "1a000f4240"
       "1b000000e8d4a51000"
       "ff"},
      {"[-1,-10,-100,-1000]",
       "9f2029386339"
       "03e7ff"},
      {"[1.1,true,false,null]", "9ffb3ff199999999999af5f4f6ff"},
      {R"({"a":"","b":["IETF","\u00fc"]})",
       "bf616160"
       "6162"
       "9f6449455446"
       "62c3bc"
       "ffff"},
      {"", ""},
  };
  for (const auto& [json, bytes] : cases)
    EXPECT_EQ(Hex(ToCbor(json)), bytes) << json;
}

TEST(SmileTest, IsWrittenAsTheSpecificationHasIt) {
  const std::string head = "3a290a00";
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "fafb"},
      {R"({"a":"","bc":"x","\u00fc":"\u00fc\u00fc"})",
       "fa"
       "8061"
       "20"
       "816263"
       "4078"
       "c0c3bc"
       "82c3bcc3bc"
       "fb"},
      {"[0,-1,15,-16,16,1000,true,false,null]",
       "f8"
       "c0"
       "c1"
       "de"
       "df"
       "24a0"
       "241f90"
       "232221"
       "f9"},
      {"[0.5]",
       "f829"
       "003f7000000000000000"
       "f9"},
      {"[4294967296]",
       "f825"
       "4000000080"
       "f9"},
  };
  for (const auto& [json, bytes] : cases)
    EXPECT_EQ(Hex(ToSmile(json)), head + bytes) << json;
  const std::string text(65, 'a');
  EXPECT_EQ(ToSmile("[\"" + text + "\"]"), std::string(":)\n\0\xf8\xe0", 6) + text + "\xfc\xf9");
}

TEST(HumanTest, DurationsAreCut) {
  EXPECT_EQ(HumanDuration(1957229127), "1.9s");
}

TEST(PrettifyTest, LaysOutAsARealServerDoes) {
  EXPECT_EQ(Prettify(R"({"a":[],"b":{},"c":[1,{"d":"x,\"{:"}],"e":null})"),
            "{\n  \"a\" : [ ],\n  \"b\" : { },\n  \"c\" : [\n    1,\n    {\n"
            "      \"d\" : \"x,\\\"{:\"\n    }\n  ],\n  \"e\" : null\n}\n");
  EXPECT_EQ(Prettify("{ \"a\" : [ ] }"), "{\n  \"a\" : [ ]\n}\n");
}

}  // namespace
}  // namespace quell::opensearch
