// The exchange of one request on a Connection. Private to this folder.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "transport/http/connection.h"
#include "transport/http/exchange.h"

namespace quell::http {

// Carries each call to the connection's thread: at once if it is that thread and nothing is on its
// way there already, else by one post. Thread-safe.
class ServerExchange : public Exchange, public std::enable_shared_from_this<ServerExchange> {
 public:
  ServerExchange(std::shared_ptr<Connection> connection, std::uint64_t call, Request request)
      : connection_(std::move(connection)), call_(call), request_(std::move(request)) {}
  ~ServerExchange() override;

  const Request& request() const override { return request_; }
  void Send(Response response) override;
  void Start(Response head) override;
  void Write(std::string chunk, std::function<void()> drained) override;
  void End() override;
  void OnGone(std::function<void()> gone) override;

 private:
  template <typename Work>
  void Run(Work work);
  void Book(Response& response) const;

  const std::shared_ptr<Connection> connection_;
  const std::uint64_t call_;
  const Request request_;
  std::atomic<int> posted_{0};
  std::atomic<bool> complete_{false};  // Send() or End() was called.
};

}  // namespace quell::http
