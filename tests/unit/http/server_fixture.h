// A running server for tests: its own thread, a free port, a temporary folder for unix sockets.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "tests/unit/http/raw_client.h"
#include "transport/http/server.h"

namespace quell::http {

// A count that threads raise and a test waits for, at most ten seconds.
class Counter {
 public:
  void Add() {
    const std::lock_guard lock(mutex_);
    ++count_;
    changed_.notify_all();
  }
  int count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }
  bool Reaches(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return count_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

// Takes exchanges from handlers to the test's thread.
class Held {
 public:
  Handler AsHandler() {
    return [this](std::shared_ptr<Exchange> exchange) {
      const std::lock_guard lock(mutex_);
      exchanges_.push_back(std::move(exchange));
      changed_.notify_all();
    };
  }
  // The next one, in order of arrival; null after ten seconds.
  std::shared_ptr<Exchange> Take() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(10), [&] { return !exchanges_.empty(); })) {
      return nullptr;
    }
    auto exchange = std::move(exchanges_.front());
    exchanges_.erase(exchanges_.begin());
    return exchange;
  }
  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return exchanges_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Exchange>> exchanges_;
};

inline Response Text(std::string body, int status = 200) {
  Response response;
  response.status = status;
  response.content_type = "text/plain";
  response.body = std::move(body);
  return response;
}

class ServerTest : public testing::Test {
 protected:
  ServerTest();
  ~ServerTest() override;

  // Starts the server with `limits_` and the routes of `router_`, on TCP.
  void Start();
  // On the server's thread, before Start() too; returns when it is done.
  void OnServer(std::function<void()> work);
  // Any route, answered by `handler`.
  void Route(Method method, std::string pattern, Handler handler) {
    router_.Add(method, std::move(pattern), Permission::kTaskList, std::move(handler));
  }
  RawClient Connect() { return RawClient::Tcp(port_); }
  // The whole of what a connection of its own answers to `bytes` until it ends.
  std::string Answer(std::string_view bytes);
  // Waits until the server has dealt with all that was posted before.
  void Settle() {
    OnServer([] {});
  }

  // What is there before Start(): GET /hello answers "hello", POST /echo the body, /held/{id} (GET
  // and POST) goes to held_, GET /admin counts.
  boost::asio::io_context context_{1};
  Router router_;
  ServerLimits limits_;
  Held held_;
  Counter admin_;
  std::unique_ptr<Server> server_;
  std::uint16_t port_ = 0;
  std::string folder_;

 private:
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

}  // namespace quell::http
