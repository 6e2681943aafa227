// Goal: `quell dev` understands what its daemons say, says what the contract promises, and refuses
// at once what cannot work.
// Method: lines and options in, values or errors out; no process is started.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/dev/cluster.h"
#include "cli/dev/ready_line.h"
#include "cli/dev_command.h"

namespace quell::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kNodeLine =
    R"({"ready":true,"id":"N1","name":"a","pid":7,"socket":"/d/a/quell.sock","grpc":"127.0.0.1:9301",)"
    R"("data":"/d/a","argv":["/b/quell-node","--name","a b"]})";

DaemonReady Node() {
  return {"N1",
          "a",
          7,
          "",
          "/d/a/quell.sock",
          "127.0.0.1:9301",
          "/d/a",
          {"/b/quell-node", "--name", "a b"}};
}

TEST(ReadyLineTest, ReadsWhatADaemonSays) {
  const auto line = ParseDaemonLine(kNodeLine);
  ASSERT_TRUE(line);
  EXPECT_EQ(std::get<DaemonReady>(*line), Node());
  const auto joined = ParseDaemonLine(R"({"joined":true,"coordinator":"C1"})");
  ASSERT_TRUE(joined);
  EXPECT_EQ(std::get<DaemonJoined>(*joined).coordinator, "C1");
}

TEST(ReadyLineTest, RefusesEverythingElse) {
  for (const char* text : {"", "hello", "[]", "{}", R"({"ready":false})", R"({"ready":true})",
                           R"({"ready":true,"id":"N1","grpc":"x","pid":"7","argv":[]})",
                           R"({"ready":true,"id":"N1","grpc":"x","pid":7,"argv":[1]})"}) {
    EXPECT_FALSE(ParseDaemonLine(text)) << text;
  }
}

TEST(ReadyLineTest, HasTheShapeOfTheContract) {
  DaemonReady coordinator{"C1",
                          "coordinator",
                          6,
                          "http://127.0.0.1:9480",
                          "",
                          "127.0.0.1:9400",
                          "/d/coordinator",
                          {"/b/quell-coordinator"}};
  EXPECT_EQ(RenderClusterReady(coordinator, {Node()}),
            R"({"ready":true,"http":"http://127.0.0.1:9480",)"
            R"("coordinator":{"id":"C1","pid":6,"grpc":"127.0.0.1:9400","data":"/d/coordinator",)"
            R"("argv":["/b/quell-coordinator"]},)"
            R"("nodes":[{"name":"a","id":"N1","pid":7,"socket":"/d/a/quell.sock",)"
            R"("grpc":"127.0.0.1:9301","data":"/d/a","argv":["/b/quell-node","--name","a b"]}]})");
}

DevArguments Wanted(int nodes, std::vector<std::string> names) {
  DevArguments arguments;
  arguments.nodes = nodes;
  arguments.names = std::move(names);
  return arguments;
}

TEST(NodeNamesTest, MakesUpThreeNamesUnlessTold) {
  EXPECT_THAT(*NodeNames(Wanted(0, {})), ElementsAre("node1", "node2", "node3"));
  EXPECT_THAT(*NodeNames(Wanted(1, {})), ElementsAre("node1"));
  EXPECT_THAT(*NodeNames(Wanted(0, {"b", "a"})), ElementsAre("b", "a"));
}

TEST(NodeNamesTest, RefusesNumbersAndNamesThatDoNotFit) {
  EXPECT_THAT(NodeNames(Wanted(3, {"a", "b"})).error().message,
              AllOf(HasSubstr("--nodes 3"), HasSubstr("2 names")));
  EXPECT_THAT(NodeNames(Wanted(0, {"a", "b", "a"})).error().message, HasSubstr("'a'"));
}

TEST(NodeNamesTest, RefusesANameThatWouldLeaveTheDataDirectory) {
  for (const char* name :
       {"", "..", ".", "a/b", "/etc", "a b", "a:b", "-x", "_all", "coordinator", "a\nb", "we*"}) {
    const auto names = NodeNames(Wanted(0, {name}));
    ASSERT_FALSE(names) << name;
    EXPECT_EQ(names.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_FALSE(NodeNames(Wanted(0, {std::string(129, 'a')})));
}

TEST(SocketPathTest, NamesTheLengthTheLimitAndTheRemedy) {
  // 107 bytes fit: "/" + 95 + "/a/quell.sock".
  const std::string longest = "/" + std::string(93, 'x');
  EXPECT_EQ(SocketPath(longest, "a").size(), 107U);
  EXPECT_TRUE(CheckSocketPaths(longest, {"a"}));
  const Status wrong = CheckSocketPaths(longest, {"a", "ab"});
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message,
              AllOf(HasSubstr("108 bytes"), HasSubstr("107"), HasSubstr("shorter --data"),
                    HasSubstr("/ab/quell.sock")));
}

}  // namespace
}  // namespace quell::cli
