// Requests to a router without a network.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "transport/http/exchange.h"
#include "transport/http/router.h"
#include "transport/http/target.h"

namespace quell {

struct TestResponse : http::Response {
  TestResponse(http::Response response) : http::Response(std::move(response)) {}
  std::string Header(std::string_view name) const {
    for (const quell::Header& header : headers) {
      if (header.name == name) return header.value;
    }
    return "";
  }
};

class TestExchange final : public http::Exchange {
 public:
  explicit TestExchange(http::Request request) : request_(std::move(request)) {}

  const http::Request& request() const override { return request_; }
  void Send(http::Response sent) override {
    EXPECT_FALSE(response) << "answered twice";
    response = std::move(sent);
  }
  // A streamed answer is a response once it has ended. Its reader takes a chunk with each Drain().
  void Start(http::Response head) override { stream = std::move(head); }
  void Write(std::string chunk, std::function<void()> drained) override {
    EXPECT_FALSE(drained_) << "more than one chunk is on its way";
    largest_chunk = std::max(largest_chunk, chunk.size());
    stream->body += chunk;
    drained_ = std::move(drained);
  }
  void End() override { response = std::exchange(stream, std::nullopt); }
  bool Drain() {
    const auto drained = std::exchange(drained_, nullptr);
    if (drained) drained();
    return drained != nullptr;
  }
  void OnGone(std::function<void()> gone) override { gone_ = std::move(gone); }

  // The client closes the connection.
  void Leave() {
    if (gone_) std::exchange(gone_, nullptr)();
  }

  std::optional<http::Response> response;
  std::optional<http::Response> stream;  // Between Start() and End().
  std::size_t largest_chunk = 0;

 private:
  const http::Request request_;
  std::function<void()> drained_;
  std::function<void()> gone_;
};

// Hands the request to its route's handler, or to who answers what has no route; the answer may
// come later.
inline std::shared_ptr<TestExchange> Begin(const http::Router& router, http::Method method,
                                           const std::string& target,
                                           std::vector<Header> headers = {},
                                           std::string body = {}) {
  http::Request request;
  request.method = method;
  request.target = target;
  Result<http::Target> parsed = http::ParseTarget(target, 64);
  EXPECT_TRUE(parsed.has_value()) << target;
  request.path = parsed->path;
  request.segments = parsed->segments;
  request.query = parsed->query;
  request.headers = std::move(headers);
  request.body = std::move(body);
  request.principal = {Principal::Transport::kLoopback, 0, 0, "127.0.0.1"};
  const http::Router::Match match = router.Find(method, request.segments);
  request.captures = match.captures;
  auto exchange = std::make_shared<TestExchange>(std::move(request));
  if (match.route == nullptr) {
    router.unrouted()(exchange, match.allowed);
  } else {
    match.route->handler(exchange);
  }
  return exchange;
}

}  // namespace quell
