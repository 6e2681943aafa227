// Goal: the store double promises what store.h promises, outcome unknown included.
// Method: a store on simulated time, over a file that outlives it.
#include "tests/support/memory_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/result_matchers.h"
#include "tests/support/sim_executor.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class MemoryStoreTest : public testing::Test {
 protected:
  Intent OnTask(std::uint64_t number) {
    Intent intent;
    intent.id = IntentId::Make(random_);
    intent.target = TaskId{node_, number};
    intent.grace = 10s;
    return intent;
  }
  // Commits and waits.
  Result<StoredIntent> Commit(const Intent& intent) {
    std::optional<Result<StoredIntent>> answer;
    store_.CommitIntent(intent, {{node_, {}}},
                        [&answer](Result<StoredIntent> result) { answer = std::move(result); });
    EXPECT_FALSE(answer.has_value());
    scheduler_.Advance(10ms);
    return *answer;
  }

  SimScheduler scheduler_;
  SimClock clock_{scheduler_};
  SimExecutor executor_{scheduler_, clock_};
  SeededRandom random_{1};
  const NodeId node_ = NodeId::Make(random_);
  StoreFile file_;
  MemoryStore store_{executor_, file_};
};

TEST_F(MemoryStoreTest, KeepsAnIntentPendingUntilItsNodeAcknowledges) {
  const Intent intent = OnTask(1);
  ASSERT_THAT(Commit(intent), IsOk());
  ASSERT_THAT(file_.Open().intents, SizeIs(1));
  EXPECT_THAT(file_.Open().intents[0].pending, ElementsAre(PendingAt{node_, {}}));
  store_.Acknowledge(node_, intent.id, {});
  scheduler_.Advance(1s);
  EXPECT_THAT(file_.Open().intents, IsEmpty());
  EXPECT_EQ(file_.intents.count(intent.id), 1u);
}

TEST_F(MemoryStoreTest, ASecondIntentOnATaskStrengthensTheFirst) {
  const Intent first = OnTask(1);
  Intent second = OnTask(1);
  second.grace = 1s;
  const Result<StoredIntent> kept = Commit(first);
  const Result<StoredIntent> again = Commit(second);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->intent.id, first.id);
  EXPECT_EQ(again->intent.grace, 1s);
  EXPECT_EQ(again->durable_at, kept->durable_at);
  EXPECT_THAT(file_.intents, SizeIs(1));
}

TEST_F(MemoryStoreTest, AnAcknowledgedIntentIsPendingAgainOnlyIfItGrewStronger) {
  const Intent first = OnTask(1);
  ASSERT_THAT(Commit(first), IsOk());
  store_.Acknowledge(node_, first.id, {});
  scheduler_.Advance(1s);
  Intent same = OnTask(1);
  ASSERT_THAT(Commit(same), IsOk());
  EXPECT_THAT(file_.Open().intents, IsEmpty());
  Intent stronger = OnTask(1);
  stronger.grace = 1s;
  ASSERT_THAT(Commit(stronger), IsOk());
  EXPECT_THAT(file_.Open().intents, SizeIs(1));
}

TEST_F(MemoryStoreTest, OutcomeUnknownMeansEither) {
  for (const bool durable : {true, false}) {
    file_.unknown_next = 1;
    file_.unknown_is_durable = durable;
    const Intent intent = OnTask(durable ? 1 : 2);
    EXPECT_THAT(Commit(intent), FailsWith(ErrorCode::kOutcomeUnknown));
    EXPECT_EQ(file_.intents.count(intent.id), durable ? 1u : 0u);
    ASSERT_THAT(Commit(intent), IsOk()) << "repeating it with the same id is safe";
    EXPECT_EQ(file_.intents.count(intent.id), 1u);
  }
}

TEST_F(MemoryStoreTest, LosesTheCommitOfAProcessThatDies) {
  bool told = false;
  store_.CommitIntent(OnTask(1), {{node_, {}}},
                      [&told](const Result<StoredIntent>&) { told = true; });
  executor_.Kill();
  scheduler_.Advance(1s);
  EXPECT_FALSE(told);
  EXPECT_THAT(file_.intents, IsEmpty());
}

TEST_F(MemoryStoreTest, ForgetsANodeAndWhatIsPendingForIt) {
  KnownNode known;
  known.info.id = node_;
  store_.PutNode(known, [](const Status&) {});
  ASSERT_THAT(Commit(OnTask(1)), IsOk());
  ASSERT_THAT(file_.Open().nodes, SizeIs(1));
  store_.ForgetNode(node_, [](const Status&) {});
  scheduler_.Advance(10ms);
  EXPECT_THAT(file_.Open().nodes, IsEmpty());
  EXPECT_THAT(file_.Open().intents, IsEmpty());
}

}  // namespace
}  // namespace quell
