// A real cluster, started by `quell dev`, and a client that asks it as an operator would.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/child.h"

namespace quell::bench {

struct Daemon {
  std::string id;
  std::string name;
  int pid = 0;
  std::string socket;  // Nodes.
};

class Cluster {
 public:
  // `quell` is the path of the command; `data` does not exist yet. Fails the bench if the cluster
  // does not come up.
  Cluster(const std::string& quell, int nodes, const std::string& data);

  const std::string& http() const { return http_; }
  const Daemon& coordinator() const { return coordinator_; }
  const std::vector<Daemon>& nodes() const { return nodes_; }
  double ready_millis() const { return ready_millis_; }

  // Registers `count` tasks of `action` at a node, by its local API, living as long as process
  // `pid`. Returns their ids.
  std::vector<std::string> Register(const Daemon& node, int count, const std::string& action,
                                    int pid) const;

 private:
  double started_millis_;
  std::unique_ptr<Child> child_;
  std::string http_;
  Daemon coordinator_;
  std::vector<Daemon> nodes_;
  double ready_millis_ = 0;
};

// HTTP/1.1 on one connection that is kept open, blocking, with as little around it as there can be.
class HttpClient {
 public:
  explicit HttpClient(const std::string& url);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Returns the body, which stays valid until the next call. Fails the bench unless the answer is a
  // 200 in which every selected node answered.
  std::string_view Ask(std::string_view method, std::string_view target);

 private:
  std::string authority_;
  int fd_ = -1;
  std::string request_;
  std::string answer_;
};

}  // namespace quell::bench
