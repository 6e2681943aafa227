#include "tests/unit/http/server_fixture.h"

#include <filesystem>
#include <stdlib.h>

#include <boost/asio/post.hpp>

namespace quell::http {

ServerTest::ServerTest() : work_(boost::asio::make_work_guard(context_)) {
  std::string name = (std::filesystem::temp_directory_path() / "quell-http-XXXXXX").string();
  folder_ = ::mkdtemp(name.data());
  Route(Method::kGet, "/hello", [](auto exchange) { exchange->Send(Text("hello")); });
  Route(Method::kPost, "/echo",
        [](auto exchange) { exchange->Send(Text(exchange->request().body)); });
  Route(Method::kGet, "/held/{id}", held_.AsHandler());
  Route(Method::kPost, "/held/{id}", held_.AsHandler());
  Route(Method::kGet, "/admin", [this](auto exchange) {
    admin_.Add();
    exchange->Send(Text("admin"));
  });
  thread_ = std::thread([this] { context_.run(); });
}

// What a test has not taken from held_ goes before the context does.
ServerTest::~ServerTest() {
  OnServer([this] { server_.reset(); });
  while (held_.waiting() > 0)
    held_.Take();
  work_.reset();
  thread_.join();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void ServerTest::Start() {
  OnServer([this] {
    server_ = std::make_unique<Server>(context_, router_, limits_);
    const Result<std::uint16_t> port = server_->ListenTcp("127.0.0.1", 0);
    ASSERT_TRUE(port) << port.error();
    port_ = *port;
  });
}

void ServerTest::OnServer(std::function<void()> work) {
  std::promise<void> done;
  boost::asio::post(context_, [&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

std::string ServerTest::Answer(std::string_view bytes) {
  RawClient client = Connect();
  client.Send(bytes);
  return client.ReadAll();
}

}  // namespace quell::http
