// Goal: what a daemon holds for its clients is bounded over all of them, large answers leave room
// to small ones, and what a request holds is given back whatever becomes of it. Method: budgets as
// values; then servers with small budgets, clients that announce much, or do not read.
#include "transport/http/byte_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "tests/unit/http/server_fixture.h"

namespace quell::http {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::size_t kMiB = 1024 * 1024;
constexpr std::size_t kFree = limits::kHeldFree;

TEST(ByteBudgetTest, TheFirstBytesOfEachRequestAreFree) {
  const auto budget = std::make_shared<ByteBudget>(0);
  HeldBytes held(budget);
  EXPECT_EQ(held.Take(kFree), std::nullopt);
  EXPECT_EQ(budget->held(), 0u);
  EXPECT_EQ(held.Take(1), HeldRefusal::kTooMuch);
}

TEST(ByteBudgetTest, WhatIsTakenIsGivenBack) {
  const auto budget = std::make_shared<ByteBudget>(10 * kMiB);
  {
    HeldBytes held(budget);
    EXPECT_EQ(held.Take(2 * kMiB), std::nullopt);
    EXPECT_EQ(budget->held(), 2 * kMiB - kFree);
    held.Give(kMiB);
    EXPECT_EQ(budget->held(), kMiB - kFree);
    held.Force(20 * kMiB);
    EXPECT_EQ(budget->held(), 21 * kMiB - kFree);
  }
  EXPECT_EQ(budget->held(), 0u);
}

TEST(ByteBudgetTest, NoRequestHoldsMoreThanHalf) {
  const auto budget = std::make_shared<ByteBudget>(10 * kMiB);
  HeldBytes held(budget);
  EXPECT_EQ(held.Take(6 * kMiB), HeldRefusal::kTooMuch);
  EXPECT_EQ(held.refusal(), HeldRefusal::kTooMuch);
  EXPECT_EQ(held.Take(5 * kMiB), std::nullopt);
  EXPECT_EQ(held.Take(1), HeldRefusal::kTooMuch);
}

TEST(ByteBudgetTest, LargeAnswersLeaveHalfToAllOthers) {
  const auto budget = std::make_shared<ByteBudget>(limits::kHeldMax);
  HeldBytes first(budget);
  HeldBytes second(budget);
  EXPECT_EQ(first.Take(budget->share()), std::nullopt);
  EXPECT_EQ(second.Take(limits::kHeldFair + 1), HeldRefusal::kBusy);
  HeldBytes third(budget);
  EXPECT_EQ(third.Take(limits::kHeldFair), std::nullopt);
}

TEST(ByteBudgetTest, OthersBytesRefuseForAWhileOnly) {
  const auto budget = std::make_shared<ByteBudget>(4 * kMiB);
  HeldBytes mine(budget);
  {
    HeldBytes other(budget);
    HeldBytes another(budget);
    EXPECT_EQ(other.Take(2 * kMiB), std::nullopt);
    EXPECT_EQ(another.Take(2 * kMiB), std::nullopt);
    EXPECT_EQ(mine.Take(kMiB), HeldRefusal::kBusy);
  }
  EXPECT_EQ(mine.Take(kMiB), std::nullopt);
  EXPECT_EQ(mine.refusal(), HeldRefusal::kBusy) << "the first refusal is kept";
}

TEST(ByteBudgetTest, WithoutABudgetNothingIsRefused) {
  HeldBytes held(nullptr);
  EXPECT_EQ(held.Take(1000 * kMiB), std::nullopt);
}

class HeldTest : public ServerTest {
 protected:
  void StartWith(std::size_t budget) {
    limits_.budget = budget_ = std::make_shared<ByteBudget>(budget);
    limits_.body_max = 4 * kMiB;
    Start();
  }
  // A client that does not read what the handler gives it.
  RawClient Unread(const std::string& path) {
    RawClient client = Connect();
    client.ShrinkReceiveBuffer();
    client.Send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return client;
  }
  std::shared_ptr<ByteBudget> budget_;
};

TEST_F(HeldTest, AnAnnouncedBodyCostsNothingBeforeItArrives) {
  StartWith(8 * kMiB);
  std::vector<RawClient> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(Connect());
    clients.back().Send(
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n[");
  }
  Settle();
  EXPECT_EQ(budget_->held(), 0u);
  clients.clear();
  RawClient whole = Connect();
  whole.Send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n" +
             std::string(2'000'000, 'x'));
  EXPECT_EQ(whole.ReadAnswer()->body, std::string(2'000'000, 'x'));
}

TEST_F(HeldTest, ABodyBeyondTheBudgetIsToldToComeBack) {
  StartWith(kMiB);
  RawClient client = Connect();
  client.Send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400000\r\n\r\n");
  HeldBytes other(budget_);
  other.Force(kMiB + kFree);
  client.Send(std::string(400'000, 'x'));
  const std::string refusal = client.ReadAll();
  EXPECT_THAT(refusal, StartsWith("HTTP/1.1 429 "));
  EXPECT_THAT(refusal, HasSubstr("Retry-After: 1\r\n"));
}

TEST_F(HeldTest, UnreadAnswersAreHeldWithinTheBudgetAndTheNextIsRefused) {
  StartWith(64 * kMiB);
  std::vector<RawClient> clients;
  int refused = 0;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(Unread("/held/1"));
    const auto exchange = held_.Take();
    ASSERT_TRUE(exchange);
    exchange->Send(Text(std::string(10 * kMiB, 'x')));
    Settle();
    EXPECT_LE(budget_->held(), 64 * kMiB);
    if (clients.back().ReadBytes(12) == "HTTP/1.1 429") ++refused;
  }
  EXPECT_EQ(refused, 6);
  clients.clear();
  for (int i = 0; i < 1'000'000 && budget_->held() > 0; ++i)
    Settle();
  EXPECT_EQ(
      Answer("GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").substr(0, 15),
      "HTTP/1.1 200 OK");
}

TEST_F(HeldTest, WhatIsPromisedAndWhatIsShortLeavesWhateverIsHeld) {
  StartWith(kMiB);
  HeldBytes other(budget_);
  other.Force(2 * kMiB);
  RawClient client = Unread("/held/1");
  Response promised = Text(std::string(kMiB, 'x'));
  promised.promised = true;
  held_.Take()->Send(std::move(promised));
  EXPECT_EQ(client.ReadAnswer()->status, 200);
  client.Send("GET /held/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  held_.Take()->Send(Text(std::string(kFree, 'x')));
  EXPECT_EQ(client.ReadAnswer()->status, 200);
}

TEST_F(HeldTest, ATooLargeAnswerIsNotSaidToBeServedLater) {
  StartWith(8 * kMiB);
  RawClient client = Unread("/held/1");
  held_.Take()->Send(Text(std::string(5 * kMiB, 'x')));
  const auto answer = client.ReadAnswer();
  EXPECT_EQ(answer->status, 400);
  EXPECT_THAT(answer->body, HasSubstr("4194304 bytes"));
}

TEST_F(HeldTest, AnUnreadPackedAnswerIsHeldToo) {
  StartWith(64 * kMiB);
  RawClient client = Connect();
  client.ShrinkReceiveBuffer();
  client.Send("GET /held/1 HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
  std::string noise(8 * kMiB, ' ');
  std::uint64_t state = 1;
  for (char& c : noise) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    c = static_cast<char>(state >> 56U);
  }
  held_.Take()->Send(Text(std::move(noise)));
  EXPECT_THAT(client.ReadBytes(12), StartsWith("HTTP/1.1 200"));
  EXPECT_GE(budget_->held(), 8 * kMiB - kFree);
}

TEST_F(HeldTest, AnAnswerThatIsNotReadIsCutAndGivesItsShareBack) {
  limits_.write_timeout = std::chrono::milliseconds(50);
  StartWith(64 * kMiB);
  RawClient client = Unread("/held/1");
  held_.Take()->Send(Text(std::string(20 * kMiB, 'x')));
  for (int i = 0; i < 1'000'000 && budget_->held() > 0; ++i)
    Settle();
  EXPECT_EQ(budget_->held(), 0u);
}

}  // namespace
}  // namespace quell::http
