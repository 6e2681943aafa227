#include "tests/bench/cluster.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>

#include "tests/bench/measure.h"
#include "transport/http/client.h"
#include "transport/http/json_writer.h"

namespace quell::bench {
namespace {

namespace json = boost::json;

constexpr int kBatch = 250;  // Tasks in one registration: well below the limit of a body.

double NowMillis() {
  return static_cast<double>(Now().count()) / 1e6;
}

Daemon ReadDaemon(const json::object& object) {
  Daemon daemon;
  const auto text = [&object](std::string_view key) {
    const json::value* found = object.if_contains(key);
    return found && found->is_string() ? std::string(found->get_string()) : std::string();
  };
  daemon.id = text("id");
  daemon.name = text("name");
  daemon.socket = text("socket");
  daemon.pid = static_cast<int>(object.at("pid").as_int64());
  return daemon;
}

}  // namespace

Cluster::Cluster(const std::string& quell, int nodes, const std::string& data)
    : started_millis_(NowMillis()),
      child_(std::make_unique<Child>(
          std::vector<std::string>{quell, "dev", "--nodes", std::to_string(nodes), "--http",
                                   "127.0.0.1:0", "--data", data},
          data + ".log")) {
  const json::value ready = json::parse(child_->ReadLine());
  ready_millis_ = NowMillis() - started_millis_;
  http_ = json::value_to<std::string>(ready.at("http"));
  coordinator_ = ReadDaemon(ready.at("coordinator").as_object());
  for (const json::value& node : ready.at("nodes").as_array()) {
    nodes_.push_back(ReadDaemon(node.as_object()));
  }
}

std::vector<std::string> Cluster::Register(const Daemon& node, int count, const std::string& action,
                                           int pid) const {
  const auto address = http::Address::Parse("unix:" + node.socket);
  if (!address) Fail(address.error().message);
  std::vector<std::string> ids;
  while (static_cast<int>(ids.size()) < count) {
    const int batch = std::min(kBatch, count - static_cast<int>(ids.size()));
    http::ClientRequest request;
    request.method = http::Method::kPost;
    request.target = "/v1/tasks";
    http::JsonWriter writer(request.body);
    writer.BeginArray();
    for (int i = 0; i < batch; ++i) {
      writer.BeginObject().Field("action", action).Field("description", "a task of the bench");
      writer.Field("pid", pid).EndObject();
    }
    writer.EndArray();
    const auto response = http::Fetch(*address, request, std::chrono::seconds(30));
    if (!response) Fail("registration: " + response.error().message);
    if (response->status != 200) Fail("registration: " + response->body);
    const json::value registered = json::parse(response->body);
    for (const json::value& task : registered.at("tasks").as_array()) {
      ids.push_back(json::value_to<std::string>(task.at("id")));
    }
  }
  return ids;
}

HttpClient::HttpClient(const std::string& url) : authority_(url.substr(url.rfind('/') + 1)) {
  const std::string port = authority_.substr(authority_.rfind(':') + 1);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    Fail("connect " + url + ": " + std::strerror(errno));
  }
}

HttpClient::~HttpClient() {
  ::close(fd_);
}

std::string_view HttpClient::Ask(std::string_view method, std::string_view target) {
  request_.assign(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: ");
  request_.append(authority_).append(method == "POST" ? "\r\nContent-Length: 0" : "");
  request_.append("\r\n\r\n");
  if (::send(fd_, request_.data(), request_.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request_.size())) {
    Fail("send: the coordinator has gone");
  }
  answer_.clear();
  std::size_t head = 0;
  std::size_t whole = 0;
  char bytes[64 * 1024];
  while (whole == 0 || answer_.size() < whole) {
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got <= 0) Fail("recv: the coordinator has gone");
    answer_.append(bytes, static_cast<std::size_t>(got));
    if (whole != 0) continue;
    head = answer_.find("\r\n\r\n");
    if (head == std::string::npos) continue;
    head += 4;
    constexpr std::string_view kLength = "\r\ncontent-length: ";
    std::string names = answer_.substr(0, head);
    std::transform(names.begin(), names.end(), names.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const std::size_t at = names.find(kLength);
    std::size_t length = 0;
    if (at >= head) Fail("no Content-Length: " + answer_.substr(0, head));
    std::from_chars(&answer_[at + kLength.size()], &answer_[head], length);
    whole = head + length;
  }
  if (!answer_.starts_with("HTTP/1.1 200 ") ||
      answer_.substr(0, head).find(" failed=0") == std::string::npos) {
    Fail(std::string(target) + ": " + answer_.substr(0, 2000));
  }
  return std::string_view(answer_).substr(head);
}

}  // namespace quell::bench
