// Goal: a slow reader gets everything in few parts; one that does not read costs a bound, is cut,
// and its node hears of that.
// Method: the stream over an exchange of the test's own, which drains when it is told.
#include "node/local_api/command_stream.h"

#include <algorithm>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quell {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

struct Wire {
  std::optional<http::Response> head;
  std::optional<http::Response> answer;
  std::vector<std::string> parts;
  std::vector<std::function<void()>> drained;
  bool ended = false;
  bool dropped = false;
};

class FakeExchange final : public http::Exchange {
 public:
  explicit FakeExchange(Wire& wire) : wire_(wire) {}
  ~FakeExchange() override { wire_.dropped = true; }
  const http::Request& request() const override { return request_; }
  void Send(http::Response response) override { wire_.answer = std::move(response); }
  void Start(http::Response head) override { wire_.head = std::move(head); }
  void Write(std::string chunk, std::function<void()> drained) override {
    wire_.parts.push_back(std::move(chunk));
    if (drained) wire_.drained.push_back(std::move(drained));
  }
  void End() override { wire_.ended = true; }
  void OnGone(std::function<void()>) override {}

 private:
  Wire& wire_;
  const http::Request request_;
};

class CommandStreamTest : public testing::Test {
 protected:
  std::shared_ptr<CommandStream> Open(std::size_t lines_max = 3) {
    return std::make_shared<CommandStream>(
        std::make_shared<FakeExchange>(wire_), [this] { ++cut_; }, lines_max);
  }
  static void Tell(CommandStream& stream, int count = 1) {
    for (int i = 0; i < count; ++i)
      stream.OnCancel(CancelCommand());
  }
  void Drain() {
    auto drained = std::move(wire_.drained.front());
    wire_.drained.erase(wire_.drained.begin());
    drained();
  }
  static std::ptrdiff_t LinesOf(const std::string& part) {
    return std::count(part.begin(), part.end(), '\n');
  }

  Wire wire_;
  int cut_ = 0;
};

TEST_F(CommandStreamTest, SendsTheHeadFirst) {
  const auto stream = Open();
  Tell(*stream);
  EXPECT_THAT(wire_.parts, IsEmpty());
  stream->Begin();
  ASSERT_TRUE(wire_.head.has_value()) << "no head";
  EXPECT_EQ(wire_.head->content_type, "application/x-ndjson");
  ASSERT_THAT(wire_.parts, SizeIs(1));
  EXPECT_EQ(LinesOf(wire_.parts[0]), 1);
}

TEST_F(CommandStreamTest, WhatComesWhileAPartIsOnItsWayGoesTogether) {
  const auto stream = Open();
  stream->Begin();
  Tell(*stream, 4);
  ASSERT_THAT(wire_.parts, SizeIs(1));
  Drain();
  ASSERT_THAT(wire_.parts, SizeIs(2));
  EXPECT_EQ(LinesOf(wire_.parts[1]), 3);
  Drain();
  EXPECT_THAT(wire_.parts, SizeIs(2));
  Tell(*stream);
  EXPECT_THAT(wire_.parts, SizeIs(3));
}

TEST_F(CommandStreamTest, IsCutWhenMoreWaitsThanTheLimit) {
  const auto stream = Open(3);
  stream->Begin();
  Tell(*stream, 4);
  EXPECT_EQ(cut_, 0);
  Tell(*stream);
  EXPECT_EQ(cut_, 1);
  EXPECT_TRUE(wire_.dropped);
  EXPECT_FALSE(wire_.ended) << "it must not look complete";
  Tell(*stream);
  Drain();
  EXPECT_EQ(cut_, 1);
}

TEST_F(CommandStreamTest, EndsWithAllThatWasTold) {
  const auto stream = Open();
  stream->Begin();
  Tell(*stream, 3);
  stream->OnClosed();
  EXPECT_TRUE(wire_.ended);
  ASSERT_THAT(wire_.parts, SizeIs(2));
  EXPECT_EQ(LinesOf(wire_.parts[1]), 2);
  Tell(*stream);
  EXPECT_THAT(wire_.parts, SizeIs(2));
}

TEST_F(CommandStreamTest, ARefusalIsTheWholeAnswer) {
  const auto stream = Open();
  http::Response refusal;
  refusal.status = 404;
  stream->Refuse(refusal);
  ASSERT_TRUE(wire_.answer.has_value()) << "no answer";
  EXPECT_EQ(wire_.answer->status, 404);
  EXPECT_FALSE(wire_.head.has_value()) << "and no stream";
}

TEST_F(CommandStreamTest, OutlivesNothingItCallsBack) {
  auto stream = Open();
  stream->Begin();
  Tell(*stream);
  stream.reset();
  Drain();  // Must not touch what is gone.
}

}  // namespace
}  // namespace quell
