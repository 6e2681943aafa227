// Goal: a request asks exactly the nodes that its tokens name, in their order, each once.
// Method: tables of tokens over a small membership.
#include "coordinator/members/selection.h"

#include <gmock/gmock.h>

#include "core/limits.h"
#include "tests/support/result_matchers.h"
#include "tests/unit/coordinator/fixtures.h"

namespace quell {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SelectionTest : public testing::Test {
 protected:
  SelectionTest() : members_(Self(), {Known(1, "alpha"), Known(2, "beta"), Known(3, "beta")}) {}

  // Names of what is selected; unknown tokens in brackets.
  std::vector<std::string> Select(std::vector<std::string> tokens, bool unknown_fails = true) {
    Result<std::vector<Selected>> selected =
        SelectNodes({std::move(tokens), unknown_fails}, members_);
    std::vector<std::string> names;
    if (!selected) return {"error: " + selected.error().message};
    for (const Selected& one : *selected) {
      names.push_back(one.member != nullptr ? one.member->info.name : "[" + one.token + "]");
    }
    return names;
  }

  MemberTable members_;
};

TEST_F(SelectionTest, NoTokenSelectsAllByNameAndTheCoordinatorToo) {
  EXPECT_THAT(Select({}), ElementsAre("alpha", "beta", "beta", "coordinator"));
  EXPECT_THAT(Select({"_all"}), ElementsAre("alpha", "beta", "beta", "coordinator"));
}

TEST_F(SelectionTest, TokensKeepTheirOrderAndSelectEachNodeOnce) {
  EXPECT_THAT(Select({"beta", "alpha", "beta"}), ElementsAre("beta", "beta", "alpha"));
  EXPECT_THAT(Select({Id(3).ToString(), "beta", "_all"}),
              ElementsAre("beta", "beta", "alpha", "coordinator"));
}

TEST_F(SelectionTest, ANameSelectsAllThatBearIt) {
  EXPECT_THAT(Select({"beta"}), ElementsAre("beta", "beta"));
}

TEST_F(SelectionTest, LocalIsTheCoordinator) {
  EXPECT_THAT(Select({"_local"}), ElementsAre("coordinator"));
  EXPECT_THAT(Select({"local"}, false), IsEmpty());
}

TEST_F(SelectionTest, PatternsSelectByNameAndMayMatchNobody) {
  EXPECT_THAT(Select({"b*"}), ElementsAre("beta", "beta"));
  EXPECT_THAT(Select({"*a"}), ElementsAre("alpha", "beta", "beta"));
  EXPECT_THAT(Select({"zeta*"}), IsEmpty());
}

TEST_F(SelectionTest, NamesAndPatternsAreCaseSensitive) {
  EXPECT_THAT(Select({"Alpha", "B*"}, false), IsEmpty());
}

TEST_F(SelectionTest, AnUnknownTokenFailsOnceOrIsIgnored) {
  EXPECT_THAT(Select({"ghost", "alpha", "ghost"}), ElementsAre("[ghost]", "alpha"));
  EXPECT_THAT(Select({"ghost", "alpha"}, false), ElementsAre("alpha"));
  EXPECT_THAT(Select({Id(9).ToString()}), ElementsAre("[" + Id(9).ToString() + "]"));
}

TEST_F(SelectionTest, ANodeThatLeftIsNotSelected) {
  members_.MarkLeft(Id(1));
  EXPECT_THAT(Select({}), ElementsAre("beta", "beta", "coordinator"));
  EXPECT_THAT(Select({"alpha", Id(1).ToString()}),
              ElementsAre("[alpha]", "[" + Id(1).ToString() + "]"));
}

// Three nodes with roles and racks beside the coordinator, which has neither.
class RolesTest : public SelectionTest {
 protected:
  RolesTest() {
    Admit(4, "a", {"data", "ingest"}, "r1", "10.0.0.1");
    Admit(5, "b", {"cluster_manager", "data"}, "r2", "10.0.0.2");
    Admit(6, "c", {"cluster_manager"}, "r3", "10.0.1.3");
    for (int n = 1; n <= 3; ++n)
      members_.MarkLeft(Id(n));
  }
  void Admit(int n, const std::string& name, std::vector<std::string> roles,
             const std::string& rack, const std::string& host) {
    NodeInfo node = Info(n, name);
    node.roles = std::move(roles);
    node.attributes = {{"rack", rack}, {"zone", "x"}};
    node.host = host;
    members_.Admit({node, 1}, MonoTime{});
  }
};

TEST_F(RolesTest, ARoleAddsAndTakesAway) {
  EXPECT_THAT(Select({"data:true"}), ElementsAre("a", "b"));
  EXPECT_THAT(Select({"data:"}), ElementsAre("a", "b"));
  EXPECT_THAT(Select({"ingest:true"}), ElementsAre("a"));
  EXPECT_THAT(Select({"master:true"}), ElementsAre("b", "c"));
  EXPECT_THAT(Select({"coordinating_only:true"}), ElementsAre("coordinator"));
  EXPECT_THAT(Select({"_all", "cluster_manager:false"}), ElementsAre("a", "coordinator"));
  EXPECT_THAT(Select({"data:false"}), IsEmpty());
}

TEST_F(RolesTest, OrderDecides) {
  EXPECT_THAT(Select({"master:false", "_all"}), ElementsAre("a", "b", "c", "coordinator"));
  EXPECT_THAT(Select({"_all", "master:false", "c"}), ElementsAre("a", "coordinator", "c"));
}

TEST_F(RolesTest, AttributesMatchByPatternsOfNameAndValue) {
  EXPECT_THAT(Select({"rack:r1"}), ElementsAre("a"));
  EXPECT_THAT(Select({"rack:r*"}), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Select({"ra*:r2"}), ElementsAre("b"));
  EXPECT_THAT(Select({"*:*"}), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Select({"zone:x", "data:false"}), ElementsAre("c"));
  // Roles that have no word of their own are looked for among the attributes.
  EXPECT_THAT(Select({"remote_cluster_client:true", "rack:r9", "dat*:true"}, false), IsEmpty());
  EXPECT_THAT(Select({"_all", "remote_cluster_client:false"}, false),
              ElementsAre("a", "b", "c", "coordinator"));
  EXPECT_THAT(Select({"rack:r9", "rack:"}), ElementsAre("[rack:r9]", "[rack:]"));
}

TEST_F(RolesTest, HostsAndTheManagerAreSelectedToo) {
  EXPECT_THAT(Select({"10.0.0.2"}), ElementsAre("b"));
  EXPECT_THAT(Select({"10.0.0.*"}), ElementsAre("a", "b"));
  EXPECT_THAT(Select({"10.0.0.2:9300"}, false), IsEmpty());
  EXPECT_THAT(Select({"_cluster_manager"}), ElementsAre("coordinator"));
  EXPECT_THAT(Select({"_master", "_local"}), ElementsAre("coordinator"));
}

TEST_F(RolesTest, ARoleIsTrueOrFalse) {
  EXPECT_THAT(Select({"data:hot"}),
              ElementsAre("error: Failed to parse value [hot] as only [true] or [false] are "
                          "allowed."));
  EXPECT_THAT(Select({"data:TRUE"}, false),
              ElementsAre("error: Failed to parse value [TRUE] as only [true] or [false] are "
                          "allowed."));
}

// Ignoring one of these would select more than was asked for.
TEST_F(RolesTest, ANameToExcludeIsRefusedUnlessStrict) {
  EXPECT_THAT(SelectNodes({{"_all", "-a"}, true}, members_),
              FailsWith(ErrorCode::kInvalidArgument, "[-a] takes no node away"));
  EXPECT_THAT(SelectNodes({{"*", "!a"}, true}, members_),
              FailsWith(ErrorCode::kInvalidArgument, "[_all,data:false]"));
  EXPECT_THAT(Select({"_all", "-a"}, false), ElementsAre("a", "b", "c", "coordinator"));
}

TEST_F(SelectionTest, WhatWalksOverAllNodesCountsAsAPattern) {
  for (const char* token : {"_all", "data:false"}) {
    std::vector<std::string> tokens(limits::kNodePatternsMax, token);
    EXPECT_THAT(Select(tokens, false), testing::Not(testing::Contains(testing::HasSubstr("error"))))
        << token;
    tokens.emplace_back(token);
    EXPECT_THAT(Select(tokens), ElementsAre(testing::HasSubstr("more than 64"))) << token;
  }
}

TEST_F(SelectionTest, TooManyPatternsAreRefused) {
  std::vector<std::string> tokens(limits::kNodePatternsMax, "x*");
  EXPECT_THAT(SelectNodes({tokens, true}, members_), IsOk());
  tokens.push_back("zone:x");
  EXPECT_THAT(SelectNodes({tokens, true}, members_), FailsWith(ErrorCode::kInvalidArgument));
}

}  // namespace
}  // namespace quell
