// What a node must not forget: which numbers it may have given out, in which life it is, which
// intents it has applied and which tasks they hit, which tasks live, and how the last ones ended.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/ids.h"
#include "core/intent.h"
#include "core/receipt.h"
#include "core/result.h"
#include "core/task.h"

namespace quell {

// A task of this node that is cancelled for ever, whether it lives, ended, or is not known at all:
// a descendant that registers later is cancelled on registration.
struct Tombstone {
  std::uint64_t number = 0;
  CancelMark mark;
  bool cascade = true;  // False: catches no descendants.

  friend bool operator==(const Tombstone&, const Tombstone&) = default;
};

// How an intent came to this node first: what orders it and the tasks that are looked at later.
struct Arrival {
  BootMoment at;             // By this host's clock.
  std::uint64_t before = 0;  // Tasks with lower numbers began before the intent.
  std::uint64_t after = 0;   // Numbers from here on were given out after the intent had come.

  friend bool operator==(const Arrival&, const Arrival&) = default;
};

// One intent as this node has applied it.
struct AppliedIntent {
  Intent intent;
  Arrival arrival = {};               // Of a filter; the first one stays.
  std::vector<Tombstone> tombstones;  // Its target, and each task that it marked.
  std::vector<Receipt> receipts;
  bool handoff = false;  // It was born here: the store is to hear of it.

  friend bool operator==(const AppliedIntent&, const AppliedIntent&) = default;
};

// A process of this host. A pid with its birth names one process for ever; a pid alone is reused.
struct ProcessName {
  std::int32_t pid = 0;  // 0: none.
  std::uint64_t birth = 0;

  friend bool operator==(const ProcessName&, const ProcessName&) = default;
};

// A live task, so that a node which was killed can go on with it.
struct LiveTaskRecord {
  Task task;  // As it was registered: without status, cancel, and what this life alone knows.
  std::string key;
  ProcessName lives_by;  // Its own, or the one that stands for its session.
  std::string boot_id;   // Of task.start_boot; empty: it has none.
  // It registered late, and whether a filter that was applied before hits it could not be told yet.
  // True also if that was told since.
  bool unchecked = false;
};

// An applied intent that goes by filter: it still catches tasks that register late.
struct AppliedFilter {
  Intent intent;
  Arrival arrival;

  friend bool operator==(const AppliedFilter&, const AppliedFilter&) = default;
};

// One start of the daemon on this data directory.
struct Life {
  LifeId id;
  std::uint64_t first_number = 1;              // That it could give out.
  std::optional<std::uint64_t> joined_number;  // Its next one when it first joined; none: it never
                                               // did, as far as that is known.
  friend bool operator==(const Life&, const Life&) = default;
};

// A row of the file that cannot be read. It alone is left out, and stays where it
// is.
struct SkippedRow {
  std::string row;  // "live task 17"
  std::string why;
};

struct JournalState {
  Incarnation incarnation = Incarnation::kNone;  // Of this start; the file already has it.
  std::uint64_t next_number = 1;                 // Everything below may have been given out.
  std::vector<IntentId> applied;                 // Oldest first, as far as that is known.
  std::uint64_t forgotten_below = 0;             // As Tombstones has it.
  std::vector<Tombstone> tombstones;             // Those whose tasks ended first come first.
  std::vector<AppliedFilter> filters;            // The newest ones, oldest first.
  std::vector<Receipt> receipts;     // The last of each tombstone's first intent, as far as known.
  std::vector<Intent> handoff;       // Oldest first.
  std::vector<LiveTaskRecord> live;  // In ascending order of their numbers.
  std::vector<Life> lives;           // Oldest first; the last one is this start.
  std::vector<SkippedRow> skipped = {};  // The first limits::kSkippedRowsNamed...
  std::size_t skipped_total = 0;         // ...of so many.
};

// Callbacks run on the node's executor, exactly once, never inside the calls, and in their order;
// only ReserveNumbers() may overtake the others. An error (kInternal, kResourceExhausted for a full
// disk; the message names file and remedy) means that nothing of that call is durable.
class Journal {
 public:
  using Done = std::function<void(Status)>;
  virtual ~Journal() = default;

  // Numbers below `end` may be given out once `done` says so.
  virtual void ReserveNumbers(std::uint64_t end, Done done) = 0;
  // Durable when `done` says so. Repeating it for the same intent adds what is new.
  virtual void RecordApplied(AppliedIntent applied, Done done) = 0;
  // Written behind: a crash may lose the last moments of these.
  virtual void RecordReceipt(const Receipt& receipt) = 0;
  // These tombstones are kept no longer, nor their receipts. Written behind; losing it costs a
  // repetition.
  virtual void ForgetTombstones(std::vector<std::uint64_t> numbers) = 0;
  // It is owed no longer. Losing it costs a repetition.
  virtual void RecordHandedOver(const IntentId& intent) = 0;
  // This life has joined, and gives out no number below this any more. Losing it costs that some
  // tasks are called doubtful, should another copy of this data appear.
  virtual void RecordJoined(std::uint64_t next_number) = 0;
  // They live, until RecordEnded(). Durable when `done` says so. Repeating it replaces what was
  // kept.
  virtual void RecordLive(std::vector<LiveTaskRecord> tasks, Done done) = 0;
  // They have ended. Durable when `done` says so; without one, written behind. After an error they
  // are written behind all the same, if the disk allows.
  virtual void RecordEnded(std::vector<Task> tasks, Done done) = 0;
  // An ended task of an earlier life or one that memory has let go; kNotFound.
  virtual void FindEnded(std::uint64_t number, std::function<void(Result<Task>)> done) = 0;
  // Those with numbers above `after` that ended at `since` or later, in ascending order of their
  // numbers; limits::kPageTasks at most.
  virtual void ListEnded(WallTime since, std::uint64_t after,
                         std::function<void(Result<std::vector<Task>>)> done) = 0;
};

}  // namespace quell
