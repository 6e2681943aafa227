// Which tasks of this node are cancelled for ever, whether they live, ended, or are not known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "core/limits.h"
#include "node/journal.h"

namespace quell {

// Never forgets one: at the limit new cancels are refused. Not thread-safe.
class Tombstones {
 public:
  explicit Tombstones(const std::vector<Tombstone>& recovered,
                      std::size_t max = limits::kTombstonesMax);

  const Tombstone* Find(std::uint64_t number) const;

  // The first mark of a task stays as it is; a second one can turn cascade on and shorten the
  // grace. Returns what that changed.
  struct Change {
    const Tombstone& kept;
    bool fresh = false;
    bool cascade = false;
    bool grace = false;
  };
  Change Add(const Tombstone& tombstone);

  // The journal has it, and nothing can make it forget.
  void SetDurable(std::uint64_t number);
  bool IsDurable(std::uint64_t number) const;

  std::size_t size() const { return by_number_.size(); }
  std::size_t room() const { return max_ > size() ? max_ - size() : 0; }

 private:
  struct Entry {
    Tombstone tombstone;
    bool durable = false;
  };

  const std::size_t max_;
  std::unordered_map<std::uint64_t, Entry> by_number_;  // Looked up, never walked.
};

}  // namespace quell
