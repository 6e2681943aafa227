// Which tasks of this node are cancelled for ever, whether they live, ended, or are not known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/limits.h"
#include "node/journal/journal.h"

namespace quell {

// Every live task can have one: those who live are bounded elsewhere, so no cancel is ever refused
// here. Of the others, the first that ended are to be forgotten when there are more than `kept`.
// Not thread-safe.
class Tombstones {
 public:
  // `recovered` as JournalState has them. None of their tasks lives before SetLives().
  explicit Tombstones(const std::vector<Tombstone>& recovered, std::uint64_t forgotten_below = 0,
                      std::size_t kept = limits::kTombstonesKept);

  const Tombstone* Find(std::uint64_t number) const;

  // The first mark of a task stays as it is; a second one can turn cascade on and shorten the
  // grace. Returns what that changed. `lives`: of a task that has none yet.
  struct Change {
    const Tombstone& kept;
    bool fresh = false;
    bool cascade = false;
    bool grace = false;
  };
  Change Add(const Tombstone& tombstone, bool lives);

  // Of a task that has none nothing happens.
  void SetLives(std::uint64_t number);
  void SetEnded(std::uint64_t number);

  // The journal has it as it is, and nothing but ForgetFirst() can make it forget.
  void SetDurable(std::uint64_t number);
  bool IsDurable(std::uint64_t number) const;

  // The one whose task ended first, if more than `kept` do not live.
  std::optional<Tombstone> ForgetFirst();
  // A number below it that does not live never lives again: nobody knows any more whether it was
  // cancelled.
  std::uint64_t forgotten_below() const { return forgotten_below_; }

  std::size_t size() const { return by_number_.size(); }
  std::size_t ended() const { return ended_.size(); }

 private:
  struct Entry {
    Tombstone tombstone;
    std::uint64_t ended = 0;  // Its place in `ended_`; 0: it lives.
    bool durable = false;
  };
  void SetEnded(Entry& entry);

  const std::size_t kept_;
  std::uint64_t forgotten_below_;
  std::unordered_map<std::uint64_t, Entry> by_number_;  // Looked up, never walked.
  std::map<std::uint64_t, std::uint64_t> ended_;        // Numbers, in the order of their ends.
  std::uint64_t last_ended_ = 0;
};

}  // namespace quell
