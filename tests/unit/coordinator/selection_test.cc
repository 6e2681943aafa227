// Goal: a request asks exactly the nodes that its tokens name, in their order, each once.
// Method: tables of tokens over a small membership.
#include "coordinator/selection.h"

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

  Membership members_;
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

TEST_F(SelectionTest, AFilterByRoleIsRefusedInsteadOfIgnored) {
  EXPECT_THAT(SelectNodes({{"_all", "data:false"}, false}, members_),
              FailsWith(ErrorCode::kInvalidArgument, "[data:false]"));
}

TEST_F(SelectionTest, TooManyPatternsAreRefused) {
  std::vector<std::string> tokens(limits::kNodePatternsMax, "x*");
  EXPECT_THAT(SelectNodes({tokens, true}, members_), IsOk());
  tokens.push_back("y*");
  EXPECT_THAT(SelectNodes({tokens, true}, members_), FailsWith(ErrorCode::kInvalidArgument));
}

}  // namespace
}  // namespace quell
