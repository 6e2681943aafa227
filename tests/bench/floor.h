// The floor: what gRPC and SQLite themselves cost for the same bytes and the same commits, with
// nothing of Quell in between. Open streams, one completion queue and one thread at each end, each
// read posted with the write before it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace quell::bench {

// What one server is asked to do.
struct Ask {
  std::uint32_t request_bytes = 64;
  std::uint32_t pages = 1;
  std::uint32_t page_bytes = 16;
  bool commit = false;  // One synced row before it answers.
};

// SQLite with a write-ahead log and synchronous=FULL, as Quell uses it; one row a commit.
class BareCommit {
 public:
  explicit BareCommit(const std::string& path);
  ~BareCommit();
  BareCommit(const BareCommit&) = delete;
  BareCommit& operator=(const BareCommit&) = delete;
  void Run();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Many servers, each a process of its own. Fails the bench if one does not come up.
class BareFanOut {
 public:
  BareFanOut(int servers, const std::string& folder);
  ~BareFanOut();
  BareFanOut(const BareFanOut&) = delete;
  BareFanOut& operator=(const BareFanOut&) = delete;

  // Asks the first `servers` of them at once and returns when the last byte is there.
  void Run(const Ask& ask, int servers);
  int size() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The other end; prints its port on standard output and serves until its parent ends.
int ServeFloor(const std::string& database_path);

}  // namespace quell::bench
