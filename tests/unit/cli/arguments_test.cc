// Goal: the command line is read as its help says, and every mistake ends in exit code 2 with a
// message that names it.
// Method: command lines in, values out; nothing is executed.
#include "cli/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/exit_code.h"

namespace quell::cli {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Request Parse(const std::vector<std::string>& words) {
  return ParseArguments(words, Environment{});
}

// The message of a command line that must be refused.
std::string Refused(const std::vector<std::string>& words) {
  const Request request = Parse(words);
  const auto* text = std::get_if<Immediate>(&request);
  if (text == nullptr) return "it was taken";
  EXPECT_EQ(text->exit_code, kUsage);
  EXPECT_EQ(text->out, "");
  return text->err;
}

template <typename T>
T Taken(const std::vector<std::string>& words) {
  const Request request = Parse(words);
  const auto* wrong = std::get_if<Immediate>(&request);
  if (wrong != nullptr && wrong->exit_code != kOk) ADD_FAILURE() << wrong->err;
  return std::get<T>(request);
}

TEST(ArgumentsTest, GivesRunEverythingBehindTheDashesUntouched) {
  const auto run = Taken<RunArguments>({"run", "--action", "nightly/backup", "--grace", "60s", "--",
                                        "pg_dump", "--action", "z", "--", "-h"});
  EXPECT_EQ(run.action, "nightly/backup");
  EXPECT_EQ(run.grace, std::chrono::seconds(60));
  EXPECT_THAT(run.command, ElementsAre("pg_dump", "--action", "z", "--", "-h"));
}

TEST(ArgumentsTest, AsksForTheDashesWhenACommandStandsWithoutThem) {
  EXPECT_THAT(Refused({"run", "ls", "-la"}), HasSubstr("after --"));
  EXPECT_THAT(Refused({"run"}), HasSubstr("after --"));
  EXPECT_THAT(Refused({"run", "--"}), HasSubstr("after --"));
}

TEST(ArgumentsTest, TakesOnlyAFullIdAsAParent) {
  const std::string id = "AbcdefghijklmnopqrstuQ:7";
  EXPECT_EQ(Taken<RunArguments>({"run", "--parent", id, "--", "true"}).parent, id);
  EXPECT_THAT(Refused({"run", "--parent", "db3:7", "--", "true"}),
              AllOf(HasSubstr("db3:7"), HasSubstr("full id")));
}

TEST(ArgumentsTest, NamesTheLimitOfAnActionThatIsTooLong) {
  EXPECT_THAT(Refused({"run", "--action", std::string(129, 'a'), "--", "true"}),
              AllOf(HasSubstr("--action"), HasSubstr("128")));
  EXPECT_EQ(
      Taken<RunArguments>({"run", "--action", std::string(128, 'a'), "--", "true"}).action.size(),
      128U);
}

TEST(ArgumentsTest, SuggestsTheCommandThatWasMeant) {
  EXPECT_THAT(Refused({"cansel", "db3:1"}),
              AllOf(HasSubstr("no command 'cansel'"), HasSubstr("did you mean 'cancel'")));
  EXPECT_THAT(Refused({"node", "lss"}), HasSubstr("did you mean 'node ls'"));
  EXPECT_THAT(Refused({"zzzzzz"}), AllOf(HasSubstr("zzzzzz"), HasSubstr("--help")));
}

TEST(ArgumentsTest, NamesAFlagItDoesNotKnowAndTheNearestOneItDoes) {
  EXPECT_THAT(Refused({"ps", "--nodez", "a"}),
              AllOf(HasSubstr("--nodez"), HasSubstr("did you mean --nodes")));
  EXPECT_THAT(Refused({"node", "ls", "--outputt=json"}), HasSubstr("did you mean --output"));
  EXPECT_THAT(Refused({"version", "-x"}), HasSubstr("-x"));
}

TEST(ArgumentsTest, SplitsListsAtCommas) {
  const auto ps = Taken<PsArguments>({"ps", "--nodes", "a,b", "--actions=x*,y", "-o", "wide"});
  EXPECT_THAT(ps.selection.nodes, ElementsAre("a", "b"));
  EXPECT_THAT(ps.selection.actions, ElementsAre("x*", "y"));
  EXPECT_EQ(ps.format, Format::kWide);
}

TEST(ArgumentsTest, TakesTheCoordinatorFromTheEnvironmentUnlessAFlagNamesOne) {
  Environment environment;
  environment.http = "http://127.0.0.1:1";
  EXPECT_EQ(std::get<PsArguments>(ParseArguments({"ps"}, environment)).http, "http://127.0.0.1:1");
  EXPECT_EQ(std::get<ShowArguments>(
                ParseArguments({"show", "a:1", "--http", "http://127.0.0.1:2"}, environment))
                .http,
            "http://127.0.0.1:2");
}

TEST(ArgumentsTest, ReadsTheTermsOfACancel) {
  const auto cancel = Taken<CancelArguments>({"cancel", "a:1", "a:2", "--reason", "too late",
                                              "--grace", "0s", "--wait", "--timeout", "2m"});
  EXPECT_THAT(cancel.ids, ElementsAre("a:1", "a:2"));
  EXPECT_EQ(cancel.terms.reason, "too late");
  EXPECT_EQ(cancel.terms.grace, std::chrono::milliseconds(0));
  EXPECT_TRUE(cancel.wait);
  EXPECT_EQ(cancel.wait_timeout, std::chrono::minutes(2));
}

TEST(ArgumentsTest, RefusesDurationsWithoutAUnitAndBeyondTheLimit) {
  EXPECT_THAT(Refused({"cancel", "a:1", "--grace", "10"}), HasSubstr("10s"));
  EXPECT_THAT(Refused({"cancel", "a:1", "--timeout", "soon"}), HasSubstr("'soon'"));
  EXPECT_THAT(Refused({"run", "--grace", "2h", "--", "true"}), HasSubstr("3600s"));
}

TEST(ArgumentsTest, RefusesAnEmptyFilterBecauseItWouldMeanEverything) {
  for (const auto& words : std::vector<std::vector<std::string>>{{"--nodes", ""},
                                                                 {"--nodes="},
                                                                 {"--nodes", ","},
                                                                 {"--actions", ""},
                                                                 {"--parent", ""},
                                                                 {"--parent="}}) {
    for (const char* command : {"cancel", "ps"}) {
      std::vector<std::string> line{command};
      line.insert(line.end(), words.begin(), words.end());
      EXPECT_NE(Refused(line), "it was taken") << words[0];
    }
  }
}

TEST(ArgumentsTest, RefusesAnEmptyValueInEveryCommandBecauseItIsAnUnsetVariable) {
  for (const auto& words : std::vector<std::vector<std::string>>{{"cancel", "a:1", "--reason", ""},
                                                                 {"cancel", "a:1", "--grace", ""},
                                                                 {"cancel", "a:1", "--timeout="},
                                                                 {"cancel", ""},
                                                                 {"cancel", "a:1", ""},
                                                                 {"show", ""},
                                                                 {"show", "a:1", "--http", ""},
                                                                 {"ps", "--all", "--since", ""},
                                                                 {"node", "forget", ""},
                                                                 {"node", "ls", "--http="},
                                                                 {"dev", "--names", ""},
                                                                 {"dev", "--data", ""}}) {
    EXPECT_THAT(Refused(words), AnyOf(HasSubstr("is empty"), HasSubstr("missing")))
        << testing::PrintToString(words);
  }
  EXPECT_EQ(Taken<RunArguments>({"run", "--description", "", "--", "true"}).description, "");
}

TEST(ArgumentsTest, RefusesAReasonThatIsTooLong) {
  EXPECT_THAT(Refused({"cancel", "a:1", "--reason", std::string(257, 'r')}), HasSubstr("256"));
}

TEST(ArgumentsTest, RefusesValuesOutsideTheirSet) {
  EXPECT_THAT(Refused({"ps", "-o", "yaml"}), HasSubstr("yaml"));
  EXPECT_THAT(Refused({"dev", "--opensearch-profile", "lax"}), HasSubstr("lax"));
  EXPECT_THAT(Refused({"dev", "--nodes", "0"}), HasSubstr("--nodes"));
  EXPECT_THAT(Refused({"dev", "--nodes", "three"}), HasSubstr("three"));
}

TEST(ArgumentsTest, PrintsHelpOnStandardOutput) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"--help"}, {"help"}, {"ps", "--help"}, {"node", "ls", "-h"}, {"help", "run"}}) {
    const auto help = Taken<Immediate>(words);
    EXPECT_EQ(help.exit_code, kOk);
    EXPECT_THAT(help.out, HasSubstr("Usage: quell"));
  }
  EXPECT_THAT(Taken<Immediate>({"help", "exit-codes"}).out, HasSubstr("127"));
  EXPECT_THAT(Taken<Immediate>({"--help"}).out, HasSubstr("QUELL_HTTP"));
}

TEST(ArgumentsTest, TakesNoCommandAtAllForAMistake) {
  EXPECT_THAT(Refused({}), HasSubstr("Usage"));
}

TEST(ArgumentsTest, PrintsItsVersion) {
  EXPECT_THAT(Taken<Immediate>({"version"}).out, HasSubstr("quell 0."));
  EXPECT_EQ(Taken<Immediate>({"--version"}).out, Taken<Immediate>({"version"}).out);
}

TEST(ArgumentsTest, GivesEveryErrorCodeAnExitCode) {
  EXPECT_EQ(ExitCodeFor(ErrorCode::kInvalidArgument), kUsage);
  EXPECT_EQ(ExitCodeFor(ErrorCode::kNotFound), kNoSuchTask);
  EXPECT_EQ(ExitCodeFor(ErrorCode::kPermissionDenied), kNotAllowed);
  EXPECT_EQ(ExitCodeFor(ErrorCode::kUnavailable), kUnreachable);
  EXPECT_EQ(ExitCodeFor(ErrorCode::kDeadlineExceeded), kUnreachable);
  EXPECT_EQ(ExitCodeFor(ErrorCode::kOutcomeUnknown), kOutcomeUnknown);
}

TEST(ArgumentsTest, EndsSeveralCancelsAsTheyAllEndedOrAsPartial) {
  EXPECT_EQ(CombineExitCodes({kOk, kOk}), kOk);
  EXPECT_EQ(CombineExitCodes({kNoSuchTask, kNoSuchTask}), kNoSuchTask);
  EXPECT_EQ(CombineExitCodes({kOk, kNoSuchTask}), kPartial);
  EXPECT_EQ(CombineExitCodes({kOk, kOutcomeUnknown}), kOutcomeUnknown);
}

}  // namespace
}  // namespace quell::cli
